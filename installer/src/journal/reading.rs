//! Parses a journal's bytes into records.

use manifests::digest::Sha256;
use serde::Deserialize;

use super::Record;
use crate::document;

/// The type of journals that this installer writes. They omit it, and a missing type means this
/// one.
const JOURNAL_TYPE: &str = "airgap-bundle/journal/1";

/// A line that is not a record. A torn last line does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Damage {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// The origin of the line.
    pub origin: Origin,
}

/// The origin of a line that is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The checksum is wrong: no installer wrote this line.
    Damage,
    /// The checksum is right: a newer installer wrote this line.
    NewerInstaller,
}

/// The fields that every version of a line has.
#[derive(Debug, Deserialize)]
struct Line {
    sum: String,
    #[serde(rename = "type")]
    document: Option<String>,
}

/// Reads the records. An incomplete last line was torn by a power cut and is left out. Every other
/// line must match its checksum byte for byte. Unknown fields are ignored.
pub fn read_records(bytes: &[u8]) -> Result<Vec<Record>, Damage> {
    let mut records: Vec<Record> = Vec::new();
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            break;
        }
        let fault = |origin: Origin, reason: String| Damage {
            line: index + 1,
            reason,
            origin,
        };
        let damage = |reason: String| fault(Origin::Damage, reason);
        let newer = |reason: String| fault(Origin::NewerInstaller, reason);
        let head: Line = serde_json::from_slice(line).map_err(|error| damage(error.to_string()))?;
        let previous = records.last().map_or("", |record| record.sum.as_str());
        if checksum(line, &head.sum, previous).as_ref() != Some(&head.sum) {
            return Err(damage("the checksum does not match".to_owned()));
        }
        if let Some(found) = head
            .document
            .filter(|found| document::is_newer(found, JOURNAL_TYPE))
        {
            return Err(newer(format!("its format is `{found}`")));
        }
        records.push(serde_json::from_slice(line).map_err(|error| newer(error.to_string()))?);
    }
    Ok(records)
}

/// Returns the checksum that a line must have after a line with checksum `previous`. It covers all
/// bytes before it, and therefore any fields. It is the last field in every version.
fn checksum(line: &[u8], own: &str, previous: &str) -> Option<String> {
    let end = format!("\"sum\":\"{own}\"}}\n");
    let mut bytes = line.strip_suffix(end.as_bytes())?.to_vec();
    bytes.extend(format!("\"sum\":\"{previous}\"}}").into_bytes());
    Some(Sha256::of(&bytes).short())
}

/// Returns the line for a record.
#[must_use]
pub fn line_of(record: &Record) -> String {
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a line as an installer writes it that knows more fields or steps.
    fn line(fields: &str, step: &str, previous: &str) -> (String, String) {
        let plan = Sha256::of(b"plan");
        let start = format!(
            "{{{fields}\"seq\":1,\"run\":1,\"plan\":\"{plan}\",\"step\":\"{step}\",\
             \"phase\":\"intent\",\"at\":5,\"note\":\"\","
        );
        let of = format!("{start}\"sum\":\"{previous}\"}}");
        let sum = Sha256::of(of.as_bytes()).short();
        (format!("{start}\"sum\":\"{sum}\"}}\n"), sum)
    }

    #[test]
    fn fields_of_a_newer_installer_are_ignored_and_its_steps_and_versions_are_reported() {
        let (first, sum) = line("\"more\":[1],", "backup", "");
        let (second, _) = line("\"type\":\"airgap-bundle/journal/1\",", "commit", &sum);
        let both = format!("{first}{second}");
        assert_eq!(read_records(both.as_bytes()).unwrap().len(), 2);
        let bad = both.replacen("[1]", "[2]", 1);
        let damage = read_records(bad.as_bytes()).unwrap_err();
        assert_eq!((damage.line, damage.origin), (1, Origin::Damage));
        for (fields, step) in [
            ("", "prewarm/gateway"),
            ("\"type\":\"airgap-bundle/journal/2\",", "backup"),
        ] {
            let (newer, _) = line(fields, step, &sum);
            let damage = read_records(format!("{first}{newer}").as_bytes()).unwrap_err();
            assert_eq!((damage.line, damage.origin), (2, Origin::NewerInstaller));
        }
    }
}
