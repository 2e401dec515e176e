//! Verified metadata and keys of earlier builds, by address, so that a build needs no network.
//!
//! Nothing in it is believed: what is taken from here passes the same checks as what is fetched.

use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use url::Url;

use crate::output::{self, OutputError, Pending};

const MAGIC: &[u8] = b"airgap-bundle/kept/1\n";
/// A package list and its signed table of contents, with room.
const MAX_BYTES: u64 = 300 * 1024 * 1024;

/// A directory with a file per address.
#[derive(Debug, Clone)]
pub struct MetadataCache {
    directory: PathBuf,
}

impl MetadataCache {
    /// Names the directory; it is made when something is kept.
    #[must_use]
    pub fn below(cache: &Path) -> Self {
        Self {
            directory: cache.join("metadata"),
        }
    }

    fn path(&self, url: &Url) -> PathBuf {
        let name = Sha256::of(url.as_str().as_bytes());
        self.directory.join(format!("{name}.kept"))
    }

    /// Keeps what belongs to an address, in one file: never the half of two publications.
    pub(crate) fn keep(&self, url: &Url, parts: &[&[u8]]) -> Result<(), OutputError> {
        let mut bytes = MAGIC.to_vec();
        for part in parts {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        output::make_private_directory(&self.directory)?;
        Pending::with_bytes(&self.path(url), &bytes, 0o600)?.commit()
    }

    /// Returns what was kept; nothing if there is nothing whole.
    pub(crate) fn find(&self, url: &Url) -> Option<Vec<Vec<u8>>> {
        let path = self.path(url);
        if std::fs::metadata(&path).ok()?.len() > MAX_BYTES {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (part, after) = after.split_at_checked(length)?;
            parts.push(part.to_vec());
            rest = after;
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let kept = MetadataCache::below(dir.path());
        let url = Url::parse("https://repo.example/x/").unwrap();
        assert_eq!(kept.find(&url), None);
        kept.keep(&url, &[b"one", b"", b"three"]).unwrap();
        let parts = kept.find(&url).unwrap();
        assert_eq!(parts, [b"one".to_vec(), Vec::new(), b"three".to_vec()]);
        let file = kept.path(&url);
        let bytes = std::fs::read(&file).unwrap();
        for end in [5, MAGIC.len() + 3, bytes.len() - 1] {
            Pending::with_bytes(&file, &bytes[..end], 0o600)
                .unwrap()
                .commit()
                .unwrap();
            assert_eq!(kept.find(&url), None, "{end}");
        }
    }
}
