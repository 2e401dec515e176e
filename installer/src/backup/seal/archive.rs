//! The sealed file is an uncompressed tar of a run's backup, encrypted with age. It is written and
//! read as a stream.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use age::Encryptor;
use manifests::digest::Sha256;
use tar::{Archive, Builder, EntryType, Header};
use walkdir::WalkDir;

use super::{Recipients, Unlocked};
use crate::layout::{BackupDir, RunDir};
use crate::secure_fs::{self, FsError, at};
use crate::stores::record::is_name;

/// A backup that cannot be sealed or unsealed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A tree cannot be listed.
    #[error("cannot list {}", path.display())]
    Walk {
        path: PathBuf,
        source: walkdir::Error,
    },
    /// age refuses the recipients.
    #[error("cannot seal to the recipients: {0}")]
    Recipients(String),
    /// The decrypted archive is not one that an installer wrote.
    #[error("the sealed backup is damaged: {0}")]
    Damaged(String),
}

/// Writes the trees `plain` of `dir`, sealed, into an open file.
pub(super) fn write(
    file: &File,
    path: &Path,
    recipients: &Recipients,
    dir: &Path,
    plain: &[PathBuf],
) -> Result<(), ArchiveError> {
    let encryptor = Encryptor::with_recipients(recipients.iter())
        .map_err(|error| ArchiveError::Recipients(error.to_string()))?;
    let failed = || at("write", path);
    let sealed = encryptor
        .wrap_output(BufWriter::new(file))
        .map_err(failed())?;
    let mut archive = Builder::new(sealed);
    for tree in plain {
        for found in WalkDir::new(tree).sort_by_file_name() {
            let found = found.map_err(|source| ArchiveError::Walk {
                path: tree.clone(),
                source,
            })?;
            append(&mut archive, dir, found.path())?;
        }
    }
    archive
        .into_inner()
        .and_then(age::stream::StreamWriter::finish)
        .and_then(|mut out| out.flush())
        .map_err(failed())?;
    Ok(())
}

/// Adds one path with its owner, mode and time. Sockets, pipes and devices have no content to keep.
fn append<W: Write>(archive: &mut Builder<W>, dir: &Path, path: &Path) -> Result<(), FsError> {
    let metadata = path.symlink_metadata().map_err(at("look at", path))?;
    let name = path.strip_prefix(dir).unwrap_or(path);
    let kind = metadata.file_type();
    let mut header = header(&metadata);
    let added = if kind.is_file() {
        let file = secure_fs::open_read(path)?;
        // Exactly as many bytes as the header states, even if the file changes meanwhile.
        archive.append_data(&mut header, name, file.take(metadata.len()))
    } else if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        archive.append_data(&mut header, name, io::empty())
    } else if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        let target = std::fs::read_link(path).map_err(at("read the symlink", path))?;
        archive.append_link(&mut header, name, target)
    } else {
        Ok(())
    };
    added.map_err(at("seal", path))
}

fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata(metadata);
    if !metadata.is_file() {
        header.set_size(0);
    }
    header
}

/// Writes the backup into a directory of this installer, without the displaced files. The contents
/// are checked when they are loaded, because their names are their digests.
pub(super) fn read(unlocked: Unlocked, target: &RunDir) -> Result<(), ArchiveError> {
    let damaged = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ArchiveError::File(FsError::new("write to", target, error))
        }
        _ => ArchiveError::Damaged(error.to_string()),
    };
    let levels = target.backup().levels();
    for level in &levels {
        secure_fs::ensure_dir(level, 0o700)?;
    }
    let mut archive = Archive::new(unlocked.0);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        if entry.header().entry_type() != EntryType::Regular {
            continue;
        }
        let name = entry.path().map_err(damaged)?.into_owned();
        if let Some(name) = place(&name)? {
            let path = target.join(name);
            if let Some(dir) = path.parent() {
                secure_fs::ensure_dir(dir, 0o700)?;
            }
            let mut out = secure_fs::create_new(&path, 0o600)?;
            io::copy(&mut entry, &mut out).map_err(damaged)?;
            out.sync_all().map_err(at("sync", &path))?;
            secure_fs::sync_parent(&path)?;
        }
    }
    // The seal covers the end too, so reading to the end finds a file that was cut short.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    // Sync the names too, because a recovery of the undo depends on them.
    for level in levels.iter().rev() {
        secure_fs::sync_dir(level)?;
    }
    secure_fs::sync_dir(target)?;
    Ok(secure_fs::sync_parent(target)?)
}

/// Passes every file of a backup to a callback, by its name below `backup/`.
pub(super) fn each(
    unlocked: Unlocked,
    take: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> Result<(), ArchiveError> {
    let damaged = |error: io::Error| ArchiveError::Damaged(error.to_string());
    let mut archive = Archive::new(unlocked.0);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        if entry.header().entry_type() == EntryType::Regular
            && let Some(name) = place(&name)?
            && let Some(name) = name
                .to_str()
                .and_then(|name| name.strip_prefix(BackupDir::PREFIX))
        {
            take(name, &mut entry).map_err(damaged)?;
        }
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(())
}

/// Returns where a name of the archive belongs; `None` for displaced files. Any other name is an
/// error, because no installer writes one.
fn place(name: &Path) -> Result<Option<PathBuf>, ArchiveError> {
    let parts: Option<Vec<&str>> = name
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    // Only a displaced file can have a name that is not UTF-8.
    if RunDir::is_displaced(&name.to_string_lossy()) {
        return Ok(None);
    }
    let here = || Some(name.to_owned());
    match parts.as_deref().and_then(BackupDir::below) {
        Some([document]) if BackupDir::is_document(document) => Ok(here()),
        Some([pending]) if pending.starts_with('.') => Ok(None),
        Some([BackupDir::BLOBS, blob]) if blob.parse::<Sha256>().is_ok() => Ok(here()),
        // An unfinished copy belongs to no document.
        Some([BackupDir::BLOBS, _]) => Ok(None),
        Some([dir, store, part])
            if BackupDir::DUMPS.contains(dir) && is_name(store) && is_name(part) =>
        {
            // An unfinished dump is left out too.
            Ok(here().filter(|_| !part.ends_with(".partial")))
        }
        _ => Err(ArchiveError::Damaged(format!(
            "it holds {}, which does not belong in a backup",
            name.display()
        ))),
    }
}
