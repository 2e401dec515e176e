//! Where the key and the root document are kept: the user's configuration directory.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use manifests::limits::TRUST_DOCUMENT_MAX_BYTES;
use manifests::trust::TrustRoot;
use p256::SecretKey;
use p256::ecdsa::SigningKey;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};

use super::{Identity, KeyError, first_root, public_of};
use crate::output::{self, Pending};

/// A directory with `signing-key.pem` (0600) and `root.json`.
#[derive(Debug, Clone)]
pub struct KeyStore {
    directory: PathBuf,
}

/// An identity and whether it is new.
#[derive(Debug)]
pub struct Opened {
    /// The key and its root document.
    pub identity: Identity,
    /// Whether it was made just now.
    pub created: bool,
}

impl KeyStore {
    /// Names the directory; nothing is touched yet.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Returns where the key is.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.directory.join("signing-key.pem")
    }

    /// Returns where the root document is.
    #[must_use]
    pub fn root_path(&self) -> PathBuf {
        self.directory.join("root.json")
    }

    /// Opens the identity, or makes it at first use.
    pub fn open_or_create(&self) -> Result<Opened, KeyError> {
        match self.open() {
            Ok(identity) => Ok(Opened {
                identity,
                created: false,
            }),
            Err(KeyError::None(_)) => {
                self.create()?;
                let identity = self.open()?;
                Ok(Opened {
                    identity,
                    created: true,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the identity. A missing root document is written again: it depends on the key alone.
    pub fn open(&self) -> Result<Identity, KeyError> {
        let path = self.key_path();
        let secret = read_key(&path)?;
        let public = public_of(&secret)?;
        let root_bytes = match self.read_root() {
            Ok(bytes) => bytes,
            Err(KeyError::None(_)) => {
                let bytes = first_root(&public)?;
                Pending::with_bytes(&self.root_path(), &bytes, 0o644)?.commit()?;
                bytes
            }
            Err(error) => return Err(error),
        };
        let root = parse_root(&self.root_path(), &root_bytes)?;
        let release = &root.document().release.keys;
        if !release.contains(public.id()) {
            let root = self.root_path();
            return Err(KeyError::NotInRoot { root, key: path });
        }
        Ok(Identity {
            secret,
            public,
            root_bytes,
            root,
        })
    }

    /// Reads the root document alone, for verifying.
    pub fn trust_root(&self) -> Result<TrustRoot, KeyError> {
        parse_root(&self.root_path(), &self.read_root()?)
    }

    fn read_root(&self) -> Result<Vec<u8>, KeyError> {
        read_bounded(&self.root_path())
    }

    fn create(&self) -> Result<(), KeyError> {
        output::make_private_directory(&self.directory)?;
        let secret = SecretKey::try_generate().map_err(|e| KeyError::Make(e.to_string()))?;
        let pem = secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|e| KeyError::Make(e.to_string()))?;
        Pending::with_bytes(&self.key_path(), pem.as_bytes(), 0o600)?.commit()?;
        Ok(())
    }
}

/// Reads a root document from a file.
pub(crate) fn read_root(path: &Path) -> Result<TrustRoot, KeyError> {
    parse_root(path, &read_bounded(path)?)
}

fn parse_root(path: &Path, bytes: &[u8]) -> Result<TrustRoot, KeyError> {
    TrustRoot::parse(bytes).map_err(|source| KeyError::Root {
        path: path.to_owned(),
        source,
    })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::new();
    open(path)?
        .take(TRUST_DOCUMENT_MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| unreadable(path, source))?;
    Ok(bytes)
}

fn open(path: &Path) -> Result<File, KeyError> {
    File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => KeyError::None(path.to_owned()),
        _ => unreadable(path, source),
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> KeyError {
    KeyError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn read_key(path: &Path) -> Result<SigningKey, KeyError> {
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(|source| unreadable(path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeyError::TooOpen { path, mode });
    }
    let mut pem = String::new();
    file.read_to_string(&mut pem)
        .map_err(|source| unreadable(path, source))?;
    let secret = SecretKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::NotAKey {
        path: path.to_owned(),
    })?;
    Ok(SigningKey::from(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_private_and_its_root_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().join("config/airgap-bundle"));
        assert!(matches!(store.open(), Err(KeyError::None(_))));
        let first = store.open_or_create().unwrap();
        assert!(first.created);
        let mode = std::fs::metadata(store.key_path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = store.open_or_create().unwrap();
        assert!(!again.created);
        assert_eq!(first.identity.root_bytes(), again.identity.root_bytes());
        assert_eq!(first.identity.sign(b"m"), again.identity.sign(b"m"));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().to_owned());
        store.open_or_create().unwrap();
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(store.key_path(), open).unwrap();
        assert!(matches!(
            store.open(),
            Err(KeyError::TooOpen { mode: 0o644, .. })
        ));
    }

    #[test]
    fn a_key_that_is_not_in_the_root_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let one = KeyStore::new(dir.path().join("1"));
        let two = KeyStore::new(dir.path().join("2"));
        one.open_or_create().unwrap();
        two.open_or_create().unwrap();
        std::fs::copy(one.root_path(), two.root_path()).unwrap();
        assert!(matches!(two.open(), Err(KeyError::NotInRoot { .. })));
    }
}
