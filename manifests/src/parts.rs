//! `NAME.parts.json`: how a bundle file was cut into parts, so that each part can be judged
//! where it lies.
//!
//! It is signed like a bundle manifest, in files beside it, and does not describe what the bundle
//! holds: a reader of the parts verifies the bundle's own manifest too.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bundle_path::BundlePath;
use crate::digest::Sha256;
use crate::limits::{PARTS_DOCUMENT_MAX_BYTES, PARTS_MAX};
use crate::signature::{KeyId, Signature};
use crate::trust::{TrustRoot, VerifyError, covering, find_quorums};

/// The type a parts document names.
pub const PARTS_TYPE: &str = "airgap-bundle/parts/1";
/// What follows the bundle's name in the document's name.
pub const PARTS_SUFFIX: &str = ".parts.json";
/// The longest name of a bundle that can be split: its parts have longer ones.
const NAME_MAX_BYTES: usize = 120;

/// A parts document as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsDocument {
    /// Always [`PARTS_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The file name of the whole bundle.
    pub bundle: String,
    /// The bundle's product; the signing keys must cover it.
    pub product: String,
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The SHA-256 of the whole file.
    pub sha256: Sha256,
    /// The SHA-256 of the bundle's manifest: the bundle's identity.
    pub manifest_sha256: Sha256,
    /// The parts, in order.
    pub parts: Vec<Part>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Counts up from 1.
    pub number: u32,
    /// Its size in bytes; all but the last have the same.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// A parts document that is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// Not to be believed.
    #[error(transparent)]
    Untrusted(#[from] VerifyError),
    /// Larger than a reader takes.
    #[error("the parts document is larger than {PARTS_DOCUMENT_MAX_BYTES} bytes")]
    TooLarge,
    /// Not JSON of this shape.
    #[error("it does not have the shape of a parts document: {0}")]
    Json(#[from] serde_json::Error),
    /// Another document, or one that contradicts itself.
    #[error("the parts document is not usable: {0}")]
    Inconsistent(String),
}

/// A parts document whose exact bytes carry a quorum of trusted signatures. Only
/// [`verify_parts`] makes one:
///
/// ```compile_fail
/// let forged: manifests::parts::VerifiedParts = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct VerifiedParts {
    document: PartsDocument,
    signers: BTreeSet<KeyId>,
    root: Sha256,
}

impl PartsDocument {
    /// Reads a document and checks that it is consistent. The caller has verified the bytes.
    fn parse(bytes: &[u8]) -> Result<Self, PartsError> {
        let document: Self = crate::json::read(bytes)?;
        document.check().map_err(PartsError::Inconsistent)?;
        Ok(document)
    }

    /// Reads an unverified document, for a signer.
    pub fn parse_unverified(bytes: &[u8]) -> Result<Self, PartsError> {
        Self::parse(bytes)
    }

    /// Checks what the shape alone does not ensure. The writer calls it too.
    pub fn check(&self) -> Result<(), String> {
        if self.document != PARTS_TYPE {
            return Err(format!("its type is `{}`", self.document));
        }
        check_name(&self.bundle)?;
        if self.parts.is_empty() || self.parts.len() > PARTS_MAX {
            return Err(format!(
                "it has {} parts; there can be 1 to {PARTS_MAX}",
                self.parts.len()
            ));
        }
        let mut total: u64 = 0;
        let full = self.parts.first().map_or(0, |part| part.size);
        for (at, part) in self.parts.iter().enumerate() {
            let is_last = at + 1 == self.parts.len();
            if usize::try_from(part.number) != Ok(at + 1) {
                return Err(format!("part {} stands at place {}", part.number, at + 1));
            }
            if part.size == 0 || part.size > full || (part.size < full && !is_last) {
                return Err(format!("part {} has an odd size", part.number));
            }
            total = total.checked_add(part.size).ok_or("its sizes overflow")?;
        }
        if total == self.size {
            Ok(())
        } else {
            Err("the sizes of its parts do not add up".to_owned())
        }
    }

    /// Returns the file name of a part.
    #[must_use]
    pub fn part_name(&self, part: &Part) -> String {
        part_name(&self.bundle, part.number)
    }
}

/// Checks that a bundle of this file name can be split: letters, digits and `._+~^-`, since the name
/// becomes part of a signed document and of other names.
pub fn check_name(bundle: &str) -> Result<(), String> {
    let is_name = !bundle.contains('/') && bundle.parse::<BundlePath>().is_ok();
    if is_name && bundle.len() <= NAME_MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "{:?} cannot be the name of a split bundle: at most {NAME_MAX_BYTES} letters, digits and \
         ._+~^-, a letter or digit first",
        bundle.chars().take(NAME_MAX_BYTES).collect::<String>()
    ))
}

/// Returns the file name of a part: `NAME.part001`.
#[must_use]
pub fn part_name(bundle: &str, number: u32) -> String {
    format!("{bundle}.part{number:03}")
}

/// Returns the number of a part of this bundle, if the file name is that of one.
#[must_use]
pub fn number_in(bundle: &str, file_name: &str) -> Option<u32> {
    let digits = file_name.strip_prefix(bundle)?.strip_prefix(".part")?;
    let number = digits.parse().ok()?;
    (part_name(bundle, number) == file_name).then_some(number)
}

/// Whether a file name is that of a part, whatever the bundle is called.
#[must_use]
pub fn is_part(file_name: &str) -> bool {
    let tail = file_name.rsplit_once(".part").map(|(_, digits)| digits);
    tail.is_some_and(|digits| digits.len() >= 3 && digits.chars().all(|c| c.is_ascii_digit()))
}

/// Returns the file name of a bundle's parts document: `NAME.parts.json`.
#[must_use]
pub fn document_name(bundle: &str) -> String {
    format!("{bundle}{PARTS_SUFFIX}")
}

/// Returns the file name of a signature over a parts document: `NAME.parts.<key id>.sig`.
#[must_use]
pub fn signature_name(bundle: &str, key: &KeyId) -> String {
    format!("{bundle}.parts.{key}.sig")
}

/// Returns the key of a signature over this bundle's parts document, if the file name is one's.
#[must_use]
pub fn key_in(bundle: &str, file_name: &str) -> Option<KeyId> {
    let rest = file_name.strip_prefix(bundle)?.strip_prefix(".parts.")?;
    rest.strip_suffix(".sig")?.parse().ok()
}

/// Verifies `bytes` as [`crate::trust::verify_manifest`] does, then parses those same bytes.
pub fn verify_parts(
    bytes: &[u8],
    signatures: &[Signature],
    roots: &[TrustRoot],
) -> Result<VerifiedParts, PartsError> {
    if bytes.len() as u64 > PARTS_DOCUMENT_MAX_BYTES {
        return Err(PartsError::TooLarge);
    }
    let quorums = find_quorums(bytes, signatures, roots)?;
    let document = PartsDocument::parse(bytes)?;
    let (signers, root) = covering(quorums, &document.product)?;
    Ok(VerifiedParts {
        document,
        signers,
        root: *root.fingerprint(),
    })
}

impl VerifiedParts {
    /// Returns the document.
    #[must_use]
    pub const fn document(&self) -> &PartsDocument {
        &self.document
    }

    /// Returns the ids of the keys whose signatures were valid.
    #[must_use]
    pub const fn signers(&self) -> &BTreeSet<KeyId> {
        &self.signers
    }

    /// Returns the fingerprint of the trust root that accepted it.
    #[must_use]
    pub const fn root(&self) -> &Sha256 {
        &self.root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(sizes: &[u64]) -> PartsDocument {
        let part = |(at, size): (usize, &u64)| Part {
            number: u32::try_from(at).unwrap() + 1,
            size: *size,
            sha256: Sha256::of(b"x"),
        };
        PartsDocument {
            document: PARTS_TYPE.to_owned(),
            bundle: "bundle.tar.zst".to_owned(),
            product: "tyk".to_owned(),
            size: sizes.iter().sum(),
            sha256: Sha256::of(b""),
            manifest_sha256: Sha256::of(b""),
            parts: sizes.iter().enumerate().map(part).collect(),
        }
    }

    #[test]
    fn parts_are_equal_but_for_a_shorter_last_one() {
        for good in [&[5][..], &[5, 5], &[5, 5, 1]] {
            assert_eq!(document(good).check(), Ok(()), "{good:?}");
        }
        for bad in [&[][..], &[0], &[5, 6], &[5, 4, 5], &[5, 0]] {
            assert!(document(bad).check().is_err(), "{bad:?}");
        }
        assert!(document(&[5; PARTS_MAX]).check().is_ok());
        assert!(document(&[5; PARTS_MAX + 1]).check().is_err());
    }

    #[test]
    fn swapped_repeated_and_overflowing_parts_are_refused() {
        let spoils: [fn(&mut PartsDocument); 6] = [
            |d| d.parts.swap(0, 1),
            |d| d.parts[1].number = 1,
            |d| d.size += 1,
            |d| d.parts.iter_mut().for_each(|p| p.size = u64::MAX),
            |d| d.document = "airgap-bundle/parts/2".to_owned(),
            |d| d.bundle = "../bundle".to_owned(),
        ];
        for spoil in spoils {
            let mut bad = document(&[5, 5]);
            spoil(&mut bad);
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_lead_there_and_back() {
        let name = "bundle.tar.zst";
        for number in [1, 9, 10, 999] {
            assert_eq!(number_in(name, &part_name(name, number)), Some(number));
        }
        for other in [
            "bundle.tar.zst.part1",
            "bundle.tar.zst.part0001",
            "bundle.tar.zst.part",
            "bundle.tar.zst.part+01",
            "bundle.tar.zst.parts.json",
            "other.part001",
        ] {
            assert_eq!(number_in(name, other), None, "{other}");
        }
        let key: KeyId = "0123456789abcdef".parse().unwrap();
        assert_eq!(key_in(name, &signature_name(name, &key)), Some(key));
        assert_eq!(key_in(name, "bundle.tar.zst.parts.x.sig"), None);
        for bad in ["", ".x", "a b", "a/b", "-x", &"a".repeat(121)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_parsed_without_a_trusted_signature() {
        let bytes = crate::json::canonical(&document(&[5])).unwrap();
        let error = verify_parts(&bytes, &[], &[]).unwrap_err();
        assert!(matches!(
            error,
            PartsError::Untrusted(VerifyError::NoTrustRoot)
        ));
        let mut more = serde_json::to_value(document(&[5])).unwrap();
        more["more"] = serde_json::json!(1);
        let more = serde_json::to_vec(&more).unwrap();
        assert!(matches!(
            PartsDocument::parse(&more),
            Err(PartsError::Json(_))
        ));
    }
}
