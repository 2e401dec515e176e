//! One rpm transaction, and the wait for its lock.

use std::fs::File;
use std::time::Duration;

use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Context, StepResult};
use crate::bundle::StagedRpmSet;
use crate::event::Event;
use crate::failure::chain;
use crate::host::{Erasure, RpmAnswer, RpmMode, cmd, query};
use crate::secure_fs::{self, FsError};

/// Who holds the lock that our rpms inherit.
const OURS: &str = "an rpm that an earlier run started";

impl Context<'_> {
    /// Waits until no rpm is at work, with a bound; who holds it up is named, never ended. An rpm that
    /// outlived its installer takes rpm's lock only after it has read and tested its packages: until
    /// then the lock that it inherited from us tells of it.
    pub(crate) fn wait_for_rpm(&self) -> Result<(), String> {
        let mut waited = 0;
        loop {
            let Some(holder) = self.rpm_at_work()? else {
                return Ok(());
            };
            if waited >= self.lock_wait_secs {
                return Err(format!(
                    "rpm's database is locked by {holder} (waited {waited} s)"
                ));
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

    fn rpm_at_work(&self) -> Result<Option<String>, String> {
        let holder = self.host.rpm_lock_holder().map_err(|error| chain(&error))?;
        if holder.is_some() {
            return Ok(holder);
        }
        let is_free = self.mark_rpm()?.is_some();
        Ok((!is_free).then(|| OURS.to_owned()))
    }

    /// Opens the file whose lock an rpm of ours inherits: as long as it runs, even without us, the
    /// lock is held, and there is nothing to return.
    fn mark_rpm(&self) -> Result<Option<File>, String> {
        let path = self.layout.state().join("rpm-at-work");
        let file = secure_fs::open_lock(&path).map_err(|error| chain(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(chain(&FsError::new("lock", &path, error.into()))),
        }
    }

    /// Hands a set to rpm and returns what rpm complains about. Whether it worked is for the check.
    pub(super) fn transact(&self, digests: &[Sha256], mode: RpmMode, log: &File) -> StepResult {
        if digests.is_empty() {
            return Ok(String::new());
        }
        let answer = self.alone(|mark| {
            let set = StagedRpmSet::reopen(self.layout, digests).map_err(|error| chain(&error))?;
            let answer = self.host.rpm_upgrade(&set, mode, log, mark);
            answer.map_err(|error| chain(&error))
        })?;
        Ok(complaints(&answer))
    }

    /// Has rpm remove packages, and returns what it says.
    pub(super) fn erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &File,
    ) -> Result<RpmAnswer, String> {
        self.alone(|mark| {
            let answer = self.host.rpm_erase(packages, how, log, mark);
            answer.map_err(|error| chain(&error))
        })
    }

    /// Runs a transaction that no other is beside, and makes the host fit to be looked at after it.
    fn alone(
        &self,
        transaction: impl FnOnce(&File) -> Result<RpmAnswer, String>,
    ) -> Result<RpmAnswer, String> {
        self.wait_for_rpm()?;
        let mark = self.mark_rpm()?;
        let mark = mark.ok_or_else(|| format!("{OURS} is still at work"))?;
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
    /// it, and whoever comes next is refused or waits for ever.
    pub(super) fn heal_rpmdb(&self) -> Result<(), String> {
        self.wait_for_rpm()?;
        self.host.heal_rpmdb().map_err(|error| chain(&error))
    }

    /// rpm does not sync what it unpacks (before 4.16 not even at its end).
    fn sync_touched(&self) -> Result<(), String> {
        let mut places: Vec<String> = vec!["/var".to_owned(), "/etc".to_owned(), "/usr".to_owned()];
        places.extend(self.plan.directories());
        for place in places {
            let path = self.layout.at(&place);
            if path.exists() {
                secure_fs::sync_filesystem(&path).map_err(|error| chain(&error))?;
            }
        }
        Ok(())
    }
}

/// Returns what rpm complained about: a scriptlet that failed although it exits with 0, or its exit.
pub(super) fn complaints(answer: &RpmAnswer) -> String {
    let failures = query::scriptlet_failures(&answer.output);
    if !failures.is_empty() {
        return format!("a scriptlet failed: {}", failures.join("; "));
    }
    let tail = cmd::tail(&answer.output, 5);
    match answer.code {
        Some(0) => String::new(),
        Some(code) => format!("rpm exits with {code}: {tail}"),
        None => format!("rpm was ended by a signal: {tail}"),
    }
}
