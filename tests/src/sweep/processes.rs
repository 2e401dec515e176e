//! The installers and the rpm transactions inside a host, found and killed from outside.

use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;

use anyhow::Result;
use rustix::fs::{Mode, OFlags, open, openat, readlinkat};
use rustix::process::{Signal, pidfd_send_signal};

use super::kit::INSTALLER;
use crate::isolated::Guest;

/// The part that a process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The installer that the sweep called. Where runs live in a unit it only watches.
    Called,
    /// The copy of the installer that a unit executes.
    InUnit,
    /// An rpm that changes the host.
    Rpm,
}

/// A process of the host. Its open `/proc` directory pins it, so exactly the inspected process is
/// killed.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) kind: Kind,
    /// As the host numbers it.
    pub(super) pid: u32,
    parent: u32,
    directory: OwnedFd,
}

impl Process {
    /// Sends a signal; a process that has ended by now needs none.
    pub(super) fn send(&self, signal: Signal) {
        let _ = pidfd_send_signal(self.directory.as_fd(), signal);
    }

    pub(super) fn kill(&self) {
        self.send(Signal::KILL);
    }
}

/// Lists the installers and rpm transactions that run in a host.
pub(super) fn list(guest: &Guest) -> Result<Vec<Process>> {
    let table = PathBuf::from(format!("/proc/{}/root/proc", guest.leader()?.pid));
    let pids = fs::read_dir(&table)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids
        .filter_map(|pid| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = open(table.join(pid.to_string()), flags, Mode::empty()).ok()?;
            let kind = kind(&directory)?;
            let parent = parent(&directory)?;
            Some(Process {
                kind,
                pid,
                parent,
                directory,
            })
        })
        .collect())
}

/// The rpm transactions, without the copies that rpm makes of itself to run a scriptlet.
pub(super) fn transactions(guest: &Guest) -> Result<Vec<u32>> {
    let mut all = list(guest)?;
    all.retain(|process| process.kind == Kind::Rpm);
    let is_first = |process: &&Process| all.iter().all(|other| other.pid != process.parent);
    Ok(all
        .iter()
        .filter(is_first)
        .map(|process| process.pid)
        .collect())
}

fn parent(directory: &OwnedFd) -> Option<u32> {
    let status = read(directory, "status")?;
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

fn read(directory: &OwnedFd, name: &str) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    fs::File::from(file).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn kind(directory: &OwnedFd) -> Option<Kind> {
    let program = readlinkat(directory, "exe", Vec::new()).ok()?;
    let program = program.to_str().ok()?.trim_end_matches(" (deleted)");
    if program == INSTALLER {
        return Some(Kind::Called);
    }
    if program.ends_with("/install") && program.contains("/airgap-bundle/") {
        return Some(Kind::InUnit);
    }
    if !program.ends_with("/rpm") {
        return None;
    }
    let line = read(directory, "cmdline")?;
    changes_the_host(&line).then_some(Kind::Rpm)
}

/// Whether an rpm with this command line (arguments that end with NUL) does more than query.
fn changes_the_host(line: &[u8]) -> bool {
    let has = |wanted: &[u8]| line.split(|byte| *byte == 0).any(|word| word == wanted);
    (has(b"-U") || has(b"-e")) && !has(b"--test")
}

#[cfg(test)]
mod tests {
    use super::changes_the_host;

    #[test]
    fn a_transaction_is_not_a_question() {
        assert!(changes_the_host(
            b"/usr/bin/rpm\0-U\0--nomanifest\0/proc/self/fd/5\0"
        ));
        assert!(!changes_the_host(
            b"/usr/bin/rpm\0-U\0--test\0/proc/self/fd/5\0"
        ));
        assert!(!changes_the_host(b"rpm\0-qa\0"));
    }
}
