//! Decides whether a service is healthy. Its main process must run the right program and stay the
//! same. Its answer must match the product manifest several times in a row.

mod program;
mod question;
mod steady;
mod streak;
mod wait;

use manifests::digest::Sha256;
use manifests::product::{Component, Health};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::{Host, ProbeAnswer};
use crate::layout::Layout;
use crate::settings;

pub use question::target;
pub use wait::{Patience, ask_before, wait};

/// Why a service is not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ill {
    /// The kind, for comparison with the state before a run.
    pub kind: IllKind,
    /// The reason, for people.
    pub why: String,
}

/// Kinds of unhealthy services. Only the kind that a service had before the run excuses it
/// afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IllKind {
    /// It does not answer.
    Silent,
    /// It answers that it, or something it needs, is not healthy.
    Complaining,
    /// It answers as another version.
    Version,
    /// Its main process does not run, does not stay up, or is another program.
    Process,
    /// The wait was stopped before the state was known.
    Stopped,
}

impl Ill {
    fn new(kind: IllKind, why: impl Into<String>) -> Self {
        Self {
            kind,
            why: why.into(),
        }
    }
}

/// What a healthy service must match.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The version that its answer must contain, if the product manifest requires one.
    pub version: &'a str,
    /// The digest of the program that its main process must run.
    pub program: Option<Sha256>,
}

/// Checks one answer. Pure.
pub fn judge(answer: &ProbeAnswer, health: &Health, version: &str) -> Result<(), Ill> {
    let complaint = |why: String| Ill::new(IllKind::Complaining, why);
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    // The version comes first: an earlier complaint never excuses a wrong version.
    if let (Some(pointer), Some(body)) = (&health.version_pointer, &body) {
        match body.pointer(pointer).and_then(Value::as_str) {
            // Some builds write the version with a leading `v`.
            Some(found) if found.trim_start_matches('v') != version => {
                let why = format!("it answers as version {found}, not {version}");
                return Err(Ill::new(IllKind::Version, why));
            }
            None if answer.status == 200 => {
                return Err(Ill::new(IllKind::Version, "its answer carries no version"));
            }
            _ => {}
        }
    }
    if answer.status != 200 {
        return Err(complaint(format!(
            "it answers with HTTP status {}",
            answer.status
        )));
    }
    let body = body.ok_or_else(|| complaint("its answer is not JSON".to_owned()))?;
    for expectation in &health.expect {
        let found = body.pointer(&expectation.pointer).and_then(Value::as_str);
        if !found.is_some_and(|found| expectation.any_of.iter().any(|well| well == found)) {
            let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
            return Err(complaint(format!(
                "its answer has {found} at {}",
                expectation.pointer
            )));
        }
    }
    Ok(())
}

/// Looks at a service once, and returns its main process if all is well.
fn look(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    health: &Health,
    unit: &str,
    expected: Expected<'_>,
) -> Result<u32, Ill> {
    let no_process = |why: String| Ill::new(IllKind::Process, why);
    let process = host
        .main_process(unit)
        .map_err(|error| no_process(error.to_string()))?;
    let process = process.ok_or_else(|| no_process("its main process does not run".to_owned()))?;
    if let Some(program) = expected.program
        && program != process.sha256
        && !program::is_run(host, layout, component, unit, program)
    {
        return Err(no_process(format!(
            "{} is not the package's program, and nothing in the unit runs that program",
            process.program
        )));
    }
    // Read each time, because the upgrade may change a default.
    let loaded = settings::load(host, layout, component);
    let silent = |why: String| Ill::new(IllKind::Silent, why);
    if let Some(trouble) = loaded.trouble.filter(|_| health.reads_settings()) {
        let why = format!("where to ask it is not known: {}", trouble.why);
        return Err(silent(why));
    }
    let answer = target(&loaded.settings, health).and_then(|target| host.probe(&target));
    let answer = answer.map_err(silent)?;
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
        judge(&answer, gateway().health.as_ref().unwrap(), "5.3.2").map_err(|ill| ill.why)
    }

    #[test]
    fn a_gateway_is_healthy_only_with_details_and_the_right_version() {
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
}
