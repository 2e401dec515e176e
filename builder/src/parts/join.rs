//! From parts to one file.

use std::path::{Path, PathBuf};

use manifests::trust::TrustRoot;

use super::{CarryError, Passed, pass};
use crate::archive::Nothing;
use crate::event::Observer;
use crate::output::Pending;

/// Writes the parts as one file. It gets its name when every part, the whole file and the bundle in
/// it are verified, and only if nothing has that name.
pub fn join(
    document: &Path,
    parts_dirs: &[PathBuf],
    roots: &[TrustRoot],
    out: &Path,
    observer: &dyn Observer,
) -> Result<Passed, CarryError> {
    if out.symlink_metadata().is_ok() {
        return Err(CarryError::Exists(out.to_owned()));
    }
    let mut whole = Pending::begin(out, 0o644)?;
    let (file, visitor) = (whole.file_mut(), &mut Nothing);
    let passed = pass(document, parts_dirs, roots, file, visitor, observer)?;
    if whole.commit_new()? {
        Ok(passed)
    } else {
        Err(CarryError::Exists(out.to_owned()))
    }
}
