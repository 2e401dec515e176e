//! Where images, layers and running hosts live: outside every source tree.
//!
//! ```text
//! image-<key>/            the root made by debootstrap, read-only once complete
//! layer-<name>-<key>/     an upper directory, stacked on an image
//! hosts/<id>/             one booted host: upper, work, root (the mount), console.log, record.json
//! *.lock                  held while the thing of that name is made
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps a cache of real files and directories"
)]

use std::fmt::Write;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{HostError, Result};

const CACHE_ENV: &str = "AIRGAP_LAB_CACHE";
const DEFAULT_CACHE: &str = "/var/cache/airgap-bundle-lab";
const PRIVATE: u32 = 0o700;
const KEY_CHARS: usize = 16;

/// The cache directory of isolated hosts: `$AIRGAP_LAB_CACHE/host`.
#[must_use]
pub fn directory() -> PathBuf {
    let cache =
        std::env::var_os(CACHE_ENV).map_or_else(|| PathBuf::from(DEFAULT_CACHE), PathBuf::from);
    std::path::absolute(&cache).unwrap_or(cache).join("host")
}

/// Makes the cache directory, closed to others: it holds roots with set-user-id programs.
pub fn prepare_directory() -> Result<PathBuf> {
    let directory = directory();
    make_dir(&directory)?;
    fs::set_permissions(&directory, Permissions::from_mode(PRIVATE))
        .map_err(HostError::io("close", &directory))?;
    Ok(directory)
}

pub(super) fn hosts_directory() -> PathBuf {
    directory().join("hosts")
}

/// Digests the ingredients of something cached. Each part is length-prefixed, so that no two lists
/// of parts share a key.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut hex = hex(&hasher.finalize());
    hex.truncate(KEY_CHARS);
    hex
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(HostError::io("make directory", path))
}

pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HostError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, content).map_err(HostError::io("write", path))
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(HostError::io("rename into place", to))
}

/// Holds the lock named `name` until dropped; waits for another holder.
pub(super) fn lock(name: &str) -> Result<File> {
    let path = prepare_directory()?.join(format!("{name}.lock"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(HostError::io("open", &path))?;
    file.lock().map_err(HostError::io("lock", &path))?;
    Ok(file)
}

/// Makes the directory `name` by `fill`, once: others wait, and a failed or killed attempt leaves
/// nothing under that name.
pub(crate) fn directory_once(
    name: &str,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let complete = directory().join(name);
    let _lock = lock(name)?;
    if complete.is_dir() {
        return Ok(complete);
    }
    let partial = directory().join(format!("{name}.partial"));
    remove_tree(&partial)?;
    make_dir(&partial)?;
    if let Err(error) = fill(&partial) {
        remove_tree(&partial)?;
        return Err(error);
    }
    rename(&partial, &complete)?;
    Ok(complete)
}

/// Removes what [`directory_once`] made, and its lock. No other process may be making it meanwhile.
pub(crate) fn remove_directory(complete: &Path) -> Result<()> {
    remove_tree(complete)?;
    let lock = complete.with_added_extension("lock");
    fs::remove_file(&lock).map_err(HostError::io("remove", &lock))
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn different_lists_of_parts_have_different_keys() {
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        assert_ne!(key(&["ab", ""]), key(&["a", "b"]));
        assert_eq!(key(&[]).len(), 16);
    }
}
