//! Our own keys, the root document made with them, and the bundle signature.

mod store;

use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::signature::{Algorithm, KeyError as ManifestKeyError, PublicKey, Signature};
use manifests::trust::{ROOT_TYPE, ReleaseRole, Role, RootDocument, RootError, RootKey, TrustRoot};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};

use crate::assemble::UnsignedBundle;
use crate::error::{Exit, Explained};
use crate::output::OutputError;
use std::path::PathBuf;

pub(crate) use store::read_root;
pub use store::{KeyStore, Opened};

const ROOT_TITLE: &str = "airgap-bundle root made with the first build";

/// A signing key with the root document that lets hosts trust it.
pub struct Identity {
    secret: SigningKey,
    public: PublicKey,
    root_bytes: Vec<u8>,
    root: TrustRoot,
}

/// A bundle that carries its signature; the only one that can be written.
///
/// ```compile_fail
/// let forged = builder::sign::SignedBundle::default();
/// ```
#[derive(Debug)]
#[must_use]
pub struct SignedBundle {
    unsigned: UnsignedBundle,
    front: Vec<(BundlePath, Vec<u8>)>,
}

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Readable by others.
    #[error("{} can be read by others (mode {mode:o})", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a P-256 key.
    #[error("{} is not a P-256 private key in PKCS#8 PEM form", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The key and the root document do not belong together.
    #[error("the root document {} does not hold the key {}", root.display(), key.display())]
    NotInRoot {
        /// The root document.
        root: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A root document that is not usable.
    #[error("the root document {} is not usable: {source}", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: RootError,
    },
    /// No key yet.
    #[error("there is no key at {}", .0.display())]
    None(PathBuf),
    /// A link to a file that is not there.
    #[error("{} is a link to a file that is not there", .0.display())]
    Dangling(PathBuf),
    /// A root document whose key is gone.
    #[error("the root document {} is there and its key {} is not", root.display(), key.display())]
    RootWithoutKey {
        /// The root document.
        root: PathBuf,
        /// Where the key belongs.
        key: PathBuf,
    },
    /// No directory to keep keys in.
    #[error("neither --config-dir, XDG_CONFIG_HOME nor HOME says where keys are kept")]
    NoHome,
    /// The system gives no random numbers, or a library refuses its own output.
    #[error("the key cannot be made: {0}")]
    Make(String),
    /// Cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl KeyError {
    /// Returns how the program ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::None(_) | Self::NoHome => Exit::Usage,
            _ => Exit::Internal,
        }
    }

    /// Returns the error in three parts.
    #[must_use]
    pub fn explain(&self) -> Explained {
        let next = match self {
            Self::Unreadable { .. } => "check the path and its permissions".to_owned(),
            Self::TooOpen { path, .. } => format!(
                "if nobody else had access, run chmod 600 {}; otherwise make a new key and enrol it",
                path.display()
            ),
            Self::NotAKey { .. } | Self::NotInRoot { .. } | Self::Root { .. } => {
                "restore the file from a backup; without one, move the directory away: the next \
                 build makes a new key, which every host must enrol"
                    .to_owned()
            }
            Self::Dangling(_) => {
                "mount or restore what it points to; a new key in its place would be trusted by \
                 no host"
                    .to_owned()
            }
            Self::RootWithoutKey { .. } => {
                "restore the key from a backup: hosts that trust this root document trust no new \
                 key. If it is lost, move the directory away: the next build makes a new key, \
                 which every host must enrol"
                    .to_owned()
            }
            Self::None(_) => {
                "`bundle key create` makes one, as the first `bundle build` does".to_owned()
            }
            Self::NoHome => "set HOME, or name a directory with --config-dir".to_owned(),
            Self::Make(_) => "this is a bug or a broken system: please report it".to_owned(),
            Self::Output(_) => "make sure that the directory is writable".to_owned(),
        };
        Explained::new("cannot use the signing key", self.to_string(), next)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of every log.
        f.debug_struct("Identity")
            .field("key", self.public.id())
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Returns the public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the bytes of the root document.
    #[must_use]
    pub fn root_bytes(&self) -> &[u8] {
        &self.root_bytes
    }

    /// Returns the root document.
    #[must_use]
    pub const fn root(&self) -> &TrustRoot {
        &self.root
    }

    /// Signs deterministically (RFC 6979): equal bytes give equal signatures.
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.secret.sign(bytes);
        signature.as_bytes().to_vec()
    }
}

/// Signs the manifest, and adds the root document for whoever wants to look at it.
pub fn sign(bundle: UnsignedBundle, identity: &Identity) -> Result<SignedBundle, KeyError> {
    let broken = |error: ManifestKeyError| KeyError::Make(error.to_string());
    let path = |text: String| {
        text.parse::<BundlePath>()
            .map_err(|e| KeyError::Make(e.to_string()))
    };
    let id = identity.public.id();
    let version = identity.root.document().version;
    let by = |bytes: &[u8]| Signature::new(id.clone(), identity.sign(bytes)).map_err(broken);
    let over_manifest = by(bundle.manifest_bytes())?;
    let over_root = by(&identity.root_bytes)?;
    let front = vec![
        (
            path(manifests::format::MANIFEST_PATH.to_owned())?,
            bundle.manifest_bytes().to_vec(),
        ),
        (
            path(format!("signatures/{}.sig", id.as_str()))?,
            over_manifest.as_bytes().to_vec(),
        ),
        // By name: a key id is hexadecimal and sorts before `json`.
        (
            path(format!("trust/root.{version}.{}.sig", id.as_str()))?,
            over_root.as_bytes().to_vec(),
        ),
        (
            path(format!("trust/root.{version}.json"))?,
            identity.root_bytes.clone(),
        ),
    ];
    Ok(SignedBundle {
        unsigned: bundle,
        front,
    })
}

/// Signs a parts document.
pub(crate) fn sign_parts(bytes: &[u8], identity: &Identity) -> Result<Signature, KeyError> {
    Signature::new(identity.public.id().clone(), identity.sign(bytes))
        .map_err(|error| KeyError::Make(error.to_string()))
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

fn public_of(secret: &SigningKey) -> Result<PublicKey, KeyError> {
    let public = p256::PublicKey::from(secret.verifying_key());
    let pem = public
        .to_public_key_pem(LineEnding::LF)
        .map_err(|e| KeyError::Make(e.to_string()))?;
    PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).map_err(|e| KeyError::Make(e.to_string()))
}

/// Returns the first root document of a key: one key, 1 of 1 in both roles, every product. It
/// depends on nothing but the key.
fn first_root(public: &PublicKey) -> Result<Vec<u8>, KeyError> {
    let keys = vec![public.id().clone()];
    let document = RootDocument {
        document: ROOT_TYPE.to_owned(),
        version: 1,
        title: ROOT_TITLE.to_owned(),
        keys: vec![RootKey {
            id: public.id().clone(),
            algorithm: public.algorithm(),
            public: public.pem().to_owned(),
        }],
        root: Role {
            threshold: 1,
            keys: keys.clone(),
        },
        release: ReleaseRole {
            threshold: 1,
            keys,
            products: vec!["*".to_owned()],
        },
        revoked: Vec::new(),
    };
    canonical(&document).map_err(|e| KeyError::Make(e.to_string()))
}
