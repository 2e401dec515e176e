//! Files without a name, and the names for a moment that all others have.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};
use tempfile::TempPath;

/// Makes a file without a name, or with one that goes when it is dropped: where the system or the
/// filesystem has no others, or where there would be no way to give it a name later.
pub(super) fn create(directory: &Path) -> io::Result<(File, Option<TempPath>)> {
    let nameless = if Path::new("/proc/self/fd").is_dir() {
        open_nameless(directory)
    } else {
        Err(io::ErrorKind::Unsupported.into())
    };
    match nameless {
        Ok(file) => Ok((file, None)),
        // A kernel that does not know the flag is asked to write a directory.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::IsADirectory
            ) =>
        {
            let (file, name) = names().tempfile_in(directory)?.into_parts();
            Ok((file, Some(name)))
        }
        Err(error) => Err(error),
    }
}

fn open_nameless(directory: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::TMPFILE.bits().cast_signed())
        .open(directory)
}

/// Returns a path of an open file.
pub(super) fn descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Gives a file without a name one that goes when it is dropped.
pub(super) fn name(file: &File, directory: &Path) -> io::Result<TempPath> {
    let from = descriptor(file);
    let link = |name: &Path| {
        linkat(CWD, &from, CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(io::Error::from)
    };
    Ok(names().make_in(directory, link)?.into_temp_path())
}

/// Returns how such names look.
pub(super) fn names() -> tempfile::Builder<'static, 'static> {
    let mut names = tempfile::Builder::new();
    names.prefix(".bundle-").suffix(".partial");
    names
}
