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
                let created = self.create()?;
                let identity = self.open().map_err(nowhere)?;
                Ok(Opened { identity, created })
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
                // Whoever was faster wrote the same, or a document that is to be kept.
                if Pending::with_bytes(&self.root_path(), &bytes, 0o644)?.commit_new()? {
                    bytes
                } else {
                    self.read_root().map_err(nowhere)?
                }
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

    /// Makes the key unless there is one, and says whether it did. A key is never replaced: hosts
    /// may trust it.
    fn create(&self) -> Result<bool, KeyError> {
        output::make_private_directory(&self.directory)?;
        // In this order: another build that makes its key just now writes the root document last.
        let has_root = exists(&self.root_path());
        if exists(&self.key_path()) {
            return Ok(false);
        }
        if has_root {
            let (root, key) = (self.root_path(), self.key_path());
            return Err(KeyError::RootWithoutKey { root, key });
        }
        let secret = SecretKey::try_generate().map_err(|e| KeyError::Make(e.to_string()))?;
        let pem = secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|e| KeyError::Make(e.to_string()))?;
        Ok(Pending::with_bytes(&self.key_path(), pem.as_bytes(), 0o600)?.commit_new()?)
    }
}

/// Whether anything has that name, be it a link to nowhere.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// A file that has its name and cannot be opened under it.
fn nowhere(error: KeyError) -> KeyError {
    match error {
        KeyError::None(path) => KeyError::Dangling(path),
        other => other,
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

    #[test]
    fn of_several_first_builds_one_makes_the_key_and_all_use_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().to_owned());
        let opened: Vec<Opened> = std::thread::scope(|scope| {
            let open = || store.open_or_create().unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|o| o.created).count(), 1);
        let first = opened[0].identity.public().id();
        assert!(opened.iter().all(|o| o.identity.public().id() == first));
    }

    #[test]
    fn a_key_that_appears_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().to_owned());
        assert!(store.create().unwrap());
        let key = std::fs::read(store.key_path()).unwrap();
        assert!(!store.create().unwrap());
        let late = Pending::with_bytes(&store.key_path(), b"other", 0o600).unwrap();
        assert!(!late.commit_new().unwrap());
        assert_eq!(std::fs::read(store.key_path()).unwrap(), key);
    }

    #[test]
    fn a_link_to_nowhere_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().to_owned());
        let away = dir.path().join("not-mounted/key.pem");
        std::os::unix::fs::symlink(&away, store.key_path()).unwrap();
        let error = store.open_or_create().unwrap_err();
        assert!(matches!(error, KeyError::Dangling(_)), "{error}");
        assert_eq!(std::fs::read_link(store.key_path()).unwrap(), away);
    }

    #[test]
    fn a_root_document_without_its_key_gets_no_new_key() {
        let dir = tempfile::tempdir().unwrap();
        let made = KeyStore::new(dir.path().join("made"));
        let root = made.open_or_create().unwrap().identity.root_bytes;
        let store = KeyStore::new(dir.path().join("restored"));
        output::make_private_directory(&dir.path().join("restored")).unwrap();
        let pending = Pending::with_bytes(&store.root_path(), &root, 0o644).unwrap();
        pending.commit().unwrap();
        let error = store.open_or_create().unwrap_err();
        assert!(matches!(error, KeyError::RootWithoutKey { .. }), "{error}");
        assert!(error.explain().next.contains("backup"));
        assert!(!store.key_path().exists());
    }
}
