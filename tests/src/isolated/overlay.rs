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

/// A host loses its processes and never this machine's page cache, so a sync for it costs time and
/// proves nothing. Power cuts that lose unsynced data are [`crate::vm`]'s.
const NO_SYNC: &str = "volatile";

/// The place of a mount in a line of `/proc/self/mountinfo`, counted from 0.
const MOUNT_POINT: usize = 4;

const UNMOUNT_TRIES: u32 = 50;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(20);

/// A mounted overlay; dropping it unmounts.
#[derive(Debug)]
pub(super) struct Overlay {
    root: PathBuf,
}

impl Overlay {
    /// Stacks `lowers` (topmost first) under a new upper directory in `writable`, at `root`. A `real_disk`
    /// is one whose errors a sync has to report.
    pub(super) fn mount(
        lowers: &[PathBuf],
        writable: &Path,
        root: &Path,
        real_disk: bool,
    ) -> Result<Self> {
        let [upper, work] = ["upper", "work"].map(|name| writable.join(name));
        let root = root.to_owned();
        for path in [&upper, &work, &root] {
            make_dir(path)?;
        }
        let lowers: Vec<String> = lowers
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let sync = if real_disk {
            String::new()
        } else {
            format!(",{NO_SYNC}")
        };
        let options = format!(
            "lowerdir={},upperdir={},workdir={},{DIRECTORY_RENAMES}{sync}",
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
        let _ = unmount_below(&self.root);
    }
}

/// Unmounts everything at and below `top`, the last mount first; nothing being mounted is success.
/// A busy mount is detached: it is gone from the tree at once, and from the kernel when its last
/// user ends.
pub(super) fn unmount_below(top: &Path) -> Result<()> {
    let table = Path::new("/proc/self/mountinfo");
    let text = std::fs::read_to_string(table).map_err(HostError::io("read", table))?;
    // The kernel names mounts without symlinks.
    let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
    let mounts = mount_points(&text);
    let below = mounts.iter().filter(|point| point.starts_with(&top));
    below.rev().try_for_each(|point| unmount_one(point))
}

/// The places of a mount table, in the order of mounting.
fn mount_points(table: &str) -> Vec<PathBuf> {
    let places = table
        .lines()
        .filter_map(|line| line.split(' ').nth(MOUNT_POINT));
    places.map(PathBuf::from).collect()
}

fn unmount_one(point: &Path) -> Result<()> {
    for _ in 0..UNMOUNT_TRIES {
        match unmount(point, UnmountFlags::empty()) {
            Err(Errno::BUSY) => std::thread::sleep(UNMOUNT_PAUSE),
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(HostError::errno("unmount", point)(errno)),
        }
    }
    unmount(point, UnmountFlags::DETACH).map_err(HostError::errno("detach", point))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::mount_points;

    #[test]
    fn a_mount_table_gives_the_place() {
        let table = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
                     90 22 7:0 /tree-0 /hosts/a/root/opt rw,relatime - ext4 /dev/loop0 rw\n";
        assert_eq!(
            mount_points(table),
            ["/", "/hosts/a/root/opt"].map(PathBuf::from)
        );
    }
}
