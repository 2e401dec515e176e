//! Processes, as `/proc` describes them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::ProcessState;

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
    })
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
}
