//! Public keys and signatures over exact bytes, and the one function that counts them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::limits::{SIGNATURE_MAX_BYTES, SIGNATURES_MAX};

/// A short name of a public key: the first sixteen digits of the SHA-256 of its
/// `SubjectPublicKeyInfo`. A hint for finding a key, never a proof.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A signature scheme of format 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256, DER; verifiable with stock `openssl dgst -sha256 -verify`.
    #[serde(rename = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    /// Ed25519; not accepted in FIPS mode and not verifiable with the openssl of EL7.
    #[serde(rename = "ed25519")]
    Ed25519,
}

/// A public key. Equality is of the key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    pem: String,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// A raw signature and the key that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key_id: KeyId,
    bytes: Vec<u8>,
}

/// A key or signature that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not sixteen lower-case hexadecimal digits.
    #[error("`{0}` is not a key id (sixteen lower-case hexadecimal digits)")]
    KeyId(String),
    /// Not a PEM public key of the named algorithm.
    #[error("not a PEM public key for {0:?}")]
    PublicKey(Algorithm),
    /// Longer than any signature of a known algorithm.
    #[error("the signature by {0} is larger than {SIGNATURE_MAX_BYTES} bytes")]
    SignatureTooLarge(KeyId),
}

/// Too few valid signatures by distinct trusted keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// The document carries no signature.
    #[error("it carries no signature")]
    Unsigned,
    /// More signatures than a reader looks at.
    #[error("it carries more than {SIGNATURES_MAX} signatures")]
    TooMany,
    /// No signature names a trusted key.
    #[error("it is signed by {}, none of which is trusted here", list(found))]
    UnknownKeys {
        /// Key ids that the signatures name.
        found: Vec<KeyId>,
    },
    /// A signature names a trusted key and does not match the bytes.
    #[error("the signature by {0} does not match: the bytes were changed after signing")]
    Mismatch(KeyId),
    /// Valid signatures, but too few.
    #[error("its valid signatures by distinct trusted keys are {valid}, and it needs {threshold}")]
    TooFew {
        /// Distinct keys whose signature is valid.
        valid: usize,
        /// Distinct keys needed.
        threshold: u32,
    },
}

fn list(ids: &[KeyId]) -> String {
    ids.iter()
        .map(|id| id.0.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

impl KeyId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicKey {
    /// Reads a PEM `SubjectPublicKeyInfo`.
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        let refuse = || KeyError::PublicKey(algorithm);
        let (material, der) = match algorithm {
            Algorithm::EcdsaP256Sha256 => {
                let key = p256::PublicKey::from_public_key_pem(pem).map_err(|_| refuse())?;
                let der = key.to_public_key_der().map_err(|_| refuse())?;
                (Material::P256(key.into()), der)
            }
            Algorithm::Ed25519 => {
                let key =
                    ed25519_dalek::VerifyingKey::from_public_key_pem(pem).map_err(|_| refuse())?;
                let der = key.to_public_key_der().map_err(|_| refuse())?;
                (Material::Ed25519(key), der)
            }
        };
        let id = KeyId(Sha256::of(der.as_bytes()).short());
        Ok(Self {
            id,
            pem: pem.to_owned(),
            material,
        })
    }

    /// Returns the key's id.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns the PEM text it was read from.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256(_) => Algorithm::EcdsaP256Sha256,
            Material::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Whether `signature` is this key's over exactly `bytes`.
    #[must_use]
    pub fn accepts(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::P256(key) => {
                use p256::ecdsa::signature::Verifier as _;
                p256::ecdsa::DerSignature::from_bytes(signature)
                    .is_ok_and(|signature| key.verify(bytes, &signature).is_ok())
            }
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(bytes, &signature).is_ok()),
        }
    }
}

impl Signature {
    /// Wraps a raw signature; an oversized one is refused.
    pub fn new(key_id: KeyId, bytes: Vec<u8>) -> Result<Self, KeyError> {
        if bytes.len() as u64 > SIGNATURE_MAX_BYTES {
            return Err(KeyError::SignatureTooLarge(key_id));
        }
        Ok(Self { key_id, bytes })
    }

    /// Returns the key id the signature claims.
    #[must_use]
    pub const fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Returns the raw signature.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Checks that `bytes` carry valid signatures by at least `threshold` distinct keys of `trusted`,
/// and returns those keys' ids.
///
/// This is the only place where signatures are counted. Distinct keys count, never signatures; a
/// key id only names the key to try, so a signature under a wrong id is not valid.
pub fn verify_quorum(
    bytes: &[u8],
    signatures: &[Signature],
    trusted: &[PublicKey],
    threshold: u32,
) -> Result<BTreeSet<KeyId>, QuorumError> {
    if signatures.is_empty() {
        return Err(QuorumError::Unsigned);
    }
    if signatures.len() > SIGNATURES_MAX {
        return Err(QuorumError::TooMany);
    }
    let mut valid = BTreeSet::new();
    let mut mismatch = None;
    let mut known = false;
    for signature in signatures {
        for key in trusted.iter().filter(|key| key.id == signature.key_id) {
            known = true;
            if key.accepts(bytes, &signature.bytes) {
                valid.insert(key.id.clone());
            } else {
                mismatch = Some(key.id.clone());
            }
        }
    }
    // A threshold of zero would accept everything; documents refuse it, and so does this.
    if valid.len() >= threshold.max(1) as usize {
        return Ok(valid);
    }
    if !known {
        let found = signatures
            .iter()
            .map(|signature| signature.key_id.clone())
            .collect();
        return Err(QuorumError::UnknownKeys { found });
    }
    match mismatch {
        Some(id) => Err(QuorumError::Mismatch(id)),
        None => Err(QuorumError::TooFew {
            valid: valid.len(),
            threshold,
        }),
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if text.len() == 16 && text.chars().all(hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyError::KeyId(text.chars().take(80).collect()))
    }
}

crate::string_serde!(KeyId);

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Signer as _;
    use p256::pkcs8::LineEnding;

    use super::*;

    fn p256_key(seed: u8) -> (p256::ecdsa::SigningKey, PublicKey) {
        let secret = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
        let public: p256::PublicKey = secret.verifying_key().into();
        let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
        let public = PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).unwrap();
        (secret, public)
    }

    fn sign(secret: &p256::ecdsa::SigningKey, by: &PublicKey, bytes: &[u8]) -> Signature {
        let signature: p256::ecdsa::DerSignature = secret.sign(bytes);
        Signature::new(by.id().clone(), signature.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn one_key_counts_once_however_often_it_signs() {
        let (secret, one) = p256_key(1);
        let (_, two) = p256_key(2);
        let signature = sign(&secret, &one, b"m");
        let twice = [signature.clone(), signature];
        let trusted = [one.clone(), one, two];
        assert!(verify_quorum(b"m", &twice, &trusted, 1).is_ok());
        let error = verify_quorum(b"m", &twice, &trusted, 2).unwrap_err();
        assert_eq!(
            error,
            QuorumError::TooFew {
                valid: 1,
                threshold: 2
            }
        );
    }

    #[test]
    fn changed_bytes_unknown_keys_and_no_signature_are_told_apart() {
        let (secret, one) = p256_key(1);
        let (_, two) = p256_key(2);
        let signature = [sign(&secret, &one, b"m")];
        let refused = |bytes: &[u8], signatures: &[Signature], key: &PublicKey| {
            verify_quorum(bytes, signatures, std::slice::from_ref(key), 1).unwrap_err()
        };
        assert_eq!(
            refused(b"n", &signature, &one),
            QuorumError::Mismatch(one.id().clone())
        );
        assert!(matches!(
            refused(b"m", &signature, &two),
            QuorumError::UnknownKeys { .. }
        ));
        assert_eq!(refused(b"m", &[], &one), QuorumError::Unsigned);
        let under_other_id =
            [Signature::new(two.id().clone(), signature[0].bytes.clone()).unwrap()];
        assert_eq!(
            refused(b"m", &under_other_id, &two),
            QuorumError::Mismatch(two.id().clone())
        );
    }

    #[test]
    fn a_zero_threshold_accepts_nothing() {
        let (_, one) = p256_key(1);
        let forged = [Signature::new(one.id().clone(), vec![0; 70]).unwrap()];
        assert!(verify_quorum(b"m", &forged, &[one], 0).is_err());
    }

    #[test]
    fn ed25519_signatures_verify() {
        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let pem = secret
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        let key = PublicKey::from_pem(Algorithm::Ed25519, &pem).unwrap();
        assert!(PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).is_err());
        let signature = secret.sign(b"m").to_bytes();
        assert!(key.accepts(b"m", &signature));
        assert!(!key.accepts(b"n", &signature));
    }
}
