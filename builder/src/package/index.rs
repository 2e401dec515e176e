//! The index of a header, read as rpm reads it: from its bytes. The parsed form does not show what
//! stands there twice, or where it does not belong.

use std::collections::BTreeSet;

const MAGIC: &[u8] = &[0x8e, 0xad, 0xe8, 0x01];
const PROLOGUE_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;

/// The region that a signature covers.
const IMMUTABLE: u32 = 63;
const SIGNATURES: u32 = 62;
const BINARY: u32 = 7;

/// Everything that rpm has ever written into a signature header. rpm before 4.17 copies other tags
/// from there into its database as if they had been signed (CVE-2021-20271, CVE-2021-3421).
const SIGNATURE_TAGS: [u32; 24] = [
    SIGNATURES, 264, 265, 266, 267, 268, 269, 270, 271, 273, 274, 275, 276, 277, 278, 279, 999,
    1000, 1001, 1002, 1003, 1004, 1005, 1007,
];
const RESERVED_SPACE: u32 = 1008;

/// Checks the signature header, padding included: known tags, each once.
pub(super) fn check_signature(bytes: &[u8]) -> Result<(), String> {
    let index = Index::read(bytes)?;
    let known = |tag: u32| SIGNATURE_TAGS.contains(&tag) || tag == RESERVED_SPACE;
    match index.tags().find(|tag| !known(*tag)) {
        Some(tag) => Err(format!("its signature header holds the tag {tag}")),
        None => index.check_unique(),
    }
}

/// Checks the main header: every tag once, and all of them in the region that signatures cover.
pub(super) fn check_main(bytes: &[u8]) -> Result<(), String> {
    let index = Index::read(bytes)?;
    index.check_unique()?;
    if index.is_one_region(IMMUTABLE) {
        Ok(())
    } else {
        Err("parts of its header are outside what a signature covers".to_owned())
    }
}

struct Index<'a> {
    entries: Vec<[u32; 4]>,
    store: &'a [u8],
}

impl<'a> Index<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let broken = || "its header's index is broken".to_owned();
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(word))
        };
        if !bytes.starts_with(MAGIC) {
            return Err(broken());
        }
        let size = |at| word(at).and_then(|word| usize::try_from(word).ok());
        let (count, store) = size(8).zip(size(12)).ok_or_else(broken)?;
        let start = count
            .checked_mul(ENTRY_BYTES)
            .and_then(|length| length.checked_add(PROLOGUE_BYTES))
            .ok_or_else(broken)?;
        let end = start.checked_add(store).ok_or_else(broken)?;
        let store = bytes.get(start..end).ok_or_else(broken)?;
        let entry = |number| {
            let at = PROLOGUE_BYTES + number * ENTRY_BYTES;
            Some([word(at)?, word(at + 4)?, word(at + 8)?, word(at + 12)?])
        };
        let entries: Option<Vec<[u32; 4]>> = (0..count).map(entry).collect();
        let entries = entries.ok_or_else(broken)?;
        Ok(Self { entries, store })
    }

    fn tags(&self) -> impl Iterator<Item = u32> {
        self.entries.iter().map(|entry| entry[0])
    }

    fn check_unique(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        match self.tags().find(|tag| !seen.insert(*tag)) {
            Some(tag) => Err(format!("its header holds the tag {tag} twice")),
            None => Ok(()),
        }
    }

    /// Whether the first entry is a region that spans all entries: it points to its trailer, and
    /// that back over the whole index.
    fn is_one_region(&self, region: u32) -> bool {
        let Some([tag, typ, offset, 16]) = self.entries.first() else {
            return false;
        };
        let trailer = usize::try_from(*offset)
            .ok()
            .and_then(|at| self.store.get(at..at.checked_add(ENTRY_BYTES)?));
        let length = u32::try_from(self.entries.len() * ENTRY_BYTES).unwrap_or(0);
        let expected = [region, BINARY, length.wrapping_neg(), 16].map(u32::to_be_bytes);
        *tag == region && *typ == BINARY && trailer == Some(expected.as_flattened())
    }
}
