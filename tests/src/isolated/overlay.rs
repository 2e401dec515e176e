//! The writable view of a read-only image.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::cache::make_dir;
use super::error::{HostError, Result};

/// Without it, renaming a directory of the image fails with EXDEV, and so does `rpm --rebuilddb`.
const DIRECTORY_RENAMES: &str = "redirect_dir=on";

const UNMOUNT_TRIES: u32 = 50;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(20);

/// A mounted overlay; dropping it unmounts.
#[derive(Debug)]
pub(super) struct Overlay {
    root: PathBuf,
}

impl Overlay {
    /// Stacks `lowers` (topmost first) under a new upper directory in `directory`.
    pub(super) fn mount(lowers: &[PathBuf], directory: &Path) -> Result<Self> {
        let [upper, work, root] = ["upper", "work", "root"].map(|name| directory.join(name));
        for path in [&upper, &work, &root] {
            make_dir(path)?;
        }
        let lowers: Vec<String> = lowers
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let options = format!(
            "lowerdir={},upperdir={},workdir={},{DIRECTORY_RENAMES}",
            lowers.join(":"),
            upper.display(),
            work.display()
        );
        let options = CString::new(options).map_err(|error| HostError::Malformed {
            path: root.clone(),
            reason: error.to_string(),
        })?;
        mount(
            "overlay",
            &root,
            "overlay",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .map_err(HostError::errno("mount overlay on", &root))?;
        Ok(Self { root })
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = unmount_root(&self.root);
    }
}

/// Unmounts `root`; not being mounted is success. What stays busy is detached, so that it is gone
/// from the tree at once and from the kernel when its last user is.
pub(super) fn unmount_root(root: &Path) -> Result<()> {
    for _ in 0..UNMOUNT_TRIES {
        match unmount(root, UnmountFlags::empty()) {
            Err(Errno::BUSY) => std::thread::sleep(UNMOUNT_PAUSE),
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(HostError::errno("unmount", root)(errno)),
        }
    }
    unmount(root, UnmountFlags::DETACH).map_err(HostError::errno("detach", root))
}
