//! Which process: a pid alone is reused, a pid with its start time is not.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use serde::{Deserialize, Serialize};

/// The field numbers of `/proc/<pid>/stat`, counted from the one after the command's name.
const STATE: usize = 0;
const PARENT: usize = 1;
const START_TIME: usize = 19;

const LONGEST_DYING: Duration = Duration::from_secs(10);

/// A process, distinct from a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    start_ticks: u64,
}

impl ProcessId {
    /// Identifies the running process `pid`; a zombie is no longer running.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (stat.state != 'Z' && stat.state != 'X').then_some(Self {
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// This very process.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends SIGKILL to exactly this process.
    pub fn kill(self) {
        self.send(Signal::KILL);
    }

    /// Waits, for a few seconds at most, until the process is gone. The first process of a host leaves
    /// its cgroup before it has buried its children.
    pub(super) fn await_end(self) {
        let _ = self.ends_within(LONGEST_DYING);
    }

    /// Waits until the process has ended, even if its parent has not waited for it; `false` when it
    /// still runs after `patience`. The kernel reports the end: there is no polling.
    #[must_use]
    pub fn ends_within(self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let Some(pidfd) = self.open() else {
            return true;
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(&pidfd, PollFlags::IN)];
            match poll(&mut ready, left.try_into().ok().as_ref()) {
                Ok(0) | Err(Errno::INTR) if left.is_zero() => return false,
                Ok(0) | Err(Errno::INTR) => {}
                _ => return true,
            }
        }
    }

    /// A descriptor that pins the process; `None` when it has ended.
    fn open(self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(pidfd)
    }

    fn send(self, signal: Signal) {
        // The process is checked after it is opened, so exactly the checked one is killed.
        if let Some(pidfd) = self.open() {
            let _ = pidfd_send_signal(pidfd, signal);
        }
    }
}

struct Stat {
    state: char,
    parent: u32,
    start_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may itself hold spaces and parentheses.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.get(STATE)?.chars().next()?,
            parent: fields.get(PARENT)?.parse().ok()?,
            start_ticks: fields.get(START_TIME)?.parse().ok()?,
        })
    }
}

/// Whether the process is a child of `parent` and the first of a pid namespace of its own.
pub(super) fn leads_a_namespace_below(parent: u32, process: ProcessId) -> bool {
    Stat::read(process.pid).is_some_and(|stat| stat.parent == parent)
        && leads_a_namespace(process.pid)
}

/// Programs that this process runs in hosts, by the pid of the `nsenter` that it waits for.
static AT_WORK: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Marks a child as one of these, as long as it is kept.
#[derive(Debug)]
pub(super) struct AtWork(u32);

impl AtWork {
    pub(super) fn note(pid: u32) -> Self {
        at_work().insert(pid);
        Self(pid)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        at_work().remove(&self.0);
    }
}

fn at_work() -> MutexGuard<'static, BTreeSet<u32>> {
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes these children where they are stopped. A host that goes down stops its processes before it
/// ends them, and `nsenter` stops itself with the program it waits for. Outside of the host nothing
/// else would wake it. It would not notice the program's end, and the host would wait for that
/// until its patience ends.
pub(super) fn wake_stopped_children() {
    let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
    for &child in at_work().iter() {
        let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) else {
            continue;
        };
        if let (Ok(Some(_)), Some(child)) =
            (waitid(WaitId::Pid(pid), stopped), ProcessId::of(child))
        {
            child.send(Signal::CONT);
        }
    }
}

fn leads_a_namespace(pid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return false;
    };
    let pids: Vec<&str> = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .map(|pids| pids.split_whitespace().collect())
        .unwrap_or_default();
    pids.len() > 1 && pids.last() == Some(&"1")
}

#[cfg(test)]
mod tests {
    use super::ProcessId;

    #[test]
    fn a_process_is_its_pid_and_its_start() {
        let me = ProcessId::current().unwrap();
        assert!(me.is_alive());
        let namesake = ProcessId {
            start_ticks: me.start_ticks + 1,
            ..me
        };
        assert!(!namesake.is_alive());
    }
}
