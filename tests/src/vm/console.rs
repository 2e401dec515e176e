//! What the first root found on the disk of a machine that lost its power, as the console has it.

use serde::Deserialize;

const JOURNAL: &str = "lab: journal ";

#[derive(Deserialize)]
struct Record {
    step: String,
    phase: String,
}

/// The last whole record of the newest run's journal, as `step:phase`.
pub(super) fn last_record(console: &str) -> Option<String> {
    let mut records = console.lines().filter_map(|line| {
        let at = line.find(JOURNAL)?;
        let record: Record = serde_json::from_str(line[at + JOURNAL.len()..].trim()).ok()?;
        Some(format!("{}:{}", record.step, record.phase))
    });
    records.next_back()
}

#[cfg(test)]
mod tests {
    use super::last_record;

    #[test]
    fn a_torn_record_is_ignored() {
        let console = "[1.0] x\r\nlab: journal {\"step\":\"backup\",\"phase\":\"done\"}\r\n\
                       lab: journal {\"step\":\"hol\r\nlab: root mounted";
        assert_eq!(last_record(console).as_deref(), Some("backup:done"));
        assert_eq!(last_record("lab: root mounted"), None);
    }
}
