//! Who may unseal a backup: a file of age identities, as `age-keygen` writes it.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use age::stream::StreamReader;
use age::{DecryptError, Decryptor, IdentityFile};

use crate::secure_fs::{self, FsError, at};

/// Largest file of identities.
const FILE_MAX_BYTES: u64 = 64 * 1024;
/// How a file of identities begins that is itself encrypted.
const ENCRYPTED: [&str; 2] = ["age-encryption.org/", "-----BEGIN AGE"];

/// The identities of one file.
pub struct Identity {
    path: PathBuf,
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
}

/// A sealed backup that an identity has opened.
pub struct Unlocked(pub(super) StreamReader<BufReader<File>>);

/// An identity that cannot be used, or that does not open the backup.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file is not a file of identities. The error does not quote it.
    #[error("{} holds no age identity (`AGE-SECRET-KEY-1…`)", .0.display())]
    NotAnIdentity(PathBuf),
    /// The identity file is protected by its own passphrase.
    #[error("{} is itself encrypted", .0.display())]
    Encrypted(PathBuf),
    /// The backup is sealed to other identities.
    #[error("{} is not sealed to an identity in {}", sealed.display(), identity.display())]
    Other {
        /// The sealed backup.
        sealed: PathBuf,
        /// The file of identities.
        identity: PathBuf,
    },
    /// The sealed backup was changed after it was written.
    #[error("{} is damaged", .0.display())]
    Damaged(PathBuf),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unlocked").finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads a file of identities.
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        // This does not use `open_read`, because an identity may come through a pipe or from a
        // medium with links.
        let file = File::open(path).map_err(at("open", path))?;
        let mut text = String::new();
        let read = file.take(FILE_MAX_BYTES).read_to_string(&mut text);
        let not_one = || IdentityError::NotAnIdentity(path.to_owned());
        match read {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(not_one()),
            result => result.map_err(at("read", path))?,
        };
        if ENCRYPTED.iter().any(|start| text.starts_with(start)) {
            return Err(IdentityError::Encrypted(path.to_owned()));
        }
        let parsed = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| not_one())?;
        let keys = parsed.into_identities().map_err(|_| not_one())?;
        if keys.is_empty() {
            return Err(not_one());
        }
        Ok(Self {
            path: path.to_owned(),
            keys,
        })
    }

    pub(super) fn unlock(&self, sealed: &Path) -> Result<Unlocked, IdentityError> {
        let file = secure_fs::open_read(sealed)?;
        let keys = || {
            self.keys
                .iter()
                .map(|key| key.as_ref() as &dyn age::Identity)
        };
        Decryptor::new_buffered(BufReader::new(file))
            .and_then(|decryptor| decryptor.decrypt(keys()))
            .map(Unlocked)
            .map_err(|error| match error {
                DecryptError::NoMatchingKeys => IdentityError::Other {
                    sealed: sealed.to_owned(),
                    identity: self.path.clone(),
                },
                DecryptError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    FsError::new("read", sealed, error).into()
                }
                _ => IdentityError::Damaged(sealed.to_owned()),
            })
    }
}
