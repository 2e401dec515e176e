//! How rpm, systemd, services and people touch the fake host's disk, unlike the installer: they do
//! not sync, and they bypass the gate.
#![expect(
    clippy::disallowed_methods,
    reason = "the fake rpm and the fake services write as the real ones do"
)]

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Writes a file with its directories.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32, mtime: Duration) {
    make_parent(path);
    write_in_place(path, content, mode, mtime);
}

/// Writes a file whose directory is there.
pub(crate) fn write_in_place(path: &Path, content: &[u8], mode: u32, mtime: Duration) {
    let mut file = File::create(path).expect("the temporary directory is writable");
    file.write_all(content)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| file.set_modified(UNIX_EPOCH + mtime))
        .expect("the file is ours");
}

/// Rewrites an existing file, as a service writes its own configuration.
pub(crate) fn rewrite(path: &Path, content: &[u8], mtime: Duration) {
    fs::write(path, content).expect("the temporary directory is writable");
    set_mtime(path, mtime);
}

fn set_mtime(path: &Path, mtime: Duration) {
    let file = File::options()
        .write(true)
        .open(path)
        .expect("just written");
    file.set_modified(UNIX_EPOCH + mtime)
        .expect("the file is ours");
}

pub(crate) fn make_dir(path: &Path) {
    fs::create_dir_all(path).expect("the temporary directory is writable");
}

pub(crate) fn make_parent(path: &Path) {
    make_dir(path.parent().expect("below the root"));
}

pub(crate) fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

pub(crate) fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).expect("both are in the same directory");
}

/// Truncates a file whose blocks never reached the disk.
pub(crate) fn lose(path: &Path) {
    if path.is_file() {
        let file = File::options().write(true).open(path);
        file.and_then(|file| file.set_len(0))
            .expect("the file is ours");
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", path.display()),
        _ => {}
    }
}

/// Removes a file, and the directory it was alone in.
pub(crate) fn remove_with_parent(path: &Path) {
    remove(path);
    // The removal fails when other files are in the directory. That is intended.
    let _ = fs::remove_dir(path.parent().expect("below the root"));
}

pub(crate) fn symlink(target: &str, path: &Path) {
    make_parent(path);
    remove(path);
    std::os::unix::fs::symlink(target, path).expect("the temporary directory is writable");
}

/// Empties a directory, as a boot does with `/run`.
pub(crate) fn empty(path: &Path) {
    fs::remove_dir_all(path).expect("the temporary directory is writable");
    make_dir(path);
}

/// Returns the names in a directory, sorted; none if it is not there.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
