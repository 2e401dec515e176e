//! Root documents and the verdict over a bundle manifest.
//!
//! A root document lists the keys that may sign and how many must. A host trusts exactly the
//! documents its administrator enrolled by fingerprint; the bundle's own copy proves nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::bundle::{BundleManifest, DocumentError};
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

/// A root document that was read and is consistent. Holding one does not mean trusting it: that is
/// the caller's decision, made by comparing [`TrustRoot::fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    document: RootDocument,
    fingerprint: Sha256,
    release_keys: Vec<PublicKey>,
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
    /// A key that cannot be read.
    #[error("key {0} cannot be read")]
    Key(KeyId, #[source] KeyError),
    /// A key whose id is not its own.
    #[error("key {0} is listed under an id that is not its own")]
    WrongId(KeyId),
    /// A role that nobody, or anybody, could fulfil.
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
}

/// A bundle manifest that is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No root document is enrolled.
    #[error("no trust root is enrolled")]
    NoTrustRoot,
    /// The signatures do not reach the quorum of any enrolled root.
    #[error("the bundle signature is not valid: {0}")]
    Quorum(QuorumError),
    /// Signed, but not for this product.
    #[error("the signing keys may not sign for product `{product}`, only for {allowed}")]
    Scope {
        /// The manifest's product.
        product: String,
        /// The root document's scope.
        allowed: String,
    },
    /// Signed bytes that are not a valid manifest.
    #[error("the signed manifest is not acceptable")]
    Manifest(#[source] DocumentError),
}

/// A bundle manifest whose exact bytes carry a quorum of trusted signatures.
///
/// There is no other way to make one than [`verify_manifest`]:
///
/// ```compile_fail
/// let forged: manifests::trust::VerifiedManifest = serde_json::from_str("{}").unwrap();
/// ```
/// ```compile_fail
/// let forged = manifests::trust::VerifiedManifest::default();
/// ```
#[derive(Debug)]
pub struct VerifiedManifest {
    manifest: BundleManifest,
    digest: Sha256,
    signers: BTreeSet<KeyId>,
    root: Sha256,
}

impl TrustRoot {
    /// Reads a root document and checks that it is consistent.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        let document: RootDocument = serde_json::from_slice(bytes).map_err(RootError::Json)?;
        if document.document != ROOT_TYPE {
            return Err(RootError::Type(document.document));
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
        check_role("root", document.root.threshold, &document.root.keys, &keys)?;
        let release = &document.release;
        let release_keys = check_role("release", release.threshold, &release.keys, &keys)?;
        Ok(Self {
            document,
            fingerprint: Sha256::of(bytes),
            release_keys,
        })
    }

    /// Returns the SHA-256 of the document's bytes: what people compare.
    #[must_use]
    pub const fn fingerprint(&self) -> &Sha256 {
        &self.fingerprint
    }

    /// Returns the document.
    #[must_use]
    pub const fn document(&self) -> &RootDocument {
        &self.document
    }

    fn covers(&self, product: &str) -> bool {
        self.document
            .release
            .products
            .iter()
            .any(|p| p == "*" || p == product)
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

/// Verifies `bytes`, then parses those same bytes.
///
/// 1. Some enrolled root's release quorum must have signed exactly these bytes.
/// 2. The bytes must name their own type and be a consistent manifest.
/// 3. The signing role must cover the manifest's product.
pub fn verify_manifest(
    bytes: &[u8],
    signatures: &[Signature],
    roots: &[TrustRoot],
) -> Result<VerifiedManifest, VerifyError> {
    let (signers, root) = find_quorum(bytes, signatures, roots)?;
    let manifest = BundleManifest::parse(bytes).map_err(VerifyError::Manifest)?;
    check_scope(root, &manifest.product)?;
    Ok(VerifiedManifest {
        manifest,
        digest: Sha256::of(bytes),
        signers,
        root: root.fingerprint,
    })
}

/// Finds an enrolled root whose release quorum has signed exactly these bytes.
pub(crate) fn find_quorum<'a>(
    bytes: &[u8],
    signatures: &[Signature],
    roots: &'a [TrustRoot],
) -> Result<(BTreeSet<KeyId>, &'a TrustRoot), VerifyError> {
    let mut refusal = VerifyError::NoTrustRoot;
    for root in roots {
        let threshold = root.document.release.threshold;
        match verify_quorum(bytes, signatures, &root.release_keys, threshold) {
            Ok(signers) => return Ok((signers, root)),
            // Of several roots' refusals, the one that knew the key says most.
            Err(error) => refusal = more_telling(refusal, VerifyError::Quorum(error)),
        }
    }
    Err(refusal)
}

/// Checks that a root's release keys may sign for a product.
pub(crate) fn check_scope(root: &TrustRoot, product: &str) -> Result<(), VerifyError> {
    if root.covers(product) {
        return Ok(());
    }
    Err(VerifyError::Scope {
        product: product.to_owned(),
        allowed: root.document.release.products.join(", "),
    })
}

fn more_telling(a: VerifyError, b: VerifyError) -> VerifyError {
    let weight = |error: &VerifyError| match error {
        VerifyError::NoTrustRoot => 0,
        VerifyError::Quorum(QuorumError::UnknownKeys { .. }) => 1,
        _ => 2,
    };
    if weight(&b) > weight(&a) { b } else { a }
}

impl VerifiedManifest {
    /// Returns the manifest.
    #[must_use]
    pub const fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// Returns the SHA-256 of the signed bytes: the identity of the bundle.
    #[must_use]
    pub const fn digest(&self) -> &Sha256 {
        &self.digest
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
