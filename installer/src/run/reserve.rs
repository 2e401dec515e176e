//! Disk space reserved for a revert. It is taken before the first effect, on every filesystem that
//! a revert writes to, and freed when a revert starts.
//!
//! rpm needs free space: it writes the previous packages before it removes the new ones, opens its
//! database for writing even for a query, and puts scriptlets into `/var/tmp`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::StepError;
use crate::document::{self, Document, ReadError};
use crate::host::Host;
use crate::journal::Disk;
use crate::layout::Layout;
use crate::plan::InstallPlan;
use crate::plan::scope::{self, Need};
use crate::secure_fs;

const FILE: &str = "reserve";
const FILE_ELSEWHERE: &str = ".airgap-bundle-reserve";
/// A list in the state directory of where the other reserves are, so that any process can free
/// them.
const LIST: &str = "reserves.json";

/// The files of all reserves, as the bare list that every installer reads.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Reserves {
    files: Vec<PathBuf>,
}

impl Document for Reserves {
    const TYPE: &'static str = "airgap-bundle/reserves/1";
}

/// The reserve on one filesystem.
#[derive(Debug)]
struct Reserve {
    file: PathBuf,
    bytes: u64,
}

impl From<Need> for Reserve {
    fn from(need: Need) -> Self {
        let name = if need.is_state { FILE } else { FILE_ELSEWHERE };
        let file = need.directory.join(name);
        Self {
            file,
            bytes: need.bytes,
        }
    }
}

/// Takes all reserves. A run without them does not start.
pub(super) fn take(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    disk: &dyn Disk,
) -> Result<(), StepError> {
    free(layout);
    let needs = scope::needs(host, layout, plan)?;
    let wanted: Vec<Reserve> = needs.into_iter().map(Reserve::from).collect();
    let taken = take_all(layout, &wanted, disk).map_err(StepError::from);
    if taken.is_err() {
        free(layout);
    }
    taken
}

fn take_all(layout: &Layout, wanted: &[Reserve], disk: &dyn Disk) -> Result<(), ReadError> {
    let files = wanted.iter().map(|reserve| reserve.file.clone());
    let files = files.collect();
    // The list is written before the files: what a kill leaves is found.
    document::write(&layout.state().join(LIST), &Reserves { files })?;
    for Reserve { file, bytes } in wanted {
        secure_fs::remove_if_present(file)?;
        let mut kept = disk.open(secure_fs::create_new(file, 0o600)?);
        kept.reserve(file, *bytes)?;
    }
    Ok(())
}

/// Enlarges the reserve where the dumps are, once the size of the data that a revert must keep is
/// known.
pub(super) fn add(layout: &Layout, dumps: Option<&Path>, bytes: u64) -> Result<(), StepError> {
    if bytes == 0 {
        return Ok(());
    }
    let state = layout.state();
    let dir = dumps.unwrap_or(&state);
    let number = |number: u32| dir.join(format!("{FILE}-{number}"));
    let list = layout.state().join(LIST);
    let Reserves { mut files } = document::read(&list).unwrap_or_default();
    let free = (1..u32::MAX).map(number).find(|path| !files.contains(path));
    let file = free.unwrap_or_else(|| number(0));
    files.push(file.clone());
    let take = || -> Result<(), ReadError> {
        document::write(&list, &Reserves { files })?;
        secure_fs::remove_if_present(&file)?;
        let made = secure_fs::create_new(&file, 0o600)?;
        Ok(secure_fs::reserve_space(&made, &file, bytes + bytes / 8)?)
    };
    take().map_err(StepError::Room)
}

/// Frees all reserves. A failure here changes nothing in what follows. A list that a newer
/// installer wrote stays for that installer.
pub fn free(layout: &Layout) {
    let list = layout.state().join(LIST);
    let own = layout.state().join(FILE);
    let found = document::read(&list);
    if matches!(found, Err(ReadError::Newer { .. })) {
        let _ = secure_fs::remove_if_present(&own);
        return;
    }
    let Reserves { files } = found.unwrap_or_default();
    for file in files.iter().chain([&own, &list]) {
        let _ = secure_fs::remove_if_present(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::HostDisk;
    use crate::journal::lock::RunLock;

    /// Also finds reserves that an earlier process took, through the list.
    #[test]
    fn reserves_are_found_again_and_a_half_taken_one_too() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let _lock = RunLock::take(&layout).unwrap();
        let own = layout.state().join(FILE);
        let elsewhere = dir.path().join(FILE_ELSEWHERE);
        for (bytes, fits) in [(4096, true), (1 << 60, false)] {
            let wanted = [
                Reserve {
                    file: own.clone(),
                    bytes: 4096,
                },
                Reserve {
                    file: elsewhere.clone(),
                    bytes,
                },
            ];
            assert_eq!(take_all(&layout, &wanted, &HostDisk).is_ok(), fits);
            assert!(own.exists() && elsewhere.exists());
            free(&layout);
            let left = std::fs::read_dir(layout.state()).unwrap().count();
            assert_eq!(left, 1, "nothing but the lock");
            assert!(!elsewhere.exists());
        }
    }
}
