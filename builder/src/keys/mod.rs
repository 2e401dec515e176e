//! Our own keys, in files and tokens, and the root documents that name them.

mod error;
mod key_file;
pub mod roots;
mod secret;
mod signer;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod uri;

use std::collections::BTreeMap;

use manifests::signature::{KeyId, Signature};
use manifests::trust::TrustRoot;

use roots::RootChain;

pub use error::KeyError;
pub use key_file::{FileKey, read_public};
pub use secret::Secrets;
pub use signer::{KeyName, Signer};
pub use store::{KeyStore, Opened, Request};
pub(crate) use store::{read_root, write_key};
pub use token::{TokenError, TokenKey};
pub use uri::TokenUri;

/// Who signs here, under which root documents. There may be fewer than a host asks for, or none.
#[derive(Debug)]
pub struct Signers {
    keys: Vec<Signer>,
    root: TrustRoot,
    root_bytes: Vec<u8>,
    trust: BTreeMap<String, Vec<u8>>,
    notes: Vec<String>,
}

impl Signers {
    /// Checks that each key is a release key of the newest complete root document.
    pub fn new(keys: Vec<Signer>, chain: &RootChain) -> Result<Self, KeyError> {
        let newest = chain.require()?;
        for (at, key) in keys.iter().enumerate() {
            let id = key.public().id();
            if keys[..at].iter().any(|other| other.public().id() == id) {
                return Err(KeyError::Twice(id.clone()));
            }
            check_release(id, &newest.root)?;
        }
        Ok(Self {
            keys,
            root: newest.root.clone(),
            root_bytes: newest.signed.bytes.clone(),
            trust: chain.files(),
            notes: chain.notes(),
        })
    }

    /// Returns the newest complete root document's bytes.
    #[must_use]
    pub fn root_bytes(&self) -> &[u8] {
        &self.root_bytes
    }

    /// Returns the newest complete root document.
    #[must_use]
    pub const fn root(&self) -> &TrustRoot {
        &self.root
    }

    /// Returns the root documents that a bundle carries, by name.
    pub(crate) const fn trust(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.trust
    }

    /// Returns which root documents are not used, and why.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the keys' ids, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        let mut ids: Vec<KeyId> = self
            .keys
            .iter()
            .map(|key| key.public().id().clone())
            .collect();
        ids.sort();
        ids
    }

    /// Returns how many signatures a host asks for.
    #[must_use]
    pub fn threshold(&self) -> usize {
        self.root.document().release.threshold as usize
    }

    /// Whether these keys are enough for a host.
    #[must_use]
    pub fn are_enough(&self) -> bool {
        self.keys.len() >= self.threshold()
    }

    /// Has every key sign, by key id.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<Signature>, KeyError> {
        let mut signatures = Vec::new();
        for key in &self.keys {
            signatures.push(key.sign(bytes)?);
        }
        signatures.sort_by(|a, b| a.key_id().cmp(b.key_id()));
        Ok(signatures)
    }
}

/// Refuses a key that is no release key of a root, and explains what became of it.
pub fn check_release(key: &KeyId, root: &TrustRoot) -> Result<(), KeyError> {
    let document = root.document();
    if document.release.keys.contains(key) {
        return Ok(());
    }
    let revoked = document
        .revokes(key)
        .map(|reason| format!(", which revokes it: {reason}"));
    let retired = || {
        let version = root.retired(key)?;
        Some(format!("; version {version} left it out"))
    };
    Err(KeyError::NotRelease {
        key: key.clone(),
        version: document.version,
        became: revoked.or_else(retired),
    })
}
