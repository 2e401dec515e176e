//! A marked test key that only the fuzz targets trust.

use std::sync::LazyLock;

use manifests::json::canonical;
use manifests::signature::{Algorithm, PublicKey, Signature};
use manifests::trust::{ROOT_TYPE, ReleaseRole, Role, RootDocument, RootKey, TrustRoot};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};

struct TestKey {
    secret: SigningKey,
    public: PublicKey,
}

static KEY: LazyLock<TestKey> = LazyLock::new(|| {
    let secret = SigningKey::from_slice(&[7; 32]).unwrap();
    let public: p256::PublicKey = secret.verifying_key().into();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    let public = PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).unwrap();
    TestKey { secret, public }
});

static ROOTS: LazyLock<[TrustRoot; 1]> =
    LazyLock::new(|| [TrustRoot::parse(&root_bytes()).unwrap()]);

/// Returns the root document that trusts the test key alone.
pub fn root_bytes() -> Vec<u8> {
    let id = KEY.public.id().clone();
    let document = RootDocument {
        document: ROOT_TYPE.to_owned(),
        version: 1,
        title: "TEST KEY, trusted by nobody".to_owned(),
        keys: vec![RootKey {
            id: id.clone(),
            algorithm: Algorithm::EcdsaP256Sha256,
            public: KEY.public.pem().to_owned(),
        }],
        root: Role {
            threshold: 1,
            keys: vec![id.clone()],
        },
        release: ReleaseRole {
            threshold: 1,
            keys: vec![id],
            products: vec!["*".to_owned()],
        },
        revoked: Vec::new(),
    };
    canonical(&document).unwrap()
}

/// Returns the trust of a host that enrolled the test key.
pub fn roots() -> &'static [TrustRoot] {
    &*ROOTS
}

/// Signs with the test key.
pub fn sign(bytes: &[u8]) -> Signature {
    let signature: DerSignature = KEY.secret.sign(bytes);
    Signature::new(KEY.public.id().clone(), signature.as_bytes().to_vec()).unwrap()
}
