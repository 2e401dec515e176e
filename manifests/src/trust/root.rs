//! Root documents: who may sign, and who never again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::signature::{
    Algorithm, KeyError, KeyId, PublicKey, QuorumError, Signature, verify_quorum,
};

/// The type a root document names, so that it never passes for a bundle manifest.
pub const ROOT_TYPE: &str = "airgap-bundle/root/1";

/// A root document as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootDocument {
    /// Always [`ROOT_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// Counts up from 1; N+1 replaces N.
    pub version: u64,
    /// A name for people, such as the team's.
    pub title: String,
    /// Every key the roles below refer to.
    pub keys: Vec<RootKey>,
    /// Who may sign the next root document.
    pub root: Role,
    /// Who may sign bundles.
    pub release: ReleaseRole,
    /// Keys that count no more, in no role and in no later version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<RevokedKey>,
}

/// A key of a root document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKey {
    /// The key's id; must be that of `public`.
    pub id: KeyId,
    /// The signature scheme.
    pub algorithm: Algorithm,
    /// PEM `SubjectPublicKeyInfo`.
    pub public: String,
}

/// Keys and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Distinct keys needed; at least 1.
    pub threshold: u32,
    /// Ids of the role's keys.
    pub keys: Vec<KeyId>,
}

/// The keys that sign bundles, with their scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRole {
    /// Distinct keys needed; at least 1.
    pub threshold: u32,
    /// Ids of the role's keys.
    pub keys: Vec<KeyId>,
    /// Products the keys may sign for; `*` is every product.
    pub products: Vec<String>,
}

/// A key that must never count again, as after a theft. A key that merely retires is left out of the
/// next version; what it signed in its time still counts as a memory (see anti-rollback).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// The key.
    pub id: KeyId,
    /// Why, for people.
    pub reason: String,
}

/// The newest accepted root document of one chain. Holding one does not mean trusting it: that is
/// the caller's decision, made by comparing [`TrustRoot::anchor`] with what a person confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    document: RootDocument,
    fingerprint: Sha256,
    anchor: Sha256,
    /// Fingerprints of the versions from the anchor on that this one replaced.
    replaced: Vec<Sha256>,
    root_keys: Vec<PublicKey>,
    release_keys: Vec<PublicKey>,
    /// Release keys of earlier versions, with the version that left them out.
    retired: BTreeMap<KeyId, u64>,
}

/// A root document that is not usable.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Not JSON of this shape.
    #[error("it is not a root document")]
    Json(#[source] serde_json::Error),
    /// Another document's type.
    #[error("its type is `{0}`, not `{ROOT_TYPE}`")]
    Type(String),
    /// Versions count from 1.
    #[error("its version is 0; versions count from 1")]
    Version,
    /// A key that cannot be read.
    #[error("key {0} cannot be read")]
    Key(KeyId, #[source] KeyError),
    /// A key whose id is not its own.
    #[error("key {0} is listed under an id that is not its own")]
    WrongId(KeyId),
    /// A role that needs no key, or more keys than it has.
    #[error("the {role} role needs {threshold} of {keys} keys, which makes no sense")]
    Threshold {
        /// `root` or `release`.
        role: &'static str,
        /// As written.
        threshold: u32,
        /// Distinct keys of the role.
        keys: usize,
    },
    /// A role that names a key the document does not hold.
    #[error("the {role} role names key {key}, which the document does not hold")]
    UnknownKey {
        /// `root` or `release`.
        role: &'static str,
        /// The missing key.
        key: KeyId,
    },
    /// A role that names a key the document revokes.
    #[error("key {0} is revoked and has a role at the same time")]
    RevokedInRole(KeyId),
}

/// A root document that does not follow from the one before it.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A version is missing in between.
    #[error("root version {found} does not follow version {have}: a version in between is missing")]
    Gap {
        /// The version before.
        have: u64,
        /// The version found.
        found: u64,
    },
    /// The version before does not vouch for it.
    #[error("root version {version} is not signed by a quorum of version {}: {source}", version - 1)]
    Before {
        /// The refused version.
        version: u64,
        /// Why.
        source: QuorumError,
    },
    /// It does not vouch for itself.
    #[error("root version {version} is not signed by a quorum of its own root keys: {source}")]
    Own {
        /// The refused version.
        version: u64,
        /// Why.
        source: QuorumError,
    },
    /// It is signed, and not usable.
    #[error("root version {version} is not usable: {source}")]
    Document {
        /// The refused version.
        version: u64,
        /// Why.
        source: RootError,
    },
    /// Its content gives another version than its place.
    #[error("root version {version} calls itself version {found}")]
    Version {
        /// The version it stands for.
        version: u64,
        /// The version in its content.
        found: u64,
    },
    /// A revoked key is one for ever.
    #[error("root version {version} forgets that key {key} is revoked")]
    Forgets {
        /// The refused version.
        version: u64,
        /// The key.
        key: KeyId,
    },
    /// A signature that no key of the two versions made.
    #[error("root version {version} carries a signature by {key} that is not valid")]
    StraySignature {
        /// The version.
        version: u64,
        /// The key it names.
        key: KeyId,
    },
}

impl TrustRoot {
    /// Reads a root document and checks that it is consistent.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        let document: RootDocument = crate::json::read(bytes).map_err(RootError::Json)?;
        if document.document != ROOT_TYPE {
            return Err(RootError::Type(document.document));
        }
        if document.version == 0 {
            return Err(RootError::Version);
        }
        let mut keys = Vec::new();
        for key in &document.keys {
            let public = PublicKey::from_pem(key.algorithm, &key.public)
                .map_err(|source| RootError::Key(key.id.clone(), source))?;
            if *public.id() != key.id {
                return Err(RootError::WrongId(key.id.clone()));
            }
            keys.push(public);
        }
        let root_keys = check_role("root", document.root.threshold, &document.root.keys, &keys)?;
        let release = &document.release;
        let release_keys = check_role("release", release.threshold, &release.keys, &keys)?;
        let mut in_role = document.root.keys.iter().chain(&release.keys);
        if let Some(key) = in_role.find(|id| document.revokes(id).is_some()) {
            return Err(RootError::RevokedInRole(key.clone()));
        }
        let fingerprint = Sha256::of(bytes);
        Ok(Self {
            document,
            fingerprint,
            anchor: fingerprint,
            replaced: Vec::new(),
            root_keys,
            release_keys,
            retired: BTreeMap::new(),
        })
    }

    /// Follows the chain by one version: `bytes` must carry a quorum of this version's root keys, and,
    /// once parsed, of their own.
    pub fn next(&self, bytes: &[u8], signatures: &[Signature]) -> Result<Self, ChainError> {
        let version = self.document.version.saturating_add(1);
        let threshold = self.document.root.threshold;
        verify_quorum(bytes, signatures, &self.root_keys, threshold)
            .map_err(|source| ChainError::Before { version, source })?;
        let mut next =
            Self::parse(bytes).map_err(|source| ChainError::Document { version, source })?;
        if next.document.version != version {
            let found = next.document.version;
            return Err(ChainError::Version { version, found });
        }
        next.check_own(bytes, signatures)?;
        let revoked = self.document.revoked.iter();
        for RevokedKey { id, .. } in revoked {
            if next.document.revokes(id).is_none() {
                let key = id.clone();
                return Err(ChainError::Forgets { version, key });
            }
        }
        next.anchor = self.anchor;
        next.replaced.clone_from(&self.replaced);
        next.replaced.push(self.fingerprint);
        next.retired.clone_from(&self.retired);
        let release = &next.document.release.keys;
        for key in &self.document.release.keys {
            next.retired.insert(key.clone(), version);
        }
        next.retired.retain(|key, _| !release.contains(key));
        Ok(next)
    }

    /// Checks that the document carries a quorum of its own root keys: not a proof, but a document
    /// without one is unfinished.
    pub fn check_own(&self, bytes: &[u8], signatures: &[Signature]) -> Result<(), ChainError> {
        let version = self.document.version;
        verify_quorum(
            bytes,
            signatures,
            &self.root_keys,
            self.document.root.threshold,
        )
        .map(|_| ())
        .map_err(|source| ChainError::Own { version, source })
    }

    /// Whether a signature over `bytes` is by the root key that it names. One alone is no quorum.
    #[must_use]
    pub fn has_signed(&self, bytes: &[u8], signature: &Signature) -> bool {
        let mut named = self
            .root_keys
            .iter()
            .filter(|key| key.id() == signature.key_id());
        named.any(|key| key.accepts(bytes, signature.as_bytes()))
    }

    /// Returns the SHA-256 of the newest document's bytes: what people compare.
    #[must_use]
    pub const fn fingerprint(&self) -> &Sha256 {
        &self.fingerprint
    }

    /// Returns the fingerprint of the document that the chain was followed from: the one that a
    /// person confirmed.
    #[must_use]
    pub const fn anchor(&self) -> &Sha256 {
        &self.anchor
    }

    /// Whether this version, or one between it and the anchor, replaced the document with that
    /// fingerprint.
    #[must_use]
    pub fn replaces(&self, fingerprint: &Sha256) -> bool {
        self.replaced.contains(fingerprint)
    }

    /// Returns the document.
    #[must_use]
    pub const fn document(&self) -> &RootDocument {
        &self.document
    }

    /// Returns the keys that may sign the next root document.
    #[must_use]
    pub fn root_keys(&self) -> &[PublicKey] {
        &self.root_keys
    }

    /// Returns the keys that may sign bundles.
    #[must_use]
    pub fn release_keys(&self) -> &[PublicKey] {
        &self.release_keys
    }

    /// Returns the version that left out a release key of an earlier version.
    #[must_use]
    pub fn retired(&self, key: &KeyId) -> Option<u64> {
        self.retired.get(key).copied()
    }

    /// Whether the release keys may sign for a product.
    #[must_use]
    pub fn covers(&self, product: &str) -> bool {
        self.document
            .release
            .products
            .iter()
            .any(|p| p == "*" || p == product)
    }
}

impl RootDocument {
    /// Returns why a key is revoked, if it is.
    #[must_use]
    pub fn revokes(&self, key: &KeyId) -> Option<&str> {
        let mut revoked = self.revoked.iter();
        let found = revoked.find(|revoked| revoked.id == *key)?;
        Some(&found.reason)
    }
}

fn check_role(
    role: &'static str,
    threshold: u32,
    ids: &[KeyId],
    keys: &[PublicKey],
) -> Result<Vec<PublicKey>, RootError> {
    let distinct: BTreeSet<&KeyId> = ids.iter().collect();
    if threshold == 0 || threshold as usize > distinct.len() {
        return Err(RootError::Threshold {
            role,
            threshold,
            keys: distinct.len(),
        });
    }
    let find = |id: &&KeyId| {
        let found = keys.iter().find(|key| key.id() == *id).cloned();
        found.ok_or_else(|| RootError::UnknownKey {
            role,
            key: (*id).clone(),
        })
    };
    distinct.iter().map(find).collect()
}
