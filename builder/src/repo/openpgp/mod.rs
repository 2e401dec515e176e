//! `OpenPGP` certificates of vendors, and the verdict over their signatures.
//!
//! The crate `pgp` checks the mathematics; what a signature is *worth* (a pinned key, a signing
//! key, not expired or revoked when it signed, no SHA-1) is decided in `policy`.

mod form;
mod own;
mod policy;

use std::fmt;
use std::io::{self, Cursor, Read};
use std::str::FromStr;

use manifests::digest::hex;
use pgp::composed::{ArmorOptions, Deserializable as _, SignedPublicKey};

pub use policy::{HashRule, SignatureError, SignedBy};

/// The fingerprint of an `OpenPGP` key: 40 (version 4) or 64 (version 6) upper-case digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

/// A certificate as read. Nothing about it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    key: SignedPublicKey,
    fingerprint: Fingerprint,
}

/// Certificates whose fingerprints are pinned. Signatures are checked against these alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKeys {
    certificates: Vec<Certificate>,
}

/// Bytes that hold no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Neither armored nor binary `OpenPGP`.
    #[error("it is not an OpenPGP public key: {0}")]
    Unreadable(String),
    /// Readable, and no public key in it.
    #[error("it holds no OpenPGP public key")]
    Empty,
    /// A key without a statement about itself.
    #[error("key {0} carries no valid certification of its own")]
    Uncertified(Fingerprint),
    /// Not a fingerprint.
    #[error("`{0}` is not a key fingerprint (40 or 64 hexadecimal digits, the whole of it)")]
    Fingerprint(String),
}

/// Opens what a signature covers.
pub type Open<'a> = &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>;

/// None of the certificates is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPinned {
    /// Fingerprints that were found.
    pub found: Vec<Fingerprint>,
}

impl Certificate {
    /// Reads every certificate of an armored (one or several blocks) or binary key file.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let mut certificates = Vec::new();
        for block in blocks(bytes, BEGIN) {
            let (keys, _) =
                SignedPublicKey::from_reader_many(Cursor::new(block)).map_err(unreadable)?;
            for key in keys {
                let key = key.map_err(unreadable)?;
                let fingerprint = Fingerprint::of(&key.primary_key);
                certificates.push(Self { key, fingerprint });
            }
        }
        if certificates.is_empty() {
            return Err(CertificateError::Empty);
        }
        Ok(certificates)
    }

    /// Returns the primary key's fingerprint.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the certificate with nothing but what the key itself signed: user ids, bound
    /// subkeys, revocations. A key that certifies nothing is refused, because what it may do and
    /// how long is not known.
    pub fn minimised(&self) -> Result<Self, CertificateError> {
        let key = own::minimised(&self.key);
        let key = key.ok_or_else(|| CertificateError::Uncertified(self.fingerprint.clone()))?;
        let fingerprint = self.fingerprint.clone();
        Ok(Self { key, fingerprint })
    }

    /// Returns the certificate armored, as `rpm --import` takes it.
    pub fn armored(&self) -> Result<String, CertificateError> {
        self.key
            .to_armored_string(ArmorOptions::default())
            .map_err(unreadable)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn unreadable(error: pgp::errors::Error) -> CertificateError {
    CertificateError::Unreadable(error.to_string())
}

const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Splits concatenated armored blocks, which vendors publish and parsers stop after the first of.
fn blocks<'a>(bytes: &'a [u8], begin: &[u8]) -> Vec<&'a [u8]> {
    let starts: Vec<usize> = bytes
        .windows(begin.len())
        .enumerate()
        .filter_map(|(at, window)| (window == begin).then_some(at))
        .collect();
    if starts.is_empty() {
        return vec![bytes];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&from, to)| &bytes[from..to])
        .collect()
}

impl TrustedKeys {
    /// Keeps the certificates whose fingerprint is pinned.
    pub fn pin(found: Vec<Certificate>, pins: &[Fingerprint]) -> Result<Self, NotPinned> {
        let fingerprints = found.iter().map(|c| c.fingerprint.clone()).collect();
        let certificates: Vec<Certificate> = found
            .into_iter()
            .filter(|certificate| pins.contains(&certificate.fingerprint))
            .collect();
        if certificates.is_empty() {
            return Err(NotPinned {
                found: fingerprints,
            });
        }
        Ok(Self::merged(certificates))
    }

    /// Joins several sets.
    #[must_use]
    pub fn union(sets: Vec<Self>) -> Self {
        Self::merged(sets.into_iter().flat_map(|s| s.certificates).collect())
    }

    /// Several certificates of one key become one: a revocation in any of them counts.
    fn merged(found: Vec<Certificate>) -> Self {
        let mut certificates: Vec<Certificate> = Vec::new();
        for one in found {
            let same = |other: &&mut Certificate| other.fingerprint == one.fingerprint;
            match certificates.iter_mut().find(same) {
                Some(other) => own::merge(&mut other.key, one.key),
                None => certificates.push(one),
            }
        }
        Self { certificates }
    }

    /// Keeps of each certificate what its key signed itself.
    pub fn minimised(&self) -> Result<Self, CertificateError> {
        let certificates: Result<Vec<Certificate>, CertificateError> = self
            .certificates
            .iter()
            .map(Certificate::minimised)
            .collect();
        Ok(Self {
            certificates: certificates?,
        })
    }

    /// Returns the certificates.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Checks that one of the signatures in `signature` (armored or binary packets) is a pinned
    /// key's over exactly `bytes`, and acceptable.
    pub fn verify(
        &self,
        bytes: &[u8],
        signature: &[u8],
        rule: HashRule,
    ) -> Result<SignedBy, SignatureError> {
        let open = || -> io::Result<Box<dyn Read + '_>> { Ok(Box::new(bytes)) };
        self.verify_stream(&open, signature, rule)
    }

    /// The same over what `open` gives, which is read once for every key that may have signed it.
    pub fn verify_stream(
        &self,
        open: Open<'_>,
        signature: &[u8],
        rule: HashRule,
    ) -> Result<SignedBy, SignatureError> {
        policy::verify(&self.certificates, open, signature, rule)
    }
}

impl Fingerprint {
    fn of(key: &impl pgp::types::KeyDetails) -> Self {
        Self(hex(key.fingerprint().as_bytes()).to_uppercase())
    }

    /// Returns the digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        // People paste fingerprints in groups of four.
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let whole =
            matches!(digits.len(), 40 | 64) && digits.chars().all(|c| c.is_ascii_hexdigit());
        if !whole {
            return Err(CertificateError::Fingerprint(
                text.chars().take(80).collect(),
            ));
        }
        Ok(Self(digits.to_uppercase()))
    }
}

manifests::string_serde!(Fingerprint);

#[cfg(test)]
mod tests;
