//! From an unsigned bundle to a signed one: what comes before the listed entries.

use std::collections::BTreeMap;

use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::format::MANIFEST_PATH;
use manifests::signature::Signature;

use super::UnsignedBundle;
use crate::keys::{KeyError, Signers};

/// A bundle with whatever signatures it has; the only one that can be written.
///
/// ```compile_fail
/// let forged = builder::assemble::SignedBundle::default();
/// ```
#[derive(Debug)]
#[must_use]
pub struct SignedBundle {
    unsigned: UnsignedBundle,
    front: Vec<(BundlePath, Vec<u8>)>,
}

/// Signs the manifest, and adds the root documents that lead to these keys.
pub fn sign(bundle: UnsignedBundle, signers: &Signers) -> Result<SignedBundle, KeyError> {
    let signatures = signers.sign(bundle.manifest_bytes())?;
    let front = front(bundle.manifest_bytes(), &signatures, signers.trust())?;
    Ok(SignedBundle {
        unsigned: bundle,
        front,
    })
}

/// Returns the entries before the listed ones, in their order: a key id is hexadecimal and sorts
/// before `json`.
pub(crate) fn front(
    manifest: &[u8],
    signatures: &[Signature],
    trust: &BTreeMap<String, Vec<u8>>,
) -> Result<Vec<(BundlePath, Vec<u8>)>, KeyError> {
    let path = |text: String| {
        let path = text.parse::<BundlePath>();
        path.map_err(|error| KeyError::Make(error.to_string()))
    };
    let mut front = vec![(path(MANIFEST_PATH.to_owned())?, manifest.to_vec())];
    for signature in signatures {
        let name = format!("signatures/{}.sig", signature.key_id());
        front.push((path(name)?, signature.as_bytes().to_vec()));
    }
    for (name, bytes) in trust {
        front.push((path(format!("trust/{name}"))?, bytes.clone()));
    }
    Ok(front)
}

impl SignedBundle {
    /// Returns the bundle without its signatures.
    pub const fn unsigned(&self) -> &UnsignedBundle {
        &self.unsigned
    }

    /// Returns the entries that come before the listed ones: manifest, signatures, trust.
    #[must_use]
    pub fn front(&self) -> &[(BundlePath, Vec<u8>)] {
        &self.front
    }

    /// Returns the digest of the manifest: the bundle's identity.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.unsigned.manifest_bytes())
    }
}
