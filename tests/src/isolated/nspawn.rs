//! One run of `systemd-nspawn`, from power-on to power-off.

#![expect(clippy::disallowed_methods, reason = "the lab starts systemd-nspawn")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::cgroup::Cgroup;
use super::error::{HostError, Result};
use super::process::{ProcessId, leads_a_namespace_below, wake_stopped_children};

const INIT_DEADLINE: Duration = Duration::from_mins(1);
const KILL_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
/// A child that stops itself is woken after this long at most: two calls of the kernel each time.
const STOPPED_AT_MOST: Duration = Duration::from_millis(200);

/// What nspawn exits with, under `--keep-unit`, when the host asked for a reboot.
const REBOOT_CODE: i32 = 133;

/// Enters the cgroups named before `--`, then becomes the program named after it.
const ENTER_CGROUPS: &str = r#"
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done
shift
exec "$@"
"#;

#[derive(Debug)]
pub(super) struct Nspawn {
    child: Child,
    leader: ProcessId,
}

/// How a host went down by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    PoweredOff,
    AskedForReboot,
}

impl Nspawn {
    /// Switches the host on and waits until its systemd runs (not until it has booted).
    pub(super) fn start(
        id: &str,
        root: &Path,
        cgroup: &Cgroup,
        extra_args: &[String],
        console: &Path,
    ) -> Result<Self> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(console)
            .map_err(HostError::io("open", console))?;
        let errors = log.try_clone().map_err(HostError::io("open", console))?;
        let child = Command::new("sh")
            .args(["-c", ENTER_CGROUPS, "sh"])
            .args(cgroup.directories())
            .args(["--", "systemd-nspawn", "--quiet", "--boot"])
            .args(["--private-network", "--register=no", "--keep-unit"])
            .args(["--console=pipe", "--link-journal=no", "--resolv-conf=off"])
            .args(["--timezone=off", "--machine", id])
            .args(extra_args)
            .arg("--directory")
            .arg(root)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| HostError::Spawn {
                argv: "systemd-nspawn".to_owned(),
                source,
            })?;
        Self::await_init(child, cgroup, console)
    }

    pub(super) fn leader(&self) -> ProcessId {
        self.leader
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the host to go down by itself.
    pub(super) fn wait(&mut self, deadline: Duration) -> Result<Option<Ending>> {
        let status = wait_for(&mut self.child, deadline)?;
        Ok(status.map(|status| match status.code() {
            Some(REBOOT_CODE) => Ending::AskedForReboot,
            _ => Ending::PoweredOff,
        }))
    }

    /// Takes the power away: the first process dies, and with it, at once, every other.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.leader.kill();
        if wait_for(&mut self.child, KILL_DEADLINE)?.is_none() {
            self.child
                .kill()
                .map_err(HostError::io("kill", "systemd-nspawn"))?;
            self.child
                .wait()
                .map_err(HostError::io("wait for", "systemd-nspawn"))?;
        }
        Ok(())
    }

    fn await_init(mut child: Child, cgroup: &Cgroup, console: &Path) -> Result<Self> {
        let started = Instant::now();
        loop {
            let leader = cgroup.members().find(|process| {
                leads_a_namespace_below(child.id(), *process) && runs_systemd(process.pid)
            });
            if let Some(leader) = leader {
                return Ok(Self { child, leader });
            }
            let status = wait_for(&mut child, Duration::ZERO)?;
            if status.is_some() || started.elapsed() > INIT_DEADLINE {
                let _ = child.kill();
                let _ = child.wait();
                return Err(HostError::Deadline {
                    what: "systemd-nspawn starting".to_owned(),
                    after: started.elapsed(),
                    state: fs::read_to_string(console).unwrap_or_default(),
                });
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Nspawn {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Before this holds, the leader may still be nspawn itself, with this machine's root as its own.
fn runs_systemd(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe"))
        .is_ok_and(|exe| exe.file_name().is_some_and(|name| name == "systemd"))
}

fn wait_for(child: &mut Child, deadline: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        let status = child
            .try_wait()
            .map_err(HostError::io("wait for", "systemd-nspawn"))?;
        let left = deadline.saturating_sub(started.elapsed());
        if status.is_some() || left.is_zero() {
            return Ok(status);
        }
        wake_stopped_children();
        if let Some(process) = ProcessId::of(child.id()) {
            let _ = process.ends_within(left.min(STOPPED_AT_MOST));
        }
    }
}
