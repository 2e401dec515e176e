//! Test keys, the root documents made of them, and what stands in front of a forged bundle's contents.

use anyhow::Result;
use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::signature::{Algorithm, KeyId, PublicKey, Signature};
use manifests::trust::{
    ROOT_TYPE, ReleaseRole, RevokedKey, Role as KeyRole, RootDocument, RootKey, SignedRoot,
};
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};

/// A test key: fixed, public, and marked as such wherever it appears.
#[derive(Debug)]
pub struct TestKey {
    secret: p256::ecdsa::SigningKey,
    public: PublicKey,
}

impl TestKey {
    /// Makes the key of a seed.
    pub fn from_seed(seed: u8) -> Result<Self> {
        let secret = p256::ecdsa::SigningKey::from_slice(&[seed; 32])?;
        let public: p256::PublicKey = secret.verifying_key().into();
        let pem = public.to_public_key_pem(LineEnding::LF)?;
        let public = PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem)?;
        Ok(Self { secret, public })
    }

    /// Returns the public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the key's id.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        self.public.id()
    }

    /// Returns a root document that trusts this key alone.
    pub fn root_document(&self) -> Result<Vec<u8>> {
        Ok(canonical(&self.root())?)
    }

    /// Returns the same before it is written.
    #[must_use]
    pub fn root(&self) -> RootDocument {
        root_document(1, self, self)
    }

    /// Returns the entry with this key's signature over a manifest: its name and its bytes.
    #[must_use]
    pub fn signature_entry(&self, manifest: &[u8]) -> (String, Vec<u8>) {
        (format!("signatures/{}.sig", self.id()), self.sign(manifest))
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::DerSignature = self.secret.sign(bytes);
        signature.as_bytes().to_vec()
    }
}

/// Returns a root document of one root key and one release key, both 1 of 1, for every product.
#[must_use]
pub fn root_document(version: u64, root: &TestKey, release: &TestKey) -> RootDocument {
    let listed = |key: &TestKey| RootKey {
        id: key.id().clone(),
        algorithm: Algorithm::EcdsaP256Sha256,
        public: key.public.pem().to_owned(),
    };
    let mut keys = vec![listed(root), listed(release)];
    keys.dedup();
    RootDocument {
        document: ROOT_TYPE.to_owned(),
        version,
        title: "TEST KEY, trusted by nobody".to_owned(),
        keys,
        root: KeyRole {
            threshold: 1,
            keys: vec![root.id().clone()],
        },
        release: ReleaseRole {
            threshold: 1,
            keys: vec![release.id().clone()],
            products: vec!["*".to_owned()],
        },
        revoked: Vec::new(),
    }
}

/// Marks a key as revoked in a root document.
pub fn revoke(document: &mut RootDocument, key: &TestKey) {
    document.revoked.push(RevokedKey {
        id: key.id().clone(),
        reason: "stolen in a test".to_owned(),
    });
}

/// Signs a root document.
pub fn sign_root(document: &RootDocument, keys: &[&TestKey]) -> Result<SignedRoot> {
    let bytes = canonical(document)?;
    let sign = |key: &&TestKey| Signature::new(key.id().clone(), key.sign(&bytes));
    let signatures = keys.iter().map(sign).collect::<Result<_, _>>()?;
    Ok(SignedRoot { bytes, signatures })
}

/// Who signs a forged bundle, and its place in the sequence.
#[derive(Debug, Default)]
pub struct Seal<'a> {
    /// The keys that sign the manifest.
    pub keys: Vec<&'a TestKey>,
    /// The carried chain, from version 1.
    pub trust: Vec<SignedRoot>,
    /// The bundle's sequence.
    pub sequence: u64,
}

impl Seal<'_> {
    /// Returns the names and bytes of `signatures/` and `trust/`, in file order.
    pub(crate) fn files(&self, manifest: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut signatures = Vec::new();
        for key in &self.keys {
            signatures.push(key.signature_entry(manifest));
        }
        let mut trust = Vec::new();
        for (version, root) in (1..).zip(&self.trust) {
            let files = root.files(version);
            trust.extend(files.map(|(file, bytes)| (format!("trust/{file}"), bytes.to_vec())));
        }
        signatures.sort();
        trust.sort();
        [signatures, trust].concat()
    }
}

/// Returns the fingerprint of a root document's bytes.
#[must_use]
pub fn fingerprint(root: &[u8]) -> String {
    Sha256::of(root).to_string()
}
