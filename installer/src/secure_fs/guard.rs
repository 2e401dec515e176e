//! Checks directories that only root (or the caller) may change.
//!
//! Anyone who can rename, replace or write names in the state or the trust directory decides what
//! root restores and trusts. So the checks cover the directory, every directory above it, and the
//! kind of its filesystem: a network or user-space filesystem can return other bytes at each
//! reading.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags, fchmod};

use super::{FsError, at, sync_parent};

/// Creates `path` and its missing parents with `mode`, independent of the umask. Then checks that
/// it is a directory of the caller's that no other user can write to.
pub fn ensure_dir(path: &Path, mode: u32) -> Result<(), FsError> {
    let mut missing = Vec::new();
    let mut cursor = Some(path);
    while let Some(dir) = cursor {
        if dir.symlink_metadata().is_ok() {
            break;
        }
        missing.push(dir);
        cursor = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    }
    for dir in missing.into_iter().rev() {
        match DirBuilder::new().mode(mode).create(dir) {
            Ok(()) => set_mode(dir, mode)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FsError::new("create directory", dir, error)),
        }
        sync_parent(dir)?;
    }
    check_own(path)
}

fn set_mode(dir: &Path, mode: u32) -> Result<(), FsError> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(dir)
        .map_err(at("open", dir))?;
    set_file_mode(&file, dir, mode)
}

/// The same for a directory on which everything depends: see [`check_guarded`].
pub fn ensure_guarded(path: &Path, mode: u32) -> Result<(), FsError> {
    ensure_dir(path, mode)?;
    check_guarded(path)
}

/// Checks a directory, all directories above it, and its filesystem. For the state and the trust
/// directory.
pub fn check_guarded(path: &Path) -> Result<(), FsError> {
    check_own(path)?;
    check_above(path)?;
    let dir = File::open(path).map_err(at("open", path))?;
    let kind =
        rustix::fs::fstatfs(&dir).map_err(|error| FsError::new("look at", path, error.into()))?;
    // The kernel's magic numbers have 32 bits, but the type of the field may be wider.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "only the low 32 bits are used"
    )]
    let magic = kind.f_type as u32;
    match foreign(magic) {
        Some(name) => Err(refuse(
            path,
            format!(
                "it is on {name}: another machine or user could change it between two readings; use a local disk"
            ),
        )),
        None => Ok(()),
    }
}

/// Checks that a path is a directory of root or the caller that no other user can write to.
pub fn check_own(path: &Path) -> Result<(), FsError> {
    let metadata = path.symlink_metadata().map_err(at("look at", path))?;
    if !metadata.is_dir() {
        return Err(refuse(
            path,
            "it is not a directory (a symlink is not followed)".to_owned(),
        ));
    }
    check_metadata(path, &metadata)
}

/// Checks the owner and the mode of an open file: its owner decides what is read from it.
pub fn check_file(file: &File, path: &Path) -> Result<(), FsError> {
    let metadata = file.metadata().map_err(at("look at", path))?;
    if !metadata.is_file() {
        return Err(refuse(path, "it is not a regular file".to_owned()));
    }
    check_metadata(path, &metadata)
}

fn check_metadata(path: &Path, metadata: &Metadata) -> Result<(), FsError> {
    if !is_ours(metadata) {
        return Err(refuse(
            path,
            format!("it belongs to another user (uid {})", metadata.uid()),
        ));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(refuse(
            path,
            "others can write to it: remove group and world write permission".to_owned(),
        ));
    }
    Ok(())
}

/// Whether root or the caller owns the file. An ordinary user trusts root, as in `install plan`;
/// root never trusts an ordinary user.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == 0 || metadata.uid() == rustix::process::geteuid().as_raw()
}

/// Checks every directory above: a user who can rename one decides what is found below it. Symlinks
/// on the path are allowed (`/var` on another disk) if they belong to root or the caller.
fn check_above(path: &Path) -> Result<(), FsError> {
    let absolute = std::path::absolute(path).map_err(at("reach", path))?;
    for above in absolute.ancestors().skip(1) {
        let metadata = above.symlink_metadata().map_err(at("look at", above))?;
        if metadata.is_symlink() && !is_ours(&metadata) {
            return Err(refuse(
                path,
                format!("{} on the way is another user's symlink", above.display()),
            ));
        }
    }
    let real = absolute.canonicalize().map_err(at("reach", path))?;
    for above in real.ancestors().skip(1) {
        let metadata = above.symlink_metadata().map_err(at("look at", above))?;
        if !is_closed(&metadata) {
            return Err(refuse(
                path,
                format!("others can change {}, which is above it", above.display()),
            ));
        }
    }
    Ok(())
}

/// Whether other users cannot rename entries of the directory. A sticky directory such as `/tmp`
/// protects the entries of each user; root's group counts as root.
fn is_closed(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    let by_group = mode & 0o020 != 0 && metadata.gid() != 0;
    let by_all = mode & 0o002 != 0;
    is_ours(metadata) && (mode & 0o1000 != 0 || !(by_group || by_all))
}

fn refuse(path: &Path, reason: String) -> FsError {
    FsError::new("use", path, io::Error::other(reason))
}

/// Names a filesystem whose bytes another machine or user can change.
const fn foreign(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x6573_5546 => "FUSE",
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => "SMB",
        0x0102_1997 => "9P",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        _ => return None,
    })
}

/// Closes new files and directories to other users, even where a mode was forgotten. Called once,
/// when the program starts.
pub fn close_to_others() {
    rustix::process::umask(Mode::from_raw_mode(0o077));
}

pub(super) fn set_file_mode(file: &File, path: &Path, mode: u32) -> Result<(), FsError> {
    fchmod(file, Mode::from_raw_mode(mode))
        .map_err(|error| FsError::new("change the mode of", path, error.into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::failure::chain;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_change_or_replace_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (above, path) = (dir.path().join("above"), dir.path().join("above/state"));
        ensure_guarded(&path, 0o700).unwrap();
        for mode in [0o720, 0o702] {
            set(&path, mode);
            assert!(chain(&check_guarded(&path).unwrap_err()).contains("others can write"));
        }
        set(&path, 0o700);
        set(&above, 0o777);
        let why = chain(&check_guarded(&path).unwrap_err());
        assert!(why.contains("above, which is above it"), "{why}");
        set(&above, 0o1777);
        check_guarded(&path).unwrap();
    }

    #[test]
    fn a_symlink_in_its_place_is_refused_and_the_administrators_on_the_way_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("real/state");
        ensure_guarded(&real, 0o700).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(chain(&check_guarded(&link).unwrap_err()).contains("a symlink is not followed"));
        let way = dir.path().join("way");
        std::os::unix::fs::symlink(dir.path().join("real"), &way).unwrap();
        check_guarded(&way.join("state")).unwrap();
    }

    #[test]
    fn another_users_directory_or_symlink_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        ensure_guarded(&path, 0o700).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        assert!(chain(&check_guarded(&path).unwrap_err()).contains("another user"));
        let real = dir.path().join("real");
        ensure_guarded(&real.join("state"), 0o700).unwrap();
        let way = dir.path().join("way");
        std::os::unix::fs::symlink(&real, &way).unwrap();
        std::os::unix::fs::lchown(&way, Some(65534), None).unwrap();
        let why = chain(&check_guarded(&way.join("state")).unwrap_err());
        assert!(why.contains("another user's symlink"), "{why}");
    }

    /// A filesystem of this machine does not match; the numbers are the kernel's (`magic.h`).
    #[test]
    fn filesystems_of_servers_and_of_users_programs_are_known_by_number() {
        for (magic, name) in [(0x6969, "NFS"), (0x6573_5546, "FUSE"), (0xFF53_4D42, "SMB")] {
            assert_eq!(foreign(magic), Some(name));
        }
        for local in [0xEF53, 0x5846_5342, 0x0102_1994, 0x794C_7630, 0x9123_683E] {
            assert_eq!(foreign(local), None);
        }
    }

    #[test]
    fn modes_are_what_they_should_be_under_every_umask() {
        let dir = tempfile::tempdir().unwrap();
        let public = dir.path().join("public");
        // The umask belongs to the whole test process: closing it further disturbs no other test.
        let before = rustix::process::umask(Mode::from_raw_mode(0o077));
        ensure_dir(&public, 0o755).unwrap();
        crate::secure_fs::write_atomic(&public.join("file"), b"x", 0o644).unwrap();
        drop(crate::secure_fs::create_new(&public.join("new"), 0o640).unwrap());
        rustix::process::umask(before);
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode(&public), 0o755);
        assert_eq!(mode(&public.join("file")), 0o644);
        assert_eq!(mode(&public.join("new")), 0o640);
    }
}
