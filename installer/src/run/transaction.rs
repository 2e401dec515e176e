//! Runs one rpm transaction at a time and waits for rpm's lock.

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

/// The holder of the lock that our rpms inherit.
const OURS: &str = "an rpm that an earlier run started";

impl Context<'_> {
    /// Waits until no rpm runs, up to a limit, or until the run is told to stop. The error names the holder, which is never killed.
    /// An rpm that outlived its installer takes rpm's lock only after it has read and tested its
    /// packages. Until then the lock that it inherited from us shows that it runs.
    pub(crate) fn wait_for_rpm(&self) -> Result<(), StepError> {
        let mut waited = 0;
        loop {
            let Some(holder) = self.rpm_at_work()? else {
                return Ok(());
            };
            // A shutdown waits for this process.
            if (self.stopped)() {
                return Err(StepError::Stopped);
            }
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

    /// Opens and locks the file that our rpms inherit. Returns nothing while such an rpm runs: it
    /// holds the lock even after its installer ended.
    fn mark_rpm(&self) -> Result<Option<File>, StepError> {
        let path = self.layout.state().join("rpm-at-work");
        let file = secure_fs::open_lock(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(FsError::new("lock", &path, error.into()).into()),
        }
    }

    /// Hands a set to rpm. The check decides whether it worked.
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

    /// Lets rpm remove packages and returns its answer.
    pub(super) fn erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &File,
    ) -> Result<RpmAnswer, StepError> {
        self.alone(|mark| Ok(self.host.rpm_erase(packages, how, log, mark)?))
    }

    /// Runs a transaction while no other one runs, then repairs and syncs the host so that it can
    /// be checked.
    fn alone(
        &self,
        transaction: impl FnOnce(&File) -> Result<RpmAnswer, StepError>,
    ) -> Result<RpmAnswer, StepError> {
        self.wait_for_rpm()?;
        let still = || StepError::Rejected(format!("{OURS} is still at work"));
        let mark = self.mark_rpm()?.ok_or_else(still)?;
        let answer = transaction(&mark)?;
        // From here on only an rpm that outlives us holds the lock.
        drop(mark);
        if answer.code != Some(0) {
            self.heal_rpmdb()?;
        }
        self.sync_touched()?;
        Ok(answer)
    }

    /// Makes rpm's database readable again. On Berkeley DB the locks of a killed rpm stay in files
    /// beside it, and the next rpm fails or waits for ever.
    pub(super) fn heal_rpmdb(&self) -> Result<(), StepError> {
        self.wait_for_rpm()?;
        Ok(self.host.heal_rpmdb()?)
    }

    /// Syncs what rpm unpacked, because rpm does not (before 4.16 not even at its end).
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

/// rpm's answer to a transaction. The check decides what the host is, not rpm's exit code.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Answer {
    Fine,
    /// A scriptlet failed (rpm may still exit with 0), or rpm itself failed.
    Complaint(String),
}

impl Answer {
    pub(super) fn of(answer: &RpmAnswer) -> Self {
        let failures = query::scriptlet_failures(&answer.output);
        let tail = cmd::tail(&answer.output, 5);
        match answer.code {
            _ if !failures.is_empty() => {
                let mut text = format!("a scriptlet failed: {}", failures.join("; "));
                let said = query::said_before(&answer.output, &failures[0]);
                if !said.is_empty() {
                    text += &format!("; it printed: {}", said.join(" / "));
                }
                if failures[0].contains("%post") {
                    text += ". Its services are held meanwhile: a scriptlet that waits for its own service \
                             needs `hold = \"none\"` in the product manifest";
                }
                Self::Complaint(text)
            }
            Some(0) => Self::Fine,
            Some(code) => Self::Complaint(format!("rpm exits with {code}: {tail}")),
            None => Self::Complaint(format!("rpm was ended by a signal: {tail}")),
        }
    }

    /// Returns rpm's complaint, if there is one.
    pub(super) fn complaint(self) -> Option<String> {
        match self {
            Self::Fine => None,
            Self::Complaint(text) => Some(text),
        }
    }
}
