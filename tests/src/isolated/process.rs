//! Which process: a pid alone is reused, a pid with its start time is not.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// The field numbers of `/proc/<pid>/stat`, counted from the one after the command's name.
const STATE: usize = 0;
const PARENT: usize = 1;
const START_TIME: usize = 19;

const STOPPED: char = 'T';

const LONGEST_DYING: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// A process, told apart from a later one with the same pid.
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

    /// Sends SIGKILL, to this process or to none.
    pub fn kill(self) {
        self.send(Signal::KILL);
    }

    /// Waits, for a few seconds at most, until the process is gone. The first process of a host leaves
    /// its cgroup before it has buried its children.
    pub(super) fn await_end(self) {
        let started = Instant::now();
        while self.is_alive() && started.elapsed() < LONGEST_DYING {
            std::thread::sleep(POLL);
        }
    }

    fn send(self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        // The descriptor pins the process: what is checked after it is opened is what is killed.
        if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_alive()
        {
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

/// The children of `parent` that are the first process of a pid namespace of their own.
pub(super) fn namespace_leaders(parent: u32) -> Vec<ProcessId> {
    children(parent)
        .filter(|&(pid, _)| leads_a_namespace(pid))
        .filter_map(|(pid, _)| ProcessId::of(pid))
        .collect()
}

/// Wakes this process's stopped children. A host that goes down stops its processes before it ends
/// them, and `nsenter` stops itself with the program it waits for. Outside of the host nothing else
/// would wake it: it would not take note of the program's end, and the host would wait for that until
/// its patience ends.
pub(super) fn wake_stopped_children() {
    children(std::process::id())
        .filter(|(_, stat)| stat.state == STOPPED)
        .filter_map(|(pid, _)| ProcessId::of(pid))
        .for_each(|child| child.send(Signal::CONT));
}

fn children(parent: u32) -> impl Iterator<Item = (u32, Stat)> {
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .filter(move |(_, stat)| stat.parent == parent)
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
