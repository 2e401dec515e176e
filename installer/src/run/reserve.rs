//! Disk kept back for the way back: taken before the first effect, given up when a revert starts.

use crate::layout::Layout;
use crate::preflight::RESERVE_BYTES;
use crate::secure_fs::{self, FsError};

/// Takes the reserve. A run that cannot have it does not start.
pub(super) fn take(layout: &Layout) -> Result<(), FsError> {
    let path = layout.state().join("reserve");
    secure_fs::remove_if_present(&path)?;
    let file = secure_fs::create_new(&path, 0o600)?;
    let taken = secure_fs::reserve_space(&file, &path, RESERVE_BYTES);
    if taken.is_err() {
        free(layout);
    }
    taken
}

/// Gives it up. That it could not be given up changes nothing in what follows.
pub(super) fn free(layout: &Layout) {
    let _ = secure_fs::remove_if_present(&layout.state().join("reserve"));
}
