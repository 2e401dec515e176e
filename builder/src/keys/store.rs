//! Where the key and the root documents are kept: the user's configuration directory.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::limits::TRUST_DOCUMENT_MAX_BYTES;
use manifests::secret::Secret;
use manifests::trust::{RootFile, TrustRoot};

use super::key_file::generate;
use super::{FileKey, KeyError, KeyName, Secrets, Signer, Signers};
use crate::keys::roots::{Enrolled, RootChain, RootsError, first};
use crate::output::{self, Pending};

const ROOT_TITLE: &str = "airgap-bundle root made with the first build";

/// A directory with `signing-key.pem` (0600) and `trust/`, the chain of root documents.
#[derive(Debug, Clone)]
pub struct KeyStore {
    directory: PathBuf,
}

/// Who is to sign.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// These keys; with none, the one that is kept here.
    pub keys: Vec<KeyName>,
    /// No key signs.
    pub unsigned: bool,
    /// Where passphrases come from.
    pub secrets: Secrets,
}

/// Signers and whether their key is new.
#[derive(Debug)]
pub struct Opened {
    /// Who signs.
    pub signers: Signers,
    /// Whether the key was made just now.
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

    /// Returns where the root documents are.
    #[must_use]
    pub fn trust_path(&self) -> PathBuf {
        self.directory.join("trust")
    }

    /// Reads the root documents.
    pub fn chain(&self) -> Result<RootChain, RootsError> {
        RootChain::read(&self.trust_path())
    }

    /// Makes the directory of the root documents.
    pub fn make_trust(&self) -> Result<(), KeyError> {
        output::make_private_directory(&self.directory)?;
        Ok(output::make_private_directory(&self.trust_path())?)
    }

    /// Opens the signers, or makes key and root document at first use.
    pub fn open_or_create(&self, request: &Request) -> Result<Opened, KeyError> {
        if let Some(signers) = self.open_if_any(request)? {
            return Ok(Opened {
                signers,
                created: false,
            });
        }
        let created = self.create_with_root(None)?.is_some();
        let signers = self.open(request).map_err(nowhere)?;
        Ok(Opened { signers, created })
    }

    /// Opens the signers; nothing, if there is neither key nor root document and none is asked for.
    pub fn open_if_any(&self, request: &Request) -> Result<Option<Signers>, KeyError> {
        let is_first = !request.unsigned && request.keys.is_empty();
        match self.open(request) {
            Err(KeyError::None(path)) if is_first && path == self.key_path() => {
                if exists(&path) {
                    return Err(KeyError::Dangling(path));
                }
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Opens the signers. Of a key without any root document the first one is written (again): it
    /// depends on the key alone.
    pub fn open(&self, request: &Request) -> Result<Signers, KeyError> {
        let mut chain = self.chain()?;
        let (mut keys, mut is_new) = (Vec::new(), false);
        if request.unsigned {
            return Signers::new(keys, &chain);
        }
        if request.keys.is_empty() {
            let path = self.key_path();
            if !exists(&path) && !chain.is_empty() {
                return Err(KeyError::RootWithoutKey {
                    root: self.trust_path(),
                    key: path,
                });
            }
            let key = FileKey::read(&path, &request.secrets)?;
            if chain.is_empty() {
                self.write_first(&key)?;
                chain = self.chain()?;
                is_new = true;
            }
            keys.push(Signer::File(Box::new(key)));
        }
        for name in &request.keys {
            keys.push(Signer::open(name, &request.secrets)?);
        }
        let mut signers = Signers::new(keys, &chain)?;
        if is_new {
            signers.notes.push(format!(
                "there was no root document beside the key: version 1 was made, of this key alone. If \
                 there were more, restore {} from a backup",
                self.trust_path().display()
            ));
        }
        Ok(signers)
    }

    /// Returns the newest complete root document, for verifying.
    pub fn trust_root(&self) -> Result<Option<TrustRoot>, RootsError> {
        Ok(self.chain()?.newest().map(|newest| newest.root.clone()))
    }

    /// Writes version 1 of a key: 1 of 1 in both roles, every product. A process that was faster wrote the same.
    pub(crate) fn write_first(&self, key: &FileKey) -> Result<(), KeyError> {
        let public = key.public();
        let enrolled = Enrolled {
            root: vec![public.clone()],
            root_threshold: 1,
            release: vec![public.clone()],
            release_threshold: 1,
            products: vec!["*".to_owned()],
        };
        let document = first(ROOT_TITLE, &enrolled).map_err(RootsError::from)?;
        let bytes = manifests::json::canonical(&document);
        let bytes = bytes.map_err(|error| KeyError::Make(error.to_string()))?;
        self.make_trust()?;
        // The signature comes first, so that no reader finds an unsigned document.
        let id = public.id().clone();
        let signature = RootFile::Signature {
            version: 1,
            key: id,
        };
        let document = RootFile::Document { version: 1 };
        let at = |file: &RootFile| self.trust_path().join(file.to_string());
        Pending::with_bytes(&at(&signature), &key.sign(&bytes), 0o644)?.commit()?;
        Pending::with_bytes(&at(&document), &bytes, 0o644)?.commit_new()?;
        Ok(())
    }

    /// Makes the key with its first root document.
    pub(crate) fn create_with_root(
        &self,
        passphrase: Option<&Secret>,
    ) -> Result<Option<FileKey>, KeyError> {
        let key = self.create(passphrase)?;
        if let Some(key) = &key {
            self.write_first(key)?;
        }
        Ok(key)
    }

    /// Makes the key unless there is one. A key is never replaced: hosts may trust it.
    fn create(&self, passphrase: Option<&Secret>) -> Result<Option<FileKey>, KeyError> {
        output::make_private_directory(&self.directory)?;
        // In this order: another build that makes its key just now writes the root document last.
        let has_root = !self.chain()?.is_empty();
        if exists(&self.key_path()) {
            return Ok(None);
        }
        if has_root {
            let (root, key) = (self.trust_path(), self.key_path());
            return Err(KeyError::RootWithoutKey { root, key });
        }
        write_key(&self.key_path(), passphrase)
    }
}

/// Makes a key in a file of its own; nothing is made if one is there: it stays.
pub(crate) fn write_key(
    path: &Path,
    passphrase: Option<&Secret>,
) -> Result<Option<FileKey>, KeyError> {
    let (key, pem) = generate(passphrase)?;
    let made = Pending::with_bytes(path, pem.as_bytes(), 0o600)?.commit_new()?;
    Ok(made.then_some(key))
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
pub(crate) fn read_root(path: &Path) -> Result<TrustRoot, RootsError> {
    let unreadable = |source| RootsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let mut file = file.take(TRUST_DOCUMENT_MAX_BYTES);
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    TrustRoot::parse(&bytes).map_err(|source| RootsError::Document {
        path: path.to_owned(),
        source,
    })
}
