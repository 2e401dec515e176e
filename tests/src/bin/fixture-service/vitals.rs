//! What the gateway knows about the systems it depends on, found out anew every few seconds.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last look at one system.
#[derive(Clone, Debug)]
pub(crate) struct Vital {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) failure: Option<String>,
    pub(crate) time: String,
}

impl Vital {
    pub(crate) fn new(name: &'static str, kind: &'static str, found: Result<(), String>) -> Self {
        Self {
            name,
            kind,
            failure: found.err(),
            time: now(),
        }
    }

    fn to_json(&self) -> String {
        let (status, output) = match &self.failure {
            None => ("pass", String::new()),
            Some(text) => ("fail", format!("\"output\":\"{}\",", escape(text))),
        };
        format!(
            "\"{}\":{{\"status\":\"{status}\",{output}\"componentType\":\"{}\",\"time\":\"{}\"}}",
            self.name, self.kind, self.time
        )
    }
}

/// `pass` without failures, `fail` when all have failed, `warn` in between.
pub(crate) fn verdict(vitals: &[Vital]) -> &'static str {
    let failures = vitals
        .iter()
        .filter(|vital| vital.failure.is_some())
        .count();
    match failures {
        0 => "pass",
        all if all == vitals.len() => "fail",
        _ => "warn",
    }
}

/// The member `details`, or nothing before the first look.
pub(crate) fn details(vitals: &[Vital]) -> String {
    if vitals.is_empty() {
        return String::new();
    }
    let items: Vec<String> = vitals.iter().map(Vital::to_json).collect();
    format!(",\"details\":{{{}}}", items.join(","))
}

/// Whether something listens at the address of a URL such as `http://127.0.0.1:3000`.
pub(crate) fn reach(url: &str) -> Result<(), String> {
    let address = url
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap_or_default();
    let mut addresses = address
        .to_socket_addrs()
        .map_err(|error| format!("{url}: {error}"))?;
    let address = addresses.next().ok_or(format!("{url} has no address"))?;
    TcpStream::connect_timeout(&address, Duration::from_secs(2))
        .map(drop)
        .map_err(|error| format!("{url}: {error}"))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "'")
        .replace(char::is_control, " ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a service has a clock of its own"
)]
fn now() -> String {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    rfc3339(elapsed.as_secs())
}

/// The civil date of a Unix time, by counting days in 400-year eras that begin in March.
fn rfc3339(unix_secs: u64) -> String {
    let (days, clock) = (unix_secs / 86_400 + 719_468, unix_secs % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::{Vital, rfc3339, verdict};

    #[test]
    fn writes_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(rfc3339(1_735_689_599), "2024-12-31T23:59:59Z");
    }

    #[test]
    fn judges_as_the_vendor_does() {
        let good = || Vital::new("redis", "datastore", Ok(()));
        let bad = || Vital::new("dashboard", "system", Err("down".to_owned()));
        assert_eq!(verdict(&[]), "pass");
        assert_eq!(verdict(&[good()]), "pass");
        assert_eq!(verdict(&[good(), bad()]), "warn");
        assert_eq!(verdict(&[bad()]), "fail");
    }
}
