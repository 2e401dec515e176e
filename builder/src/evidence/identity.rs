//! Names and times of the documents: they follow from the lock, so that the same lock gives the same
//! bytes.

use manifests::digest::{Sha256, hex};
use sha1::{Digest as _, Sha1};

use super::EvidenceError;

/// RFC 4122, appendix C: the name space of URLs.
const URLS: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];

/// Returns `urn:uuid:` and the version 5 UUID of a document of this kind about this lock.
pub(super) fn urn(kind: &str, lock: &Sha256) -> String {
    uuid5(&format!("{}/{kind}/{lock}", super::PROJECT))
}

fn uuid5(name: &str) -> String {
    let mut hasher = Sha1::new();
    hasher.update(URLS);
    hasher.update(name);
    let digest: [u8; 20] = hasher.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    let part = |range: std::ops::Range<usize>| hex(&id[range]);
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        part(0..4),
        part(4..6),
        part(6..8),
        part(8..10),
        part(10..16)
    )
}

/// Returns a time as RFC 3339 has it.
pub(super) fn time(seconds: u64) -> Result<String, EvidenceError> {
    let number = i64::try_from(seconds).map_err(|_| EvidenceError::Time(seconds))?;
    let time = jiff::Timestamp::from_second(number).map_err(|_| EvidenceError::Time(seconds))?;
    Ok(time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_the_one_that_other_programs_make() {
        // python3 -c 'import uuid; print(uuid.uuid5(uuid.NAMESPACE_URL, "https://example.org/"))'
        assert_eq!(
            uuid5("https://example.org/"),
            "urn:uuid:527dda32-a0de-5105-a042-cb475b5f7d11"
        );
    }

    #[test]
    fn a_time_is_written_for_machines_and_an_absurd_one_is_refused() {
        assert_eq!(time(1_700_000_000).unwrap(), "2023-11-14T22:13:20Z");
        assert!(matches!(time(u64::MAX), Err(EvidenceError::Time(_))));
    }
}
