//! Backups that are sealed when their run is closed.
//!
//! While a run is open its backup is plain and readable by root alone. A revert, and a recovery
//! after a power cut, must work unattended. If a run has recipients, the backup of the closed run
//! is a single file, `backup.age`: a tar encrypted with age. An undo of that run needs the
//! identity.
//!
//! In a run's directory:
//!
//! ```text
//! seal.json     the recipients; written before the run begins
//! backup/       plain, until the run is closed
//! displaced*/   what a way back moved aside; sealed with it
//! backup.age    complete and synced before any plain byte goes
//! undone/       for an undo: the undone run's backup, unsealed; gone when the undo is closed
//! ```
//!
//! Sealing may be interrupted anywhere and repeated. `backup.age` is either complete or absent.
//! Once it is there, only the plain files have to be removed.

mod archive;
mod identity;
mod recipients;

use serde::{Deserialize, Serialize};

use crate::document::{self, Document};
use crate::failure::chain;
use crate::history;
use crate::journal::lock::RunLock;
use crate::layout::{BackupDir, Layout, RunDir};
use crate::secure_fs;

pub use identity::{Identity, IdentityError, Unlocked};
pub use recipients::{Recipients, RecipientsError};

/// The recipients of a run's backup, as stored in its directory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SealDocument {
    recipients: Vec<String>,
}

impl Document for SealDocument {
    const TYPE: &'static str = "airgap-bundle/seal/1";
}

/// How the backup of a run is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Plain, readable by root alone, and never to be sealed.
    Plain,
    /// Plain, and to be sealed when the run is closed.
    ToBeSealed,
    /// Sealed.
    Sealed,
}

/// Returns the backup that an undo run works with: unsealed in its own directory, or plain in the
/// directory of the undone run.
#[must_use]
pub fn backup_of_undone(layout: &Layout, run: u64, undone: u64) -> BackupDir {
    let unsealed = layout.run(run).unsealed();
    if unsealed.is_dir() {
        unsealed.backup()
    } else {
        layout.run(undone).backup()
    }
}

/// Records the recipients of a prepared run's backup.
pub fn record(layout: &Layout, run: u64, recipients: &Recipients) -> Result<(), String> {
    if recipients.is_empty() {
        return Ok(());
    }
    let document = SealDocument {
        recipients: recipients.names(),
    };
    document::write(&layout.run(run).recipients(), &document).map_err(|error| chain(&error))
}

/// Returns the recipients of a run's backup; there are none for a backup that stays plain.
pub fn recorded(layout: &Layout, run: u64) -> Result<Recipients, String> {
    let path = layout.run(run).recipients();
    let found = document::read_if_present::<SealDocument>(&path).map_err(|error| chain(&error))?;
    let Some(document) = found else {
        return Ok(Recipients::default());
    };
    Recipients::of_names(&document.recipients)
        .map_err(|error| format!("{}: {}", path.display(), chain(&error)))
}

/// Returns how the backup of a run is stored now.
pub fn kept(layout: &Layout, run: u64) -> Result<Kept, String> {
    Ok(if layout.run(run).sealed().exists() {
        Kept::Sealed
    } else if recorded(layout, run)?.is_empty() {
        Kept::Plain
    } else {
        Kept::ToBeSealed
    })
}

/// Removes unsealed copies that no run needs any more, and seals every closed run that has
/// recipients. Returns the failures by run. `passed` is called after every change has become
/// durable: the crash matrix kills there.
#[must_use]
pub fn settle(layout: &Layout, _lock: &RunLock, passed: &dyn Fn(&str)) -> Vec<String> {
    let ids = match history::ids(layout) {
        Ok(ids) => ids,
        Err(why) => return vec![why],
    };
    let settle = |id: u64| -> Result<(), String> {
        // A run that cannot be read stays as it is, for the installer that can read it. What should
        // be sealed and is plain is reported.
        let dir = layout.run(id);
        let run = match history::load(layout, id) {
            Err(why) if waits_for_sealing(&dir) || dir.unsealed().exists() => return Err(why),
            Err(_) => return Ok(()),
            Ok(run) => run,
        };
        if run.as_ref().is_some_and(history::PastRun::is_open) {
            return Ok(());
        }
        discard_unsealed(layout, id)?;
        passed("discarding what was unsealed");
        match run {
            Some(_) => seal(layout, id, passed),
            None => Ok(()),
        }
    };
    let trouble = |id: u64| Some(format!("run {id}: {}", settle(id).err()?));
    ids.into_iter().filter_map(trouble).collect()
}

/// Whether a run has recipients and something plain.
fn waits_for_sealing(run: &RunDir) -> bool {
    let has_plain = run.backup().exists() || !run.all_displaced().is_empty();
    has_plain && run.recipients().exists()
}

/// Whether [`settle`] has anything to do. Commands that only read ask this first.
#[must_use]
pub fn is_unsettled(layout: &Layout) -> bool {
    let waits = |id: &u64| {
        let run = layout.run(*id);
        let is_closed =
            || history::load(layout, *id).is_ok_and(|run| run.is_some_and(|run| !run.is_open()));
        run.unsealed().exists() || (waits_for_sealing(&run) && is_closed())
    };
    history::ids(layout).is_ok_and(|ids| ids.iter().any(waits))
}

/// Seals the backup of a closed run, or finishes an interrupted sealing.
fn seal(layout: &Layout, run: u64, passed: &dyn Fn(&str)) -> Result<(), String> {
    let recipients = recorded(layout, run)?;
    if recipients.is_empty() {
        return Ok(());
    }
    let dir = layout.run(run);
    let mut plain = dir.all_displaced();
    plain.push(dir.backup().to_path_buf());
    plain.retain(|path| path.exists());
    if plain.is_empty() {
        return Ok(());
    }
    let sealed = layout.run(run).sealed();
    if !sealed.exists() {
        secure_fs::write_stream(&sealed, 0o600, |file| {
            archive::write(file, &sealed, &recipients, &dir, &plain)
        })
        .map_err(|error: archive::ArchiveError| chain(&error))?;
        passed("sealing");
    }
    for tree in &plain {
        secure_fs::remove_tree(tree)
            .and_then(|()| secure_fs::sync_dir(&dir))
            .map_err(|error| chain(&error))?;
        passed("removing what is plain");
    }
    Ok(())
}

/// Writes the unlocked backup of an undone run into the directory of the run that will undo it.
pub fn unseal(layout: &Layout, run: u64, unlocked: Unlocked) -> Result<(), String> {
    discard_unsealed(layout, run)?;
    let target = layout.run(run).unsealed();
    for level in [
        layout.runs(),
        layout.run(run).to_path_buf(),
        target.to_path_buf(),
    ] {
        secure_fs::ensure_guarded(&level, 0o700).map_err(|error| chain(&error))?;
    }
    let read = archive::read(unlocked, &target).map_err(|error| chain(&error));
    if read.is_err() {
        // The first error is the one to report; the next run removes what is left.
        let _ = discard_unsealed(layout, run);
    }
    read
}

/// Passes every file of an unlocked backup to a callback. Nothing is written.
pub fn each_file(
    unlocked: Unlocked,
    take: &mut dyn FnMut(&str, &mut dyn std::io::Read) -> std::io::Result<()>,
) -> Result<(), String> {
    archive::each(unlocked, take).map_err(|error| chain(&error))
}

/// Removes the unsealed copy of a run, and its directory if that is then empty.
pub fn discard_unsealed(layout: &Layout, run: u64) -> Result<(), String> {
    let copy = layout.run(run).unsealed();
    if !copy.exists() {
        return Ok(());
    }
    let dir = layout.run(run);
    secure_fs::remove_tree(&copy)
        .and_then(|()| secure_fs::sync_dir(&dir))
        .and_then(|()| secure_fs::remove_dir_if_empty(&dir))
        .map_err(|error| chain(&error))
}

/// Opens the sealed backup of a run with an identity. Nothing is written.
pub fn unlock(layout: &Layout, run: u64, identity: &Identity) -> Result<Unlocked, IdentityError> {
    identity.unlock(&layout.run(run).sealed())
}

#[cfg(test)]
mod tests;
