//! The chain of root documents as a bundle or a directory carries it: `root.N.json` with
//! `root.N.<key id>.sig`.

use std::collections::BTreeMap;
use std::fmt;

use super::root::{ChainError, TrustRoot};
use crate::limits::{
    SIGNATURE_MAX_BYTES, SIGNATURES_MAX, TRUST_DOCUMENT_MAX_BYTES, TRUST_ENTRIES_MAX,
    TRUST_TOTAL_MAX_BYTES,
};
use crate::signature::{KeyId, Signature};

/// The file name of a root document or of a signature over one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootFile {
    /// `root.N.json`.
    Document {
        /// N.
        version: u64,
    },
    /// `root.N.<key id>.sig`.
    Signature {
        /// N.
        version: u64,
        /// The key that it names as its maker.
        key: KeyId,
    },
}

impl RootFile {
    /// Reads a file name; nothing if it is neither.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("root.")?;
        let (digits, rest) = rest.split_once('.')?;
        let version: u64 = digits.parse().ok()?;
        let file = match rest.strip_suffix(".sig") {
            Some(key) => Self::Signature {
                version,
                key: key.parse().ok()?,
            },
            None if rest == "json" => Self::Document { version },
            None => return None,
        };
        // One name for each file: no leading zeros or signs.
        (version > 0 && file.to_string() == name).then_some(file)
    }

    /// Returns the most bytes such a file may have.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        match self {
            Self::Document { .. } => TRUST_DOCUMENT_MAX_BYTES,
            Self::Signature { .. } => SIGNATURE_MAX_BYTES,
        }
    }
}

impl fmt::Display for RootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document { version } => write!(f, "root.{version}.json"),
            Self::Signature { version, key } => write!(f, "root.{version}.{key}.sig"),
        }
    }
}

/// A root document with its signatures, as bytes. Nothing of it is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedRoot {
    /// The document.
    pub bytes: Vec<u8>,
    /// The signatures.
    pub signatures: Vec<Signature>,
}

impl SignedRoot {
    /// Returns its files as version `version`, in the order in which they are written one by one: a
    /// document without its signatures would look like a broken chain.
    pub fn files(&self, version: u64) -> impl Iterator<Item = (RootFile, &[u8])> {
        let signatures = self.signatures.iter().map(move |signature| {
            let key = signature.key_id().clone();
            (RootFile::Signature { version, key }, signature.as_bytes())
        });
        let document = (RootFile::Document { version }, self.bytes.as_slice());
        signatures.chain([document])
    }
}

/// A carried chain, bounded, as bytes.
#[derive(Debug, Clone, Default)]
pub struct CarriedTrust {
    roots: BTreeMap<u64, SignedRoot>,
    entries: usize,
    bytes: u64,
}

/// A carried chain that is refused.
#[derive(Debug, thiserror::Error)]
pub enum CarriedError {
    /// More than a reader takes.
    #[error("there is more under trust/ than a reader takes")]
    TooMuch,
    /// Two files of one name.
    #[error("`{0}` is there twice")]
    Twice(RootFile),
    /// A signature whose document is not there.
    #[error("root version {0} is not there, only signatures over it")]
    NoDocument(u64),
    /// The chain does not begin with version 1.
    #[error("the chain of root documents begins with version {0}, not with 1")]
    Start(u64),
    /// A document that does not follow from the one before it.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl CarriedTrust {
    /// Returns the files by name.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let versions = self.roots.iter();
        let files = versions.flat_map(|(version, root)| root.files(*version));
        let named = files.map(|(file, bytes)| (file.to_string(), bytes.to_vec()));
        named.collect()
    }

    /// Adds a file.
    pub fn add(&mut self, file: RootFile, bytes: Vec<u8>) -> Result<(), CarriedError> {
        let length = bytes.len() as u64;
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(length);
        let is_much = self.entries > TRUST_ENTRIES_MAX || self.bytes > TRUST_TOTAL_MAX_BYTES;
        if is_much || length > file.limit() {
            return Err(CarriedError::TooMuch);
        }
        match &file {
            RootFile::Document { version } => {
                let root = self.roots.entry(*version).or_default();
                if !root.bytes.is_empty() {
                    return Err(CarriedError::Twice(file));
                }
                root.bytes = bytes;
            }
            RootFile::Signature { version, key } => {
                let root = self.roots.entry(*version).or_default();
                if root.signatures.len() == SIGNATURES_MAX {
                    return Err(CarriedError::TooMuch);
                }
                if root.signatures.iter().any(|other| other.key_id() == key) {
                    return Err(CarriedError::Twice(file));
                }
                let signature = Signature::new(key.clone(), bytes);
                root.signatures
                    .push(signature.map_err(|_| CarriedError::TooMuch)?);
            }
        }
        Ok(())
    }

    /// Returns the documents with their signatures, by version.
    #[must_use]
    pub const fn roots(&self) -> &BTreeMap<u64, SignedRoot> {
        &self.roots
    }

    /// Follows the chain from an enrolled root as far as it leads, and returns the newest root with the
    /// versions that led there. Of documents that do not follow from it nothing is parsed.
    #[must_use]
    pub fn follow(&self, enrolled: &TrustRoot) -> (TrustRoot, Vec<u64>) {
        let mut newest = enrolled.clone();
        let mut led = Vec::new();
        while let Some(version) = newest.document().version.checked_add(1)
            && let Some(carried) = self.roots.get(&version)
            && let Ok(next) = newest.next(&carried.bytes, &carried.signatures)
        {
            newest = next;
            led.push(version);
        }
        (newest, led)
    }

    /// Checks the chain for itself: it begins with version 1, each version follows from the one before,
    /// and every signature is by a root key of one of the two. It proves nothing about whom to trust; it
    /// keeps every byte of a bundle from being free. Called once the manifest is verified.
    pub fn check(&self) -> Result<Option<TrustRoot>, CarriedError> {
        let mut newest: Option<TrustRoot> = None;
        for (&version, carried) in &self.roots {
            if carried.bytes.is_empty() {
                return Err(CarriedError::NoDocument(version));
            }
            newest = Some(match newest {
                None if version != 1 => return Err(CarriedError::Start(version)),
                None => first(version, carried)?,
                Some(before) => follow_one(&before, version, carried)?,
            });
        }
        Ok(newest)
    }
}

fn first(version: u64, carried: &SignedRoot) -> Result<TrustRoot, ChainError> {
    let root = TrustRoot::parse(&carried.bytes)
        .map_err(|source| ChainError::Document { version, source })?;
    let found = root.document().version;
    if found != version {
        return Err(ChainError::Version { version, found });
    }
    root.check_own(&carried.bytes, &carried.signatures)?;
    check_signatures(version, carried, &[&root])?;
    Ok(root)
}

fn follow_one(
    before: &TrustRoot,
    version: u64,
    carried: &SignedRoot,
) -> Result<TrustRoot, ChainError> {
    let have = before.document().version;
    if Some(version) != have.checked_add(1) {
        return Err(ChainError::Gap {
            have,
            found: version,
        });
    }
    let next = before.next(&carried.bytes, &carried.signatures)?;
    check_signatures(version, carried, &[before, &next])?;
    Ok(next)
}

fn check_signatures(
    version: u64,
    carried: &SignedRoot,
    roots: &[&TrustRoot],
) -> Result<(), ChainError> {
    let is_good = |signature: &Signature| {
        let mut roots = roots.iter();
        roots.any(|root| root.has_signed(&carried.bytes, signature))
    };
    match carried.signatures.iter().find(|s| !is_good(s)) {
        None => Ok(()),
        Some(stray) => Err(ChainError::StraySignature {
            version,
            key: stray.key_id().clone(),
        }),
    }
}
