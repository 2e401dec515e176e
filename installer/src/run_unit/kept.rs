//! The copy of the installer that stays after a run, for `undo`: the USB stick may be gone by then,
//! and another installer may be on the next one.

use std::path::PathBuf;

use crate::layout::Layout;
use crate::secure_fs::{self, FsError, at};

/// What becomes of the copies of installers when a run is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// This program's copy stays, under a path that does not change.
    ForUndo,
    /// All of them go: no run can be undone.
    Removed,
}

/// Settles the copies, and returns the path that a person uses, if there is one.
pub fn settle(layout: &Layout, copies: Copies) -> Result<Option<PathBuf>, FsError> {
    let dir = layout.kept_installers();
    if copies == Copies::Removed {
        secure_fs::remove_tree(&dir)?;
        return Ok(None);
    }
    let own = super::copy_installer(layout)?;
    let name = own.parent().and_then(|parent| parent.file_name());
    let entries = std::fs::read_dir(&dir).map_err(at("list", &dir))?;
    for entry in entries {
        let entry = entry.map_err(at("list", &dir))?;
        let path = entry.path();
        if Some(entry.file_name().as_os_str()) == name {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            secure_fs::remove_tree(&path)?;
        } else {
            secure_fs::remove_if_present(&path)?;
        }
    }
    let link = layout.installer_for_undo();
    if let Ok(target) = own.strip_prefix(&dir) {
        secure_fs::link_to(target, &link)?;
        secure_fs::sync_parent(&link)?;
    }
    Ok(Some(link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_stays_under_a_path_that_does_not_change() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let other = layout.kept_installers().join("0123/install");
        secure_fs::ensure_dir(other.parent().unwrap(), 0o755).unwrap();
        secure_fs::write_atomic(&other, b"another one", 0o755).unwrap();
        for _ in 0..2 {
            let kept = settle(&layout, Copies::ForUndo).unwrap().unwrap();
            assert_eq!(kept, layout.installer_for_undo());
            let own = std::fs::read("/proc/self/exe").unwrap();
            assert!(std::fs::read(&kept).unwrap() == own, "it is this program");
            assert!(!other.exists());
            let entries = std::fs::read_dir(layout.kept_installers()).unwrap();
            assert_eq!(entries.count(), 2);
        }
        settle(&layout, Copies::Removed).unwrap();
        assert!(!layout.kept_installers().exists());
    }
}
