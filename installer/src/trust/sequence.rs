//! Records the newest bundles that were committed on this host, so that an older bundle with valid
//! signatures is not accepted as an update.
//!
//! Each product, channel and set of signers has one mark, which only rises. A mark is ignored if
//! all of its signers are revoked: the thief of a key could have set it to any height. Keys that
//! merely retired keep their marks. If the record is lost, only the installed packages decide.

use std::collections::BTreeSet;

use manifests::digest::Sha256;
use manifests::signature::KeyId;
use manifests::trust::TrustRoot;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{self, Document, ReadError};
use crate::failure::chain;
use crate::layout::Layout;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sequences {
    marks: Vec<Mark>,
    /// Fields that this installer does not know are kept when it writes the document again.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Document for Sequences {
    const TYPE: &'static str = "airgap-bundle/sequences/1";
}

/// A bundle that was committed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The product.
    pub product: String,
    /// The release channel.
    pub channel: String,
    /// Who signed the bundle.
    pub signers: BTreeSet<KeyId>,
    /// Its sequence.
    pub sequence: u64,
    /// The SHA-256 of its manifest.
    pub bundle: Sha256,
    /// The run that committed it.
    pub run: u64,
    /// Fields that a newer installer added.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What the host knows of a product and channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remembered {
    /// No bundle, or the record is lost.
    Nothing,
    /// The caller may not read it.
    Unknown,
    /// The record cannot be read, for this reason.
    Damaged(String),
    /// The newest one.
    Mark(Box<Mark>),
}

/// Returns every mark, or why the record cannot be read.
pub fn marks(layout: &Layout) -> Result<Vec<Mark>, Remembered> {
    Ok(sequences(layout)?.marks)
}

fn sequences(layout: &Layout) -> Result<Sequences, Remembered> {
    match document::read_if_present(&layout.sequences()) {
        Ok(found) => Ok(found.unwrap_or_default()),
        // In a directory that cannot be searched, the file may or may not exist.
        Err(ReadError::File(error)) if error.is_denied() => Err(Remembered::Unknown),
        Err(error) => Err(Remembered::Damaged(chain(&error))),
    }
}

/// Returns the newest committed bundle of a product and channel. Marks whose signers `root`, the
/// root that accepted the current bundle, revokes are ignored.
#[must_use]
pub fn remembered(layout: &Layout, product: &str, channel: &str, root: &TrustRoot) -> Remembered {
    let counts = |mark: &Mark| {
        let revoked = |key: &KeyId| root.document().revokes(key).is_some();
        mark.product == product && mark.channel == channel && !mark.signers.iter().all(revoked)
    };
    match marks(layout) {
        Ok(marks) => marks
            .into_iter()
            .filter(counts)
            .max_by_key(|mark| mark.sequence)
            .map_or(Remembered::Nothing, |mark| Remembered::Mark(Box::new(mark))),
        Err(other) => other,
    }
}

/// Records a committed bundle. A damaged record is not overwritten.
pub fn advance(layout: &Layout, new: &Mark) -> Result<(), String> {
    let mut document = sequences(layout).map_err(|other| match other {
        Remembered::Damaged(why) => why,
        _ => "it cannot be read".to_owned(),
    })?;
    let is_same = |mark: &Mark| {
        (&mark.product, &mark.channel, &mark.signers) == (&new.product, &new.channel, &new.signers)
    };
    match document.marks.iter_mut().find(|mark| is_same(mark)) {
        Some(mark) if mark.sequence >= new.sequence => return Ok(()),
        Some(mark) => mark.clone_from(new),
        None => document.marks.push(new.clone()),
    }
    document::write(&layout.sequences(), &document).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use manifests::json::canonical;

    use super::*;
    use crate::secure_fs;
    use crate::trust::test_keys::{document, id, revoking};

    fn root(document: &manifests::trust::RootDocument) -> TrustRoot {
        TrustRoot::parse(&canonical(document).unwrap()).unwrap()
    }

    fn mark(sequence: u64, signer: u8) -> Mark {
        Mark {
            sequence,
            product: "acme".to_owned(),
            channel: "stable".to_owned(),
            signers: BTreeSet::from([id(signer)]),
            bundle: Sha256::of(b""),
            run: 1,
            rest: Map::new(),
        }
    }

    fn seen(layout: &Layout, root: &TrustRoot) -> Option<u64> {
        match remembered(layout, "acme", "stable", root) {
            Remembered::Mark(mark) => Some(mark.sequence),
            Remembered::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    fn state() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        secure_fs::ensure_dir(&layout.state(), 0o700).unwrap();
        (dir, layout)
    }

    #[test]
    fn marks_rise_and_are_kept_apart() {
        let (_dir, layout) = state();
        let root = root(&document(1, 1, 10));
        assert_eq!(seen(&layout, &root), None);
        for (sequence, expected) in [(5, 5), (7, 7), (6, 7), (7, 7)] {
            advance(&layout, &mark(sequence, 10)).unwrap();
            assert_eq!(seen(&layout, &root), Some(expected));
        }
        let other = remembered(&layout, "acme", "dev", &root);
        assert_eq!(other, Remembered::Nothing);
        let mode = std::fs::metadata(layout.sequences()).unwrap().permissions();
        let mode = std::os::unix::fs::PermissionsExt::mode(&mode);
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_stolen_key_cannot_raise_the_mark_for_ever_and_a_retired_one_keeps_its() {
        let (_dir, layout) = state();
        advance(&layout, &mark(7, 10)).unwrap();
        advance(&layout, &mark(u64::MAX, 11)).unwrap();
        let both = root(&document(1, 1, 12));
        assert_eq!(seen(&layout, &both), Some(u64::MAX));
        let revoked = root(&revoking(document(2, 1, 12), 11));
        assert_eq!(seen(&layout, &revoked), Some(7));
        let all = root(&revoking(revoking(document(3, 1, 12), 11), 10));
        assert_eq!(seen(&layout, &all), None);
    }

    #[test]
    fn a_damaged_record_is_reported_and_not_overwritten() {
        let (_dir, layout) = state();
        let root = root(&document(1, 1, 10));
        advance(&layout, &mark(7, 10)).unwrap();
        let good = std::fs::read(layout.sequences()).unwrap();
        secure_fs::write_atomic(&layout.sequences(), &good[..good.len() / 2], 0o600).unwrap();
        let found = remembered(&layout, "acme", "stable", &root);
        assert!(matches!(found, Remembered::Damaged(_)), "{found:?}");
        assert!(advance(&layout, &mark(8, 10)).is_err());
        secure_fs::remove_if_present(&layout.sequences()).unwrap();
        assert_eq!(seen(&layout, &root), None, "lost: the packages decide");
    }
}
