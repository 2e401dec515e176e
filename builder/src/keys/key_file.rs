//! Keys in files: PKCS#8 PEM, plain or encrypted; and public keys.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use manifests::secret::Secret;
use manifests::signature::{Algorithm, PublicKey};
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, LineEnding};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::KeyError;
use super::secret::{Secrets, check_private};

const MAX_BYTES: u64 = 64 * 1024;
const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// A private key in memory.
pub struct FileKey {
    secret: Material,
    public: PublicKey,
}

enum Material {
    P256(p256::ecdsa::SigningKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of every log.
        f.debug_struct("FileKey")
            .field("key", self.public.id())
            .finish_non_exhaustive()
    }
}

impl FileKey {
    /// Reads a key that only its owner can read.
    pub fn read(path: &Path, secrets: &Secrets) -> Result<Self, KeyError> {
        let file = open(path)?;
        check_private(path, &file)?;
        let not_a_key = || KeyError::NotAKey {
            path: path.to_owned(),
        };
        let pem = Zeroizing::new(read_text(path, file)?);
        let (label, document) = SecretDocument::from_pem(&pem).map_err(|_| not_a_key())?;
        match label {
            PLAIN => Self::from_der(document.as_bytes()).ok_or_else(not_a_key),
            ENCRYPTED => {
                let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
                let encrypted = encrypted.map_err(|_| not_a_key())?;
                let passphrase = secrets.passphrase(path)?;
                let wrong = || KeyError::WrongPassphrase {
                    path: path.to_owned(),
                };
                let plain = encrypted
                    .decrypt(passphrase.reveal().as_bytes())
                    .map_err(|error| match error {
                        pkcs8::Error::EncryptedPrivateKey(
                            pkcs8::pkcs5::Error::DecryptFailed | pkcs8::pkcs5::Error::EncryptFailed,
                        ) => wrong(),
                        other => KeyError::Encryption {
                            path: path.to_owned(),
                            reason: other.to_string(),
                        },
                    })?;
                // A wrong passphrase now and then gives padding that looks right.
                Self::from_der(plain.as_bytes()).ok_or_else(wrong)
            }
            _ => Err(not_a_key()),
        }
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        if let Ok(secret) = SecretKey::from_pkcs8_der(der) {
            let secret = p256::ecdsa::SigningKey::from(secret);
            let public = p256::PublicKey::from(secret.verifying_key());
            let pem = public.to_public_key_pem(LineEnding::LF).ok()?;
            let public = PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).ok()?;
            return Some(Self {
                secret: Material::P256(secret),
                public,
            });
        }
        let secret = ed25519_dalek::SigningKey::from_pkcs8_der(der).ok()?;
        let pem = secret
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .ok()?;
        let public = PublicKey::from_pem(Algorithm::Ed25519, &pem).ok()?;
        Some(Self {
            secret: Material::Ed25519(Box::new(secret)),
            public,
        })
    }

    /// Returns the public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs deterministically: equal bytes give equal signatures (RFC 6979, RFC 8032).
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.secret {
            Material::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(bytes);
                signature.as_bytes().to_vec()
            }
            Material::Ed25519(key) => key.sign(bytes).to_bytes().to_vec(),
        }
    }
}

/// Makes a P-256 key, and the PEM text of its file, encrypted if there is a passphrase.
pub(super) fn generate(
    passphrase: Option<&Secret>,
) -> Result<(FileKey, Zeroizing<String>), KeyError> {
    let broken = |error: &dyn std::fmt::Display| KeyError::Make(error.to_string());
    let secret = SecretKey::try_generate().map_err(|e| broken(&e))?;
    let der = secret.to_pkcs8_der().map_err(|e| broken(&e))?;
    let key = FileKey::from_der(der.as_bytes()).ok_or_else(|| broken(&"it cannot be read back"))?;
    let pem = match passphrase {
        None => der.to_pem(PLAIN, LineEnding::LF),
        Some(passphrase) => {
            let plain = PrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|e| broken(&e))?;
            let encrypted = plain
                .encrypt(passphrase.reveal().as_bytes())
                .map_err(|e| broken(&e))?;
            encrypted.to_pem(ENCRYPTED, LineEnding::LF)
        }
    };
    Ok((key, pem.map_err(|e| broken(&e))?))
}

/// Reads a public key, and writes it as we do: one key is the same text wherever it comes from.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyError> {
    let text = read_text(path, open(path)?)?;
    let p256 = p256::PublicKey::from_public_key_pem(&text)
        .ok()
        .and_then(|key| {
            Some((
                Algorithm::EcdsaP256Sha256,
                key.to_public_key_pem(LineEnding::LF).ok()?,
            ))
        });
    let ed25519 = || {
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(&text).ok()?;
        Some((
            Algorithm::Ed25519,
            key.to_public_key_pem(LineEnding::LF).ok()?,
        ))
    };
    let key = p256.or_else(ed25519);
    let key = key.and_then(|(algorithm, pem)| PublicKey::from_pem(algorithm, &pem).ok());
    key.ok_or_else(|| KeyError::NotPublic {
        path: path.to_owned(),
    })
}

fn open(path: &Path) -> Result<File, KeyError> {
    File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => KeyError::None(path.to_owned()),
        _ => KeyError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })
}

fn read_text(path: &Path, file: File) -> Result<String, KeyError> {
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|source| KeyError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    Ok(text)
}
