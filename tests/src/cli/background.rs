//! Starts this program again, detached: a supervisor that outlives the command.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab starts its own supervisors"
)]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use lab::isolated::cache;

/// A supervisor that is coming up.
pub(super) struct Supervisor {
    child: Child,
    log: PathBuf,
}

impl Supervisor {
    /// Runs `lab ARGS` in a session of its own; what it prints goes to a log in the cache.
    pub(super) fn start(name: &str, args: &[String]) -> Result<Self> {
        cache::prepare_directory()?;
        let log = log_file(name);
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new("setsid")
            .arg(std::env::current_exe().context("cannot find this program")?)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot start a supervisor")?;
        Ok(Self { child, log })
    }

    /// Removes the log of a supervisor that ended well.
    pub(super) fn forget(name: &str) {
        let _ = fs::remove_file(log_file(name));
    }

    /// Fails with the supervisor's own words once it is gone.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("the supervisor ended with {status}: {}", said.trim())
            }
        }
    }
}

fn log_file(name: &str) -> PathBuf {
    cache::directory().join(format!("{name}.log"))
}
