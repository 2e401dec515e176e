//! Whether a service is well: its main process runs the right program and stays the same, and its
//! answer says what the product manifest demands, several times in a row.

use std::time::Duration;

use manifests::digest::Sha256;
use manifests::product::{Component, Health};
use serde_json::Value;

use crate::host::{Host, ProbeAnswer, ProbeTarget};
use crate::layout::Layout;
use crate::settings::Settings;

/// Main processes that may come and go before a service counts as one that cannot stay up.
const RESTARTS_MAX: u32 = 4;

/// What a healthy service must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The version its answer must carry, where the product says it carries one.
    pub version: &'a str,
    /// The digest of the program its main process must run.
    pub program: Option<Sha256>,
}

/// Reads what a component's configuration says about itself.
#[must_use]
pub fn settings(layout: &Layout, component: &Component) -> (Settings, Vec<String>) {
    let read = |path: &String| std::fs::read_to_string(layout.at(path)).ok();
    let environment: Vec<String> = component.environment.iter().filter_map(read).collect();
    let path = component.config.first();
    let text = path.and_then(read);
    let config = path
        .zip(text.as_ref())
        .map(|(path, text)| (path.as_str(), text.as_str()));
    Settings::read(&environment, config)
}

/// Returns where a component is asked.
#[must_use]
pub fn target(settings: &Settings, health: &Health) -> ProbeTarget {
    let address = settings.get(&health.address);
    let address = match address.as_str() {
        "0.0.0.0" | "::" | "[::]" => "127.0.0.1".to_owned(),
        plain if plain.contains(':') && !plain.starts_with('[') => format!("[{plain}]"),
        plain => plain.to_owned(),
    };
    let scheme = if settings.get(&health.tls) == "true" {
        "https"
    } else {
        "http"
    };
    let (port, path) = (settings.get(&health.port), settings.get(&health.path));
    let url = format!(
        "{scheme}://{address}:{port}/{}",
        path.trim_start_matches('/')
    );
    ProbeTarget {
        url,
        timeout: Duration::from_millis(health.timeout_ms),
    }
}

/// Judges one answer. Pure.
pub fn judge(answer: &ProbeAnswer, health: &Health, version: &str) -> Result<(), String> {
    if answer.status != 200 {
        return Err(format!("it answers with HTTP status {}", answer.status));
    }
    let body: Value =
        serde_json::from_slice(&answer.body).map_err(|_| "its answer is not JSON".to_owned())?;
    for expectation in &health.expect {
        let found = body.pointer(&expectation.pointer).and_then(Value::as_str);
        if !found.is_some_and(|found| expectation.any_of.iter().any(|well| well == found)) {
            let said = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
            return Err(format!("its answer says {said} at {}", expectation.pointer));
        }
    }
    let Some(pointer) = &health.version_pointer else {
        return Ok(());
    };
    match body.pointer(pointer).and_then(Value::as_str) {
        // Some builds write the version with a leading `v`.
        Some(found) if found.trim_start_matches('v') == version => Ok(()),
        Some(found) => Err(format!("it answers as version {found}, not {version}")),
        None => Err("its answer carries no version".to_owned()),
    }
}

/// Asks once, without looking at the process: the state before a run.
pub fn ask_once(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    version: &str,
) -> Result<(), String> {
    let Some(health) = &component.health else {
        return Ok(());
    };
    let (settings, _) = settings(layout, component);
    judge(&host.probe(&target(&settings, health))?, health, version)
}

/// Waits until a service is well, or says why it is not within its budget.
pub fn wait(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    expected: Expected<'_>,
    stopped: &dyn Fn() -> bool,
) -> Result<(), String> {
    let (Some(unit), Some(health)) = (&component.unit, &component.health) else {
        return Ok(());
    };
    let pause = Duration::from_millis(health.interval_ms);
    let started = std::time::Instant::now();
    let probes = health.budget_secs.saturating_mul(1000) / health.interval_ms.max(1);
    let (mut streak, mut processes, mut pid) = (0, 0, 0);
    let mut last = "it was never asked".to_owned();
    for _ in 0..=probes {
        let found = look(host, layout, component, health, unit, expected);
        let verdict = match found {
            Ok(found_pid) if found_pid == pid => Ok(()),
            Ok(found_pid) => {
                (streak, processes, pid) = (0, processes + 1, found_pid);
                Ok(())
            }
            Err(why) => Err(why),
        };
        streak = if verdict.is_ok() { streak + 1 } else { 0 };
        if streak >= health.consecutive {
            return Ok(());
        }
        let why = verdict
            .err()
            .unwrap_or_else(|| "it was well too short a time".to_owned());
        if processes > RESTARTS_MAX {
            return Err(format!("its main process does not stay up; last: {why}"));
        }
        if host.unit(unit).is_ok_and(|state| state.active == "failed") {
            return Err(format!("the unit failed; last: {why}"));
        }
        if stopped() {
            return Err("the run was told to stop".to_owned());
        }
        last = why;
        if started.elapsed() >= Duration::from_secs(health.budget_secs) {
            break;
        }
        host.sleep(pause);
    }
    Err(format!("{last} (after {} s)", health.budget_secs))
}

fn look(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    health: &Health,
    unit: &str,
    expected: Expected<'_>,
) -> Result<u32, String> {
    let process = host.main_process(unit).map_err(|error| error.to_string())?;
    let process = process.ok_or_else(|| "its main process does not run".to_owned())?;
    match expected.program {
        Some(program) if program != process.sha256 => {
            return Err(format!("{} is not the package's program", process.program));
        }
        _ => {}
    }
    // Read anew each time: the upgrade may bring a new default.
    let (settings, _) = settings(layout, component);
    let answer = host.probe(&target(&settings, health))?;
    judge(&answer, health, expected.version)?;
    Ok(process.pid)
}

#[cfg(test)]
mod tests {
    use manifests::product::ProductManifest;

    use super::*;

    fn gateway() -> Component {
        let tyk = ProductManifest::from_toml(manifests::product::TYK).unwrap();
        tyk.component("gateway").unwrap().clone()
    }

    fn verdict(status: u16, body: &str) -> Result<(), String> {
        let answer = ProbeAnswer {
            status,
            body: body.as_bytes().to_vec(),
        };
        judge(&answer, gateway().health.as_ref().unwrap(), "5.3.2")
    }

    #[test]
    fn a_gateway_is_believed_only_with_details_and_the_right_version() {
        let well = r#"{"status":"pass","version":"5.3.2","details":{"redis":{"status":"pass"}}}"#;
        assert_eq!(verdict(200, well), Ok(()));
        assert_eq!(
            verdict(200, &well.replace("\"5.3.2\"", "\"v5.3.2\"")),
            Ok(())
        );
        assert!(
            verdict(200, r#"{"status":"pass","version":"5.3.2"}"#)
                .unwrap_err()
                .contains("redis")
        );
        assert!(
            verdict(200, &well.replace("5.3.2", "5.2.5"))
                .unwrap_err()
                .contains("5.2.5")
        );
        let fail = well.replacen("pass", "fail", 1);
        assert!(verdict(200, &fail).is_err());
        assert!(verdict(503, well).is_err());
        assert!(verdict(200, "<html>").is_err());
    }

    #[test]
    fn the_question_goes_where_the_configuration_says() {
        let component = gateway();
        let file = r#"{"listen_port": 9000, "listen_address": "0.0.0.0", "health_check_endpoint_name": "up"}"#;
        let (settings, _) = Settings::read(&[], Some(("tyk.conf", file)));
        let target = target(&settings, component.health.as_ref().unwrap());
        assert_eq!(target.url, "http://127.0.0.1:9000/up");
    }
}
