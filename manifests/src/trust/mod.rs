//! What a host trusts, and the verdict over a bundle manifest.
//!
//! A root document lists the keys that may sign and how many must. A host trusts exactly the
//! documents its administrator enrolled by fingerprint, and their successors that a quorum of both
//! versions signed; the bundle's own copies prove nothing by themselves.

mod carried;
mod root;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::bundle::{BundleManifest, DocumentError};
use crate::digest::Sha256;
use crate::signature::{KeyId, QuorumError, Signature, verify_quorum};

pub use carried::{CarriedError, CarriedTrust, RootFile, SignedRoot};
pub use root::{
    ChainError, ROOT_TYPE, ReleaseRole, RevokedKey, Role, RootDocument, RootError, RootKey,
    TrustRoot,
};

/// A bundle manifest that is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// No root document is enrolled.
    #[error("no trust root is enrolled")]
    NoTrustRoot,
    /// The signatures do not reach the quorum of any enrolled root.
    #[error("its signature is not valid: {0}")]
    Quorum(QuorumError),
    /// Signed by a key that must never count again.
    #[error("it is signed by key {key}, which root version {version} revokes: {reason}")]
    Revoked {
        /// The key.
        key: KeyId,
        /// The newest known root version.
        version: u64,
        /// From the root document.
        reason: String,
    },
    /// Signed by a key that was replaced.
    #[error("it is signed by key {key}, which may not sign any more since root version {version}")]
    Retired {
        /// The key.
        key: KeyId,
        /// The version that left it out.
        version: u64,
    },
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
    let quorums = find_quorums(bytes, signatures, roots)?;
    let manifest = BundleManifest::parse(bytes).map_err(VerifyError::Manifest)?;
    let (signers, root) = covering(quorums, &manifest.product)?;
    Ok(VerifiedManifest {
        manifest,
        digest: Sha256::of(bytes),
        signers,
        root: *root.fingerprint(),
    })
}

/// A root and the release keys of it that signed.
pub(crate) type Quorum<'a> = (BTreeSet<KeyId>, &'a TrustRoot);

/// Finds the enrolled roots whose release quorum has signed exactly these bytes: at least one.
pub(crate) fn find_quorums<'a>(
    bytes: &[u8],
    signatures: &[Signature],
    roots: &'a [TrustRoot],
) -> Result<Vec<Quorum<'a>>, VerifyError> {
    let mut refusal = VerifyError::NoTrustRoot;
    let mut found = Vec::new();
    for root in roots {
        let threshold = root.document().release.threshold;
        match verify_quorum(bytes, signatures, root.release_keys(), threshold) {
            Ok(signers) => found.push((signers, root)),
            // Of several roots' refusals, the one by a root that knows the key explains most.
            Err(error) => refusal = more_telling(refusal, explain(root, error)),
        }
    }
    if found.is_empty() {
        Err(refusal)
    } else {
        Ok(found)
    }
}

/// Chooses the root whose release keys may sign for a product.
pub(crate) fn covering<'a>(
    quorums: Vec<Quorum<'a>>,
    product: &str,
) -> Result<Quorum<'a>, VerifyError> {
    let allowed: Vec<&str> = quorums
        .iter()
        .flat_map(|(_, root)| &root.document().release.products)
        .map(String::as_str)
        .collect();
    let refusal = VerifyError::Scope {
        product: product.to_owned(),
        allowed: allowed.join(", "),
    };
    let mut quorums = quorums.into_iter();
    quorums
        .find(|(_, root)| root.covers(product))
        .ok_or(refusal)
}

/// Explains what became of a key that is no longer known.
fn explain(root: &TrustRoot, error: QuorumError) -> VerifyError {
    let QuorumError::UnknownKeys { found } = &error else {
        return VerifyError::Quorum(error);
    };
    let document = root.document();
    let revoked = found.iter().find_map(|key| {
        let reason = document.revokes(key)?.to_owned();
        Some(VerifyError::Revoked {
            key: key.clone(),
            version: document.version,
            reason,
        })
    });
    let retired = || {
        found.iter().find_map(|key| {
            let version = root.retired(key)?;
            let key = key.clone();
            Some(VerifyError::Retired { key, version })
        })
    };
    revoked
        .or_else(retired)
        .unwrap_or(VerifyError::Quorum(error))
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
