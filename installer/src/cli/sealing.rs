//! Flags and failures of sealed backups.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Place, render, shown};
use crate::backup::seal::{self, Identity, IdentityError, Kept, Recipients, Unlocked};
use crate::failure::{Exit, Failure, chain};
use crate::journal::lock::RunLock;

#[derive(Debug, Args)]
pub(super) struct SealArgs {
    /// When the run is closed, seal its backup to this recipient of age (repeatable), beside those in
    /// /etc/airgap-bundle/backup-recipients.
    #[arg(long, value_name = "age1…")]
    encrypt_backups_to: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct UnsealArgs {
    /// A file of identities of age, as `age-keygen` writes it; needed if the run's backup is sealed.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[command(flatten)]
    pub(super) seal: SealArgs,
}

impl SealArgs {
    pub(super) const fn is_used(&self) -> bool {
        !self.encrypt_backups_to.is_empty()
    }

    /// Returns those of the command line and of the site.
    pub(super) fn recipients(&self, place: &Place) -> Result<Recipients, Failure> {
        let named = Recipients::of_names(&self.encrypt_backups_to).map_err(|error| {
            let next = "name the public key that `age-keygen` printed, not the secret one";
            let what = "cannot seal to a recipient of --encrypt-backups-to";
            Failure::because(Exit::Usage, what, &error, next)
        })?;
        let of_site = Recipients::of_site(&place.layout).map_err(|error| {
            let path = place.layout.backup_recipients();
            let what = format!("cannot use {}", shown(&path));
            let next =
                "make it root's, writable by root alone, with one `age1…` a line; or remove it";
            Failure::because(Exit::Refused, what, &error, next)
        })?;
        Ok(named.and(of_site))
    }
}

impl UnsealArgs {
    /// Opens the backup of a run if it is sealed. Nothing is written.
    pub(super) fn unlock(&self, place: &Place, run: u64) -> Result<Option<Unlocked>, Failure> {
        let kept = seal::kept(&place.layout, run).map_err(|why| unusable(run, &why))?;
        if kept != Kept::Sealed {
            return Ok(None);
        }
        let Some(path) = &self.identity else {
            return Err(Failure::new(
                Exit::Refused,
                format!("cannot open the backup of run {run}; nothing was changed"),
                format!("it is sealed{}", to_whom(place, run)),
                "bring the identity of one of them: --identity FILE",
            ));
        };
        let unlock = || seal::unlock(&place.layout, run, &Identity::read(path)?);
        unlock()
            .map(Some)
            .map_err(|error| refused(place, run, path, &error))
    }
}

fn refused(place: &Place, run: u64, path: &Path, error: &IdentityError) -> Failure {
    let next = match error {
        IdentityError::File(_) => "check the path of the identity",
        IdentityError::NotAnIdentity(_) => {
            "name the file that `age-keygen` wrote, with the line `AGE-SECRET-KEY-1…`"
        }
        IdentityError::Encrypted(_) => {
            "decrypt it first, into memory: `--identity <(age -d FILE)`, then name that"
        }
        IdentityError::Other { .. } => "bring the identity that it is sealed to",
        IdentityError::Damaged(_) => {
            "this run cannot be undone by itself: go back by hand, or with your own backups"
        }
    };
    let why = match error {
        IdentityError::Other { .. } => format!(
            "{} does not fit: it is sealed{}",
            shown(path),
            to_whom(place, run)
        ),
        _ => chain(error),
    };
    let what = format!("cannot open the backup of run {run}; nothing was changed");
    Failure::new(Exit::Refused, what, why, next)
}

/// ` to age1…`, as far as it is known.
fn to_whom(place: &Place, run: u64) -> String {
    let names = seal::recorded(&place.layout, run).map_or_else(|_| Vec::new(), |all| all.names());
    if names.is_empty() {
        String::new()
    } else {
        format!(" to {}", names.join(", "))
    }
}

pub(super) fn unusable(run: u64, why: &str) -> Failure {
    let what = format!("cannot use the backup of run {run}; nothing was changed");
    let next = "the backup is needed to go back; report this before you change anything";
    Failure::new(Exit::Refused, what, why, next)
}

/// Says in one line how the backup of a run is kept; nothing for one that is plain.
pub(super) fn line(place: &Place, run: u64) -> String {
    match seal::kept(&place.layout, run) {
        Ok(Kept::Plain) => String::new(),
        Ok(Kept::Sealed) => format!("  backup: sealed{}\n", to_whom(place, run)),
        Ok(Kept::ToBeSealed) => format!(
            "  backup: plain so far, to be sealed{}\n",
            to_whom(place, run)
        ),
        Err(why) => format!("  backup: {why}\n"),
    }
}

/// Seals what is to be sealed and removes unsealed copies. A trouble with it is told, and changes no
/// outcome: it is done again next time.
pub(super) fn settle(place: &Place, lock: &RunLock) {
    for why in seal::settle(&place.layout, lock, &|_| ()) {
        render::warning(&format!(
            "a backup is still plain, readable by root alone: {why}"
        ));
    }
}

/// The same from a command that only looks, if it may and nobody is at work.
pub(super) fn settle_in_passing(place: &Place) {
    if rustix::process::geteuid().is_root()
        && seal::is_unsettled(&place.layout)
        && let Ok(lock) = RunLock::take(&place.layout)
    {
        settle(place, &lock);
    }
}
