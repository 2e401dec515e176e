//! Processes, as `/proc` describes them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use manifests::digest::{Sha256, of_reader};

use super::{ProcessState, UnitProcess, listening};

/// Kernel ticks per second in `/proc`, on every architecture that this project supports.
const TICKS: u64 = 100;

/// Finds a process by its number.
pub(crate) fn find(pid: u32) -> Option<ProcessState> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let started = started(&read("stat"))?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: u64 = uptime.split('.').next()?.parse().ok()?;
    let directory = fs::metadata(format!("/proc/{pid}/cwd")).ok();
    Some(ProcessState {
        started,
        age_secs: uptime.saturating_sub(started / TICKS),
        directory: directory.map(|found| (found.dev(), found.ino())),
        service: service_of(&read("cgroup")),
        ports: listening::ports_of(pid),
    })
}

/// Lists the processes in the control group of the service that `main_pid` belongs to.
pub(crate) fn beside(main_pid: u32) -> Vec<UnitProcess> {
    service_at(main_pid).map_or_else(Vec::new, |service| of_service(&service))
}

/// Lists the processes in the control group of a service.
pub(crate) fn of_service(service: &str) -> Vec<UnitProcess> {
    let mut hashed = HashMap::new();
    pids_of(service)
        .into_iter()
        .map(|pid| UnitProcess {
            pid,
            // A hundred workers run one program.
            sha256: image_of(pid)
                .and_then(|image| *hashed.entry(image).or_insert_with(|| program_of(pid))),
            files: files_of(pid),
        })
        .collect()
}

/// Returns the oldest process in the control group of a service: the one to watch where systemd knows
/// no main process, as of most scripts of System V.
pub(crate) fn eldest(service: &str) -> Option<u32> {
    let born = |pid: &u32| find(*pid).map(|found| found.started);
    let pids = pids_of(service).into_iter();
    pids.filter_map(|pid| Some((born(&pid)?, pid)))
        .min()
        .map(|(_, pid)| pid)
}

fn pids_of(service: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| service_at(*pid).is_some_and(|found| found == service))
        .collect()
}

/// Tells programs apart without reading them.
fn image_of(pid: u32) -> Option<(u64, u64)> {
    let image = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    Some((image.dev(), image.ino()))
}

fn service_at(pid: u32) -> Option<String> {
    service_of(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// Hashes the program that a process runs: the bytes that run, whatever the file's name is by now.
pub(crate) fn program_of(pid: u32) -> Option<Sha256> {
    let mut file = File::open(format!("/proc/{pid}/exe")).ok()?;
    of_reader(&mut file).ok().map(|(_, sha256)| sha256)
}

/// Most arguments that are looked at: an interpreter names its script among the first.
const ARGUMENTS_MAX: usize = 64;

/// The files that a command line names. They are only looked up: the service chooses the names, so
/// none of them is opened.
fn files_of(pid: u32) -> Vec<PathBuf> {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return Vec::new();
    };
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0).take(ARGUMENTS_MAX);
    let named = arguments.filter(|argument| !argument.is_empty());
    let paths = named.map(|argument| directory.join(Path::new(OsStr::from_bytes(argument))));
    paths
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect()
}

fn started(stat: &str) -> Option<u64> {
    // A program's name may contain anything, including blanks and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// Reads the service out of `/proc/PID/cgroup`: in systemd's own tree, or in the only one.
fn service_of(cgroup: &str) -> Option<String> {
    let mut trees = cgroup.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (tree, path) = rest.split_once(':')?;
        matches!(tree, "" | "name=systemd").then_some(path)
    });
    let service = |path: &str| {
        let names = path.rsplit('/').find(|name| name.ends_with(".service"));
        names.map(str::to_owned)
    };
    trees.find_map(service)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests make files and programs"
)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_found_in_old_and_new_trees() {
        let old = "11:cpuset:/\n3:memory:/a.service\n1:name=systemd:/system.slice/redis.service\n";
        assert_eq!(service_of(old).as_deref(), Some("redis.service"));
        let new = "0::/system.slice/system-redis.slice/redis@6380.service\n";
        assert_eq!(service_of(new).as_deref(), Some("redis@6380.service"));
        for other in ["0::/\n", "0::/user.slice/session-2.scope\n", ""] {
            assert_eq!(service_of(other), None);
        }
    }

    #[test]
    fn a_process_is_known_by_its_start_and_not_by_its_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 99 1";
        assert_eq!(started(stat), Some(4242));
        let own = find(std::process::id()).unwrap();
        assert!(own.started > 0 && own.age_secs < 1_000_000 && own.directory.is_some());
        assert_eq!(find(u32::MAX), None);
    }

    #[test]
    fn the_files_of_a_command_line_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "sleep 60\n").unwrap();
        let mut child = std::process::Command::new("sh")
            .arg("./script")
            .current_dir(dir.path())
            .spawn()
            .unwrap();
        let found = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            let files = files_of(child.id());
            files
                .contains(&script.canonicalize().unwrap())
                .then_some(files)
        });
        let own = program_of(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.is_some() && own.is_some());
    }
}
