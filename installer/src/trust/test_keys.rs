//! TEST KEYS, which no installation trusts, and root documents made of them.

use manifests::json::canonical;
use manifests::signature::{Algorithm, KeyId, PublicKey, Signature};
use manifests::trust::{
    ROOT_TYPE, ReleaseRole, RevokedKey, Role, RootDocument, RootKey, SignedRoot,
};
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};

/// Returns the key that a seed gives.
pub(crate) fn key(seed: u8) -> (SigningKey, PublicKey) {
    let secret = SigningKey::from_slice(&[seed; 32]).unwrap();
    let public: p256::PublicKey = secret.verifying_key().into();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    let public = PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).unwrap();
    (secret, public)
}

pub(crate) fn id(seed: u8) -> KeyId {
    key(seed).1.id().clone()
}

/// Signs with the key that a seed gives.
pub(crate) fn sign(bytes: &[u8], seed: u8) -> Signature {
    let signature: p256::ecdsa::DerSignature = key(seed).0.sign(bytes);
    Signature::new(id(seed), signature.as_bytes().to_vec()).unwrap()
}

/// Returns a root document of one root key and one release key, both 1 of 1, for product `acme`.
pub(crate) fn document(version: u64, root: u8, release: u8) -> RootDocument {
    let listed = |seed: u8| RootKey {
        id: id(seed),
        algorithm: Algorithm::EcdsaP256Sha256,
        public: key(seed).1.pem().to_owned(),
    };
    let mut seeds = vec![root, release];
    seeds.dedup();
    RootDocument {
        document: ROOT_TYPE.to_owned(),
        version,
        title: "TEST KEY, trusted by nobody".to_owned(),
        keys: seeds.into_iter().map(listed).collect(),
        root: Role {
            threshold: 1,
            keys: vec![id(root)],
        },
        release: ReleaseRole {
            threshold: 1,
            keys: vec![id(release)],
            products: vec!["acme".to_owned()],
        },
        revoked: Vec::new(),
    }
}

/// Adds a revoked key to a document.
pub(crate) fn revoking(mut document: RootDocument, seed: u8) -> RootDocument {
    document.revoked.push(RevokedKey {
        id: id(seed),
        reason: "stolen".to_owned(),
    });
    document
}

/// Signs a document with root keys.
pub(crate) fn signed(document: &RootDocument, seeds: &[u8]) -> SignedRoot {
    let bytes = canonical(document).unwrap();
    let signatures = seeds.iter().map(|seed| sign(&bytes, *seed)).collect();
    SignedRoot { bytes, signatures }
}
