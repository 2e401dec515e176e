//! Checks whether the rpm database can be read and who holds its lock, and repairs it.

use std::fs::File;
use std::sync::OnceLock;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::{HostError, QUERY, Rpm, VERIFY, room};
use crate::host::cmd;
use crate::secure_fs;

impl Rpm {
    /// The version of the rpm that this process works with. It is asked for once.
    pub(crate) fn version() -> Result<String, HostError> {
        static VERSION: OnceLock<String> = OnceLock::new();
        if let Some(known) = VERSION.get() {
            return Ok(known.clone());
        }
        let finished = cmd::query("rpm", &["--version"], QUERY)?.success()?;
        let last = finished
            .stdout
            .split_whitespace()
            .last()
            .unwrap_or_default();
        Ok(VERSION.get_or_init(|| last.to_owned()).clone())
    }

    /// Removes the stale environment of a Berkeley DB database (in tests this repaired 28 of 28),
    /// and rebuilds the indexes if the database still cannot be read. Only called while no process
    /// holds rpm's lock.
    pub(crate) fn heal(&self) -> Result<(), HostError> {
        let dbpath = self.dbpath()?;
        room::remove_environment(&dbpath)?;
        self.refuse_full()?;
        let readable = self.query(&["-qa", "--qf", "%{NAME}\\n"], QUERY)?;
        let is_sick = !readable.succeeded() || readable.stderr.contains("error: rpmdb");
        if is_sick {
            self.query(&["--rebuilddb"], VERIFY)?.success()?;
        }
        Ok(())
    }

    /// Asks the kernel which process holds rpm's transaction lock, without taking it.
    pub(crate) fn lock_holder(&self) -> Result<Option<String>, HostError> {
        let finished = self
            .query(&["--eval", "%{?_rpmlock_path}\n%{_dbpath}"], QUERY)?
            .success()?;
        let mut lines = finished.stdout.lines();
        let (lock, dbpath) = (
            lines.next().unwrap_or(""),
            lines.next().unwrap_or("/var/lib/rpm"),
        );
        let lock = if lock.is_empty() {
            format!("{dbpath}/.rpm.lock")
        } else {
            lock.to_owned()
        };
        let path = self.root.join(lock.trim_start_matches('/'));
        let Ok(file) = File::open(&path) else {
            return Ok(None);
        };
        let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock));
        let held = held
            .map_err(|error| secure_fs::FsError::new("ask for the lock of", &path, error.into()))?;
        Ok(held
            .and_then(|lock| lock.pid)
            .map(|pid| describe(pid.as_raw_nonzero().get())))
    }
}

fn describe(pid: i32) -> String {
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}
