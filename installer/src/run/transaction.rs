//! One rpm transaction, and the wait for its lock.

use std::fs::File;
use std::time::Duration;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Context;
use super::error::StepError;
use crate::bundle::StagedRpmSet;
use crate::event::Event;
use crate::host::{Erasure, RpmAnswer, RpmMode, cmd, query};
use crate::secure_fs::{self, FsError};

/// Who holds the lock that our rpms inherit.
const OURS: &str = "an rpm that an earlier run started";

impl Context<'_> {
    /// Waits until no rpm is at work, with a bound; who holds it up is named, never ended. An rpm that
    /// outlived its installer takes rpm's lock only after it has read and tested its packages: until
    /// then the lock that it inherited from us shows that it is there.
    pub(crate) fn wait_for_rpm(&self) -> Result<(), StepError> {
        let mut waited = 0;
        loop {
            let Some(holder) = self.rpm_at_work()? else {
                return Ok(());
            };
            if waited >= self.lock_wait_secs {
                return Err(StepError::RpmBusy {
                    holder,
                    waited_secs: waited,
                });
            }
            if waited % 5 == 0 {
                (self.listener)(&Event::Waiting {
                    what: format!("rpm's lock, held by {holder}"),
                });
            }
            self.host.sleep(Duration::from_secs(1));
            waited += 1;
        }
    }

    fn rpm_at_work(&self) -> Result<Option<String>, StepError> {
        let holder = self.host.rpm_lock_holder()?;
        if holder.is_some() {
            return Ok(holder);
        }
        let is_free = self.mark_rpm()?.is_some();
        Ok((!is_free).then(|| OURS.to_owned()))
    }

    /// Opens the file whose lock an rpm of ours inherits: as long as it runs, even without us, the
    /// lock is held, and there is nothing to return.
    fn mark_rpm(&self) -> Result<Option<File>, StepError> {
        let path = self.layout.state().join("rpm-at-work");
        let file = secure_fs::open_lock(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(FsError::new("lock", &path, error.into()).into()),
        }
    }

    /// Hands a set to rpm. Whether it worked is for the check.
    pub(super) fn transact(
        &self,
        digests: &[Sha256],
        mode: RpmMode,
        log: &File,
    ) -> Result<Answer, StepError> {
        if digests.is_empty() {
            return Ok(Answer::Fine);
        }
        let answer = self.alone(|mark| {
            let set = StagedRpmSet::reopen(self.layout, digests)?;
            Ok(self.host.rpm_upgrade(&set, mode, log, mark)?)
        })?;
        Ok(Answer::of(&answer))
    }

    /// Has rpm remove packages, and returns what it says.
    pub(super) fn erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &File,
    ) -> Result<RpmAnswer, StepError> {
        self.alone(|mark| Ok(self.host.rpm_erase(packages, how, log, mark)?))
    }

    /// Runs a transaction that no other is beside, and makes the host fit to be looked at after it.
    fn alone(
        &self,
        transaction: impl FnOnce(&File) -> Result<RpmAnswer, StepError>,
    ) -> Result<RpmAnswer, StepError> {
        self.wait_for_rpm()?;
        let still = || StepError::Rejected(format!("{OURS} is still at work"));
        let mark = self.mark_rpm()?.ok_or_else(still)?;
        let answer = transaction(&mark)?;
        // From here on only an rpm that goes on without us holds it.
        drop(mark);
        if answer.code != Some(0) {
            self.heal_rpmdb()?;
        }
        self.sync_touched()?;
        Ok(answer)
    }

    /// Makes rpm's database readable again. On Berkeley DB, locks of a killed rpm stay in files beside
    /// it, and the next rpm is refused or waits for ever.
    pub(super) fn heal_rpmdb(&self) -> Result<(), StepError> {
        self.wait_for_rpm()?;
        Ok(self.host.heal_rpmdb()?)
    }

    /// rpm does not sync what it unpacks (before 4.16 not even at its end).
    fn sync_touched(&self) -> Result<(), StepError> {
        let mut places: Vec<String> = vec!["/var".to_owned(), "/etc".to_owned(), "/usr".to_owned()];
        places.extend(self.plan.directories());
        for place in places {
            let path = self.layout.at(&place);
            if path.exists() {
                secure_fs::sync_filesystem(&path)?;
            }
        }
        Ok(())
    }
}

/// What rpm says about a transaction. Its exit is not the truth about the host; the check is.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Answer {
    Fine,
    /// A scriptlet failed, although rpm may exit with 0, or rpm itself did.
    Complaint(String),
}

impl Answer {
    pub(super) fn of(answer: &RpmAnswer) -> Self {
        let failures = query::scriptlet_failures(&answer.output);
        let tail = cmd::tail(&answer.output, 5);
        match answer.code {
            _ if !failures.is_empty() => {
                Self::Complaint(format!("a scriptlet failed: {}", failures.join("; ")))
            }
            Some(0) => Self::Fine,
            Some(code) => Self::Complaint(format!("rpm exits with {code}: {tail}")),
            None => Self::Complaint(format!("rpm was ended by a signal: {tail}")),
        }
    }

    /// Returns what rpm complains about, if it does.
    pub(super) fn complaint(self) -> Option<String> {
        match self {
            Self::Fine => None,
            Self::Complaint(text) => Some(text),
        }
    }
}
