//! Flags and failures of sealed backups.

use std::path::{Path, PathBuf};

use clap::Args;

use super::session::Session;
use super::{render, shown};
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
    seal: SealArgs,
}

impl SealArgs {
    pub(super) const fn is_used(&self) -> bool {
        !self.encrypt_backups_to.is_empty()
    }

    /// Returns the recipients of the command line and of the site.
    pub(super) fn recipients(&self, session: &Session) -> Result<Recipients, Failure> {
        let named = Recipients::of_names(&self.encrypt_backups_to).map_err(|error| {
            let next = "name the public key that `age-keygen` printed, not the secret one";
            let what = "cannot seal to a recipient of --encrypt-backups-to";
            Failure::because(Exit::Usage, what, &error, next)
        })?;
        let of_site = Recipients::of_site(&session.layout).map_err(|error| {
            let path = session.layout.backup_recipients();
            let what = format!("cannot use {}", shown(&path));
            let next =
                "make it root's, writable by root alone, with one `age1…` a line; or remove it";
            Failure::because(Exit::Refused, what, &error, next)
        })?;
        Ok(named.and(of_site))
    }
}

impl UnsealArgs {
    /// Returns the recipients for an undo run. They include those of the undone run, so that its
    /// backup does not become plain for good.
    pub(super) fn recipients(&self, session: &Session, run: u64) -> Result<Recipients, Failure> {
        let recorded = seal::recorded(&session.layout, run).map_err(|why| unusable(run, &why))?;
        Ok(self.seal.recipients(session)?.and(recorded))
    }

    /// Opens the backup of a run if it is sealed. Nothing is written.
    pub(super) fn unlock(&self, session: &Session, run: u64) -> Result<Option<Unlocked>, Failure> {
        let kept = seal::kept(&session.layout, run).map_err(|why| unusable(run, &why))?;
        if kept != Kept::Sealed {
            return Ok(None);
        }
        let Some(path) = &self.identity else {
            return Err(Failure::new(
                Exit::Refused,
                format!("cannot open the backup of run {run}; nothing was changed"),
                format!("it is sealed{}", to_whom(session, run)),
                "bring the identity of one of them: --identity FILE",
            ));
        };
        let unlock = || seal::unlock(&session.layout, run, &Identity::read(path)?);
        unlock()
            .map(Some)
            .map_err(|error| refused(session, run, path, &error))
    }
}

fn refused(session: &Session, run: u64, path: &Path, error: &IdentityError) -> Failure {
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
            to_whom(session, run)
        ),
        _ => chain(error),
    };
    let what = format!("cannot open the backup of run {run}; nothing was changed");
    Failure::new(Exit::Refused, what, why, next)
}

/// Returns ` to age1…` if the recipients are known.
fn to_whom(session: &Session, run: u64) -> String {
    let names = seal::recorded(&session.layout, run).map_or_else(|_| Vec::new(), |all| all.names());
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

/// Returns one line about how a run's backup is stored; empty for a plain one.
pub(super) fn line(session: &Session, run: u64) -> String {
    match seal::kept(&session.layout, run) {
        Ok(Kept::Plain) => String::new(),
        Ok(Kept::Sealed) => format!("  backup: sealed{}\n", to_whom(session, run)),
        Ok(Kept::ToBeSealed) => format!(
            "  backup: plain so far, to be sealed{}\n",
            to_whom(session, run)
        ),
        Err(why) => format!("  backup: {why}\n"),
    }
}

/// Seals closed runs and removes unsealed copies. A failure is only a warning: the next command
/// tries again.
pub(super) fn settle(session: &Session, lock: &RunLock) {
    for why in seal::settle(&session.layout, lock, &|_| ()) {
        render::warning(&format!(
            "a backup is still plain, readable by root alone: {why}"
        ));
    }
}

/// Does the same in a command that only reads, if the caller may and no run is at work.
pub(super) fn settle_in_passing(session: &Session) {
    if rustix::process::geteuid().is_root()
        && seal::is_unsettled(&session.layout)
        && let Ok(lock) = RunLock::take_in_turn(&session.layout)
    {
        settle(session, &lock);
    }
}
