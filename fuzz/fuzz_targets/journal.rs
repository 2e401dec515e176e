//! The journal of a run after a power cut, on a bad disk, or changed by others.
#![no_main]

use installer::journal::recover::{Decision, decide};
use installer::journal::{Record, line_of, read_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&with_checksums(bytes));
});

fn check(bytes: &[u8]) {
    let Ok(records) = read_records(bytes) else {
        return;
    };
    // The next record is written right after the last whole one.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n');
    let whole = whole.map_or(0, |end| end + 1);
    let lines: Vec<&[u8]> = bytes[..whole]
        .split_inclusive(|&byte| byte == b'\n')
        .collect();
    assert_eq!(lines.len(), records.len());
    // Cut anywhere, it is the records before the cut.
    let mut length = 0;
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(
            read_records(&bytes[..length + line.len() / 2]).unwrap(),
            records[..at]
        );
        length += line.len();
        assert_eq!(read_records(&bytes[..length]).unwrap(), records[..=at]);
    }
    // A committed run stays committed, and the components it touched stay recorded.
    for cut in 0..records.len() {
        let (before, after) = (decide(&records[..cut], false), decide(&records, false));
        match (before, &after) {
            (Decision::FinishForward, after) => assert_eq!(*after, Decision::FinishForward),
            (Decision::PutBack(reached), Decision::PutBack(more)) => {
                let mut groups = reached.changed.iter();
                assert!(groups.all(|group| more.changed.contains(group)));
            }
            (Decision::PutBack(_), after) => assert_eq!(*after, Decision::FinishForward),
            (Decision::Close, _) => {}
        }
    }
}

/// Writes every line that is a record with the checksum it must have there.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    let mut previous = String::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match serde_json::from_slice::<Record>(line) {
            Ok(mut record) => {
                record.sum = record.checksum(&previous);
                written.extend(line_of(&record).into_bytes());
                previous = record.sum;
            }
            Err(_) => written.extend(line),
        }
    }
    written
}
