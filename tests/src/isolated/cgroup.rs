//! A cgroup of its own for each host.
//!
//! Without one, every `systemd-nspawn` started with `--keep-unit` would put its payload into the same
//! `/payload`, and the systemds of two hosts would find each other's services in their cgroups. Where
//! cgroup v1 is mounted beside v2 (hybrid), nspawn needs both the `name=systemd` and the v2 tree.

#![expect(
    clippy::disallowed_methods,
    reason = "cgroups are made and removed as directories"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::error::{HostError, Result};
use super::process::ProcessId;

const PREFIX: &str = "airgap-lab-";
const REMOVAL_TRIES: u32 = 50;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// The directories, one in each cgroup tree, that hold a host's processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cgroup {
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// Names the cgroup of host `id`; [`Cgroup::create`] makes it.
    pub(super) fn named(id: &str) -> Result<Self> {
        let directories = trees()?
            .into_iter()
            .map(|tree| tree.join(format!("{PREFIX}{id}")))
            .collect();
        Ok(Self { directories })
    }

    pub(super) fn create(&self) -> Result<()> {
        self.directories.iter().try_for_each(|directory| {
            fs::create_dir_all(directory).map_err(HostError::io("make cgroup", directory))
        })
    }

    pub(super) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// The processes in there, those of `systemd-nspawn` included.
    pub(super) fn members(&self) -> impl Iterator<Item = ProcessId> {
        self.directories.iter().flat_map(|top| members_of(top))
    }

    /// Kills what is still in there (only the host's own processes can be) and removes the
    /// directories, waiting a moment for the last processes to leave them.
    pub(super) fn remove(&self) -> Result<()> {
        self.directories.iter().try_for_each(|top| {
            members_of(top).for_each(ProcessId::kill);
            remove_tree(top)
        })
    }
}

fn members_of(top: &Path) -> impl Iterator<Item = ProcessId> {
    WalkDir::new(top)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_name() == "cgroup.procs")
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .flat_map(|pids| {
            let pids: Vec<u32> = pids.lines().filter_map(|pid| pid.parse().ok()).collect();
            pids
        })
        .filter_map(ProcessId::of)
}

/// The mount points of the v2 tree and of systemd's own v1 tree, as far as this machine has them.
fn trees() -> Result<Vec<PathBuf>> {
    let path = Path::new("/proc/self/mountinfo");
    let mounts = fs::read_to_string(path).map_err(HostError::io("read", path))?;
    Ok(parse_trees(&mounts))
}

fn parse_trees(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, filesystem) = line.split_once(" - ")?;
            let mut filesystem = filesystem.split(' ');
            let kind = filesystem.next()?;
            let options = filesystem.nth(1)?;
            let wanted = kind == "cgroup2"
                || kind == "cgroup" && options.split(',').any(|option| option == "name=systemd");
            wanted.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
        })
        .collect()
}

fn remove_tree(top: &Path) -> Result<()> {
    for attempt in 0.. {
        let failure = WalkDir::new(top)
            .contents_first(true)
            .into_iter()
            .filter_map(std::result::Result::ok)
            .filter(|entry| entry.file_type().is_dir())
            .find_map(|entry| fs::remove_dir(entry.path()).err());
        match failure {
            Some(error) if top.exists() && attempt >= REMOVAL_TRIES => {
                return Err(HostError::io("remove cgroup", top)(error));
            }
            Some(_) if top.exists() => std::thread::sleep(REMOVAL_PAUSE),
            _ => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_trees;
    use std::path::PathBuf;

    #[test]
    fn hybrid_and_unified_machines() {
        let hybrid = "\
30 25 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 25 0:28 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
32 25 0:29 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
";
        assert_eq!(
            parse_trees(hybrid),
            [
                PathBuf::from("/sys/fs/cgroup/systemd"),
                PathBuf::from("/sys/fs/cgroup/unified")
            ]
        );
        let unified =
            "30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(parse_trees(unified), [PathBuf::from("/sys/fs/cgroup")]);
    }
}
