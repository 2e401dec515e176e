//! How many entries a bundle may list, and how large each may be.

use super::Entry;
use crate::bundle_path::BundlePath;
use crate::format::Section;
use crate::limits::{
    DOCUMENT_MAX_BYTES, ENTRIES_MAX, FRONT_ENTRIES_MAX, PACKAGE_FILES_MAX_BYTES,
    PACKAGE_FILES_TOTAL_MAX_BYTES, PAYLOAD_MAX_BYTES, PRODUCT_MAX_BYTES, VENDOR_KEY_MAX_BYTES,
};

/// A bundle that no reader takes, however well it is signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// More entries than a reader counts.
    #[error("it lists {found} entries, and readers take at most {limit}")]
    Entries {
        /// As listed.
        found: usize,
        /// The bound, without what comes before the listed entries.
        limit: usize,
    },
    /// An entry larger than its section allows.
    #[error("`{path}` has {size} bytes, and readers take at most {limit}")]
    Entry {
        /// The entry.
        path: BundlePath,
        /// As listed.
        size: u64,
        /// The section's bound.
        limit: u64,
    },
    /// File lists that are too large together.
    #[error("the file lists have {size} bytes together, and readers take at most {limit}")]
    FileLists {
        /// Their sum.
        size: u64,
        /// The bound.
        limit: u64,
    },
}

/// Returns the most bytes that a reader takes for an entry of this section.
#[must_use]
pub const fn limit_of(section: Section) -> u64 {
    match section {
        Section::Product => PRODUCT_MAX_BYTES,
        Section::Keys => VENDOR_KEY_MAX_BYTES,
        Section::Files => PACKAGE_FILES_MAX_BYTES,
        Section::Docs | Section::Sums => DOCUMENT_MAX_BYTES,
        _ => PAYLOAD_MAX_BYTES,
    }
}

/// Checks number and sizes of the listed entries.
pub fn check_bounds(entries: &[Entry]) -> Result<(), BoundsError> {
    let (found, limit) = (entries.len(), ENTRIES_MAX - FRONT_ENTRIES_MAX);
    if found > limit {
        return Err(BoundsError::Entries { found, limit });
    }
    let mut lists: u64 = 0;
    for entry in entries {
        let section = Section::of(&entry.path);
        let (size, limit) = (entry.size, section.map_or(PAYLOAD_MAX_BYTES, limit_of));
        if size > limit {
            let path = entry.path.clone();
            return Err(BoundsError::Entry { path, size, limit });
        }
        if section == Some(Section::Files) {
            lists = lists.saturating_add(size);
        }
    }
    let limit = PACKAGE_FILES_TOTAL_MAX_BYTES;
    if lists > limit {
        return Err(BoundsError::FileLists { size: lists, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Encoding;
    use crate::digest::Sha256;

    fn entry(path: &str, size: u64) -> Entry {
        Entry {
            path: path.parse().unwrap(),
            size,
            sha256: Sha256::of(b""),
            encoding: Encoding::Plain,
        }
    }

    fn list(digit: char, size: u64) -> Entry {
        entry(
            &format!("files/{}.json", digit.to_string().repeat(64)),
            size,
        )
    }

    #[test]
    fn every_section_has_its_bound() {
        for (path, limit) in [
            ("product.json", PRODUCT_MAX_BYTES),
            ("keys/vendor/a.asc", VENDOR_KEY_MAX_BYTES),
            ("docs/review.html", DOCUMENT_MAX_BYTES),
            ("SHA256SUMS", DOCUMENT_MAX_BYTES),
            ("installer/x86_64/install", PAYLOAD_MAX_BYTES),
            ("packages/0123456789abcdef/a.rpm", PAYLOAD_MAX_BYTES),
        ] {
            assert_eq!(check_bounds(&[entry(path, limit)]), Ok(()), "{path}");
            let error = check_bounds(&[entry(path, limit + 1)]).unwrap_err();
            assert!(matches!(error, BoundsError::Entry { .. }), "{path}");
        }
    }

    #[test]
    fn file_lists_are_bounded_one_by_one_and_together() {
        let most = PACKAGE_FILES_MAX_BYTES;
        let four: Vec<Entry> = "0123".chars().map(|c| list(c, most)).collect();
        assert_eq!(check_bounds(&four), Ok(()));
        let five = [four, vec![list('4', 1)]].concat();
        let error = check_bounds(&five).unwrap_err();
        assert!(matches!(error, BoundsError::FileLists { .. }), "{error}");
        let error = check_bounds(&[list('0', most + 1)]).unwrap_err();
        assert!(matches!(error, BoundsError::Entry { .. }), "{error}");
    }

    #[test]
    fn what_comes_before_the_listed_entries_counts_too() {
        let limit = ENTRIES_MAX - FRONT_ENTRIES_MAX;
        let many = vec![entry("docs/a", 1); limit];
        assert_eq!(check_bounds(&many), Ok(()));
        let more = vec![entry("docs/a", 1); limit + 1];
        assert!(matches!(
            check_bounds(&more),
            Err(BoundsError::Entries { .. })
        ));
    }
}
