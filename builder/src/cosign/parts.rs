//! Adding signatures to the list of a split bundle. The bundle in the parts must be complete: its
//! signatures are among the bytes that the list fixes.

use std::path::{Path, PathBuf};

use manifests::parts::{PartsDocument, PartsError, signature_name};
use manifests::reader::ReadError;
use manifests::trust::{TrustRoot, VerifyError};

use super::Standing;
use crate::archive::ArchiveError;
use crate::event::Observer;
use crate::explain::Error;
use crate::keys::Signer;
use crate::output::Pending;
use crate::parts::{Passed, pass_unsigned};

/// A list whose parts and bundle are whole.
#[derive(Debug)]
pub struct OfferedParts {
    path: PathBuf,
    bytes: Vec<u8>,
    document: PartsDocument,
    signatures: Standing,
    passed: Passed,
}

impl OfferedParts {
    /// Returns the bundle in the parts.
    #[must_use]
    pub const fn passed(&self) -> &Passed {
        &self.passed
    }

    /// Returns who has signed the list.
    #[must_use]
    pub const fn signatures(&self) -> &Standing {
        &self.signatures
    }
}

/// Reads the parts of a list and the bundle in them.
pub fn examine_parts(
    path: &Path,
    parts_dirs: &[PathBuf],
    roots: &[TrustRoot],
    observer: &dyn Observer,
) -> Result<OfferedParts, Error> {
    let root = roots.first().cloned();
    let root = root.ok_or_else(|| refused(ReadError::Untrusted(VerifyError::NoTrustRoot)))?;
    let (list, passed) = pass_unsigned(path, parts_dirs, roots, observer)?;
    let product = &list.document.product;
    let signatures = Standing::of(&list.bytes, &list.signatures, root, product);
    let signatures = signatures.map_err(|error| {
        refused(ReadError::PartsList {
            path: path.to_owned(),
            fault: PartsError::Untrusted(error),
        })
    })?;
    Ok(OfferedParts {
        path: path.to_owned(),
        bytes: list.bytes,
        document: list.document,
        signatures,
        passed,
    })
}

const fn refused(error: ReadError) -> ArchiveError {
    ArchiveError::Refused(error)
}

/// Signs the list, and returns the new files beside it.
pub fn sign_parts(
    offered: OfferedParts,
    signers: &[Signer],
) -> Result<(Standing, Vec<PathBuf>), Error> {
    let OfferedParts {
        path,
        bytes,
        document,
        mut signatures,
        ..
    } = offered;
    signatures.check(signers)?;
    signatures.add(&bytes, signers)?;
    let mut written = Vec::new();
    for signer in signers {
        let id = signer.public().id();
        let made = signatures
            .kept
            .iter()
            .find(|signature| signature.key_id() == id);
        let beside = path.with_file_name(signature_name(&document.bundle, id));
        if let Some(signature) = made {
            Pending::with_bytes(&beside, signature.as_bytes(), 0o644)?.commit()?;
            written.push(beside);
        }
    }
    Ok((signatures, written))
}
