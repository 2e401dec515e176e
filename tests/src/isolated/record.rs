//! What the lab records about each host, so that others can enter it, and clear up after an owner
//! that died.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab keeps its records as real files"
)]

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cache::{hosts_directory, lock, remove_tree, rename, write_file};
use super::cgroup::Cgroup;
use super::error::{HostError, Result};
use super::overlay::unmount_below;
use super::process::ProcessId;

const FILE: &str = "record.json";
const LOCK: &str = "hosts";

/// One host, as recorded beside its overlay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostRecord {
    pub id: String,
    /// The merged root.
    pub root: PathBuf,
    /// The lab process that will clear the host up.
    pub owner: ProcessId,
    pub nspawn: Option<ProcessId>,
    /// The host's own first process; none while it is off.
    pub leader: Option<ProcessId>,
    pub(super) cgroup: Cgroup,
}

impl HostRecord {
    pub fn read(id: &str) -> Result<Self> {
        if !is_plain_name(id) {
            return Err(HostError::NoSuchHost(id.to_owned()));
        }
        let path = hosts_directory().join(id).join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(HostError::NoSuchHost(id.to_owned()));
            }
            text => text.map_err(HostError::io("read", &path))?,
        };
        serde_json::from_str(&text).map_err(|error| HostError::Malformed {
            path,
            reason: error.to_string(),
        })
    }

    /// Returns whether the host runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.leader.is_some_and(ProcessId::is_alive)
    }

    /// Writes the record, so that readers see the former one or this one.
    pub(super) fn write(&self) -> Result<()> {
        let directory = hosts_directory().join(&self.id);
        let text = serde_json::to_string_pretty(self).map_err(|error| HostError::Malformed {
            path: directory.clone(),
            reason: error.to_string(),
        })?;
        let fresh = directory.join(format!("{FILE}.new"));
        write_file(&fresh, text)?;
        rename(&fresh, &directory.join(FILE))
    }

    /// Ends what is left of the host and removes its directory.
    pub(super) fn clear(&self) -> Result<()> {
        let processes = || [self.leader, self.nspawn].into_iter().flatten();
        processes().for_each(ProcessId::kill);
        processes().for_each(ProcessId::await_end);
        let directory = hosts_directory().join(&self.id);
        unmount_below(&directory)?;
        self.cgroup.remove()?;
        remove_tree(&directory)
    }
}

/// Names are path components and machine names alike.
pub(super) fn is_plain_name(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 60
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && !id.starts_with(['-', '.'])
}

/// All hosts on record, by name.
pub fn list() -> Result<Vec<HostRecord>> {
    let mut records: Vec<HostRecord> = directories()?
        .iter()
        .filter_map(|directory| HostRecord::read(directory.file_name()?.to_str()?).ok())
        .collect();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(records)
}

/// Clears up every host whose owner is gone, and returns their names.
pub fn reap() -> Result<Vec<String>> {
    let _lock = lock(LOCK)?;
    let mut reaped = Vec::new();
    for record in list()? {
        if !record.owner.is_alive() {
            record.clear()?;
            reaped.push(record.id);
        }
    }
    Ok(reaped)
}

/// Makes the directory of a new host. It holds its first record before another process can see it:
/// the record distinguishes a new host from a leftover.
pub(super) fn claim(record: &HostRecord) -> Result<PathBuf> {
    let directory = hosts_directory().join(&record.id);
    let _lock = lock(LOCK)?;
    if !is_plain_name(&record.id) {
        return Err(HostError::Malformed {
            path: directory,
            reason: "a host's name is made of letters, digits, `-` and `.`".to_owned(),
        });
    }
    if directory.join(FILE).exists() {
        return Err(HostError::AlreadyRunning(record.id.clone()));
    }
    remove_tree(&directory)?;
    fs::create_dir_all(&directory).map_err(HostError::io("make directory", &directory))?;
    record.write()?;
    Ok(directory)
}

fn directories() -> Result<Vec<PathBuf>> {
    let top = hosts_directory();
    match fs::read_dir(&top) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(HostError::io("list", Path::new(&top))(error)),
        Ok(entries) => Ok(entries
            .filter_map(std::result::Result::ok)
            .map(|entry| entry.path())
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain_name;

    #[test]
    fn names_stay_in_their_directory() {
        assert!(is_plain_name("demo-1"));
        for name in ["", "..", ".hidden", "a/b", "-x", "a b"] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }
}
