//! From a journal's bytes to its records.

use super::Record;

/// A line that is not what was written, and not a torn last one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Damage {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Reads the records. A last line without its end was torn by a power cut and is left out; any
/// other line must be, byte for byte, the one that its record is written as: the length of the
/// records is where the next one goes.
pub fn read_records(bytes: &[u8]) -> Result<Vec<Record>, Damage> {
    let mut records: Vec<Record> = Vec::new();
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            break;
        }
        let damage = |reason: String| Damage {
            line: index + 1,
            reason,
        };
        let record: Record =
            serde_json::from_slice(line).map_err(|error| damage(error.to_string()))?;
        let previous = records.last().map_or("", |record| record.sum.as_str());
        if record.sum != record.checksum(previous) {
            return Err(damage("the checksum does not match".to_owned()));
        }
        if line_of(&record).as_bytes() != line {
            return Err(damage("it has an unusual form".to_owned()));
        }
        records.push(record);
    }
    Ok(records)
}

/// Returns the line that a record is written as.
#[must_use]
pub fn line_of(record: &Record) -> String {
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.push('\n');
    line
}
