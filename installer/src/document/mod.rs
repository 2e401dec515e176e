//! Unsigned documents of the state directory. Installers travel with bundles, so a host has
//! documents of older and of newer installers (docs/state-directory.md).
//!
//! A document names its type and version. Within a version, fields that this installer does not
//! know are ignored. A document of a later version is neither read nor overwritten.

mod tolerant;

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secure_fs::{self, FsError};

pub(crate) use tolerant::tolerant;

/// The largest size of a document in bytes, because documents are kept in memory whole.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// A document of the state directory.
pub trait Document: Serialize + DeserializeOwned {
    /// Its type with its version, such as `airgap-bundle/plan/1`. A document without a type is of
    /// version 1.
    const TYPE: &'static str;
}

/// A document that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The document is of a later version.
    #[error(
        "{} was written by a newer installer: its format is `{found}`, and this installer knows \
         `{known}`", path.display()
    )]
    Newer {
        /// The document.
        path: PathBuf,
        /// Its type.
        found: String,
        /// The type that this installer reads.
        known: &'static str,
    },
    /// The document is of another type.
    #[error("{} is a `{found}`, and a `{known}` belongs there", path.display())]
    Other {
        /// The document.
        path: PathBuf,
        /// Its type.
        found: String,
        /// The type that belongs there.
        known: &'static str,
    },
    /// The bytes are not a document that an installer writes.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The document.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ReadError {
    /// Whether there is no such document.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::File(error) if error.is_not_found())
    }
}

/// The type that every document may begin with.
#[derive(Debug, Deserialize)]
struct Head {
    #[serde(rename = "type")]
    document: Option<String>,
}

/// How a type compares with the type that this installer knows.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    Readable,
    Newer,
    Other,
}

/// Reads a document.
pub fn read<D: Document>(path: &Path) -> Result<D, ReadError> {
    parse(path, &bytes(path)?)
}

/// Reads a document, if there is one.
pub fn read_if_present<D: Document>(path: &Path) -> Result<Option<D>, ReadError> {
    match read(path) {
        Err(error) if error.is_absent() => Ok(None),
        found => found.map(Some),
    }
}

/// Reads the bytes of a document that is stored at `path`, or will be.
pub fn parse<D: Document>(path: &Path, bytes: &[u8]) -> Result<D, ReadError> {
    check_type::<D>(path, bytes)?;
    serde_json::from_slice(bytes).map_err(|error| ReadError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Returns the bytes of a document.
pub fn to_bytes<D: Document>(document: &D) -> Result<Vec<u8>, serde_json::Error> {
    let mut value = serde_json::to_value(document)?;
    if let Value::Object(members) = &mut value {
        members.insert("type".to_owned(), D::TYPE.into());
    }
    manifests::json::canonical(&value)
}

/// Writes a document and replaces an earlier one, unless a newer installer wrote that.
pub fn write<D: Document>(path: &Path, document: &D) -> Result<(), ReadError> {
    // An earlier document with any other fault is replaced.
    let earlier = bytes(path);
    if let Ok(Err(newer @ ReadError::Newer { .. })) =
        earlier.map(|earlier| check_type::<D>(path, &earlier))
    {
        return Err(newer);
    }
    let bytes = to_bytes(document).map_err(|error| ReadError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    // What no reader takes is not written: a run that needs it would find out when it goes back.
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large("write", path));
    }
    Ok(secure_fs::write_atomic(path, &bytes, 0o600)?)
}

/// Reads the bytes of a document, within the limit.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    let file = secure_fs::open_read(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(secure_fs::at("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large("read", path));
    }
    Ok(bytes)
}

fn too_large(operation: &'static str, path: &Path) -> ReadError {
    FsError::new(operation, path, ErrorKind::FileTooLarge.into()).into()
}

fn check_type<D: Document>(path: &Path, bytes: &[u8]) -> Result<(), ReadError> {
    // Version 1 of one document is a list. The reader of the whole document reports bytes that are
    // not JSON.
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    let head = is_object.then(|| serde_json::from_slice::<Head>(bytes));
    let Some(found) = head.and_then(|head| head.ok()?.document) else {
        return Ok(());
    };
    let (path, known) = (path.to_owned(), D::TYPE);
    match fit(&found, known) {
        Fit::Readable => Ok(()),
        Fit::Newer => Err(ReadError::Newer { path, found, known }),
        Fit::Other => Err(ReadError::Other { path, found, known }),
    }
}

/// Whether a type is a later version of the known type.
pub(crate) fn is_newer(found: &str, known: &str) -> bool {
    fit(found, known) == Fit::Newer
}

fn fit(found: &str, known: &str) -> Fit {
    let parts = |text: &str| -> Option<(String, u32)> {
        let (name, version) = text.rsplit_once('/')?;
        Some((name.to_owned(), version.parse().ok()?))
    };
    match (parts(found), parts(known)) {
        (Some((found, later)), Some((known, version))) if found == known => {
            if later > version {
                Fit::Newer
            } else {
                Fit::Readable
            }
        }
        _ => Fit::Other,
    }
}

#[cfg(test)]
mod tests;
