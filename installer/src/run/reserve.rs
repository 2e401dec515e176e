//! Disk kept back for the way back: taken before the first effect on every filesystem that the way
//! back writes to, given up when a revert starts.
//!
//! rpm writes the previous packages before it removes those it replaces, opens its database for
//! writing even to be asked, and puts scriptlets into `/var/tmp`: none of it works on a full disk.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::transaction::directories;
use crate::document::{self, Document, ReadError};
use crate::failure::chain;
use crate::host::{Host, HostError};
use crate::journal::lock::RunLock;
use crate::layout::Layout;
use crate::plan::InstallPlan;
use crate::secure_fs;

/// In the state directory: the journal, logs, what a revert moves away, and a margin.
const STATE_BYTES: u64 = 64 << 20;
/// Where the rpm database is.
const DATABASE_BYTES: u64 = 16 << 20;
/// Anywhere else: units, configuration, scriptlets.
const SMALL_BYTES: u64 = 4 << 20;
const BLOCK_BYTES: u64 = 4096;

const DATABASES: [&str; 2] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];
const ALSO_WRITTEN: [&str; 2] = ["/etc", "/var/tmp"];

const FILE: &str = "reserve";
const FILE_ELSEWHERE: &str = ".airgap-bundle-reserve";
/// In the state directory: where the other reserves are, for whoever has to give them up.
const LIST: &str = "reserves.json";

/// The files of all reserves. The first installers wrote the list alone.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "AnyReserves")]
pub(crate) struct Reserves {
    files: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AnyReserves {
    Alone(Vec<PathBuf>),
    Named { files: Vec<PathBuf> },
}

impl From<AnyReserves> for Reserves {
    fn from(any: AnyReserves) -> Self {
        let (AnyReserves::Alone(files) | AnyReserves::Named { files }) = any;
        Self { files }
    }
}

impl Document for Reserves {
    const TYPE: &'static str = "airgap-bundle/reserves/1";
}

/// What is kept back on one filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reserve {
    file: PathBuf,
    /// How much.
    pub(crate) bytes: u64,
    /// How much of it is for packages; a transaction forward needs about as much again.
    pub(crate) package_bytes: u64,
}

impl Reserve {
    /// Returns the directory that the reserve is in.
    pub(crate) fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }
}

/// Says what a run of this plan has to keep back, and where; the state directory's comes first.
pub(crate) fn wanted(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
) -> Result<Vec<Reserve>, HostError> {
    let mut found = Filesystems::default();
    let state = layout.state();
    if let Some(own) = found.at(layout, &state) {
        own.file = state.join(FILE);
        own.bytes += STATE_BYTES;
    }
    let names: Vec<&str> = plan.changes().map(|change| change.package).collect();
    let installed = match names.as_slice() {
        [] => Vec::new(),
        names => host.installed(names)?,
    };
    for package in installed {
        for file in &package.files {
            let path = layout.at(&file.path);
            let size = path
                .symlink_metadata()
                .ok()
                .filter(std::fs::Metadata::is_file);
            let bytes = size.map_or(0, |metadata| metadata.len());
            if let Some(reserve) = path.parent().and_then(|dir| found.at(layout, dir)) {
                reserve.package_bytes += bytes.next_multiple_of(BLOCK_BYTES);
            }
        }
    }
    // What is new goes again on the way back; on the way forward it takes its place all the same.
    for planned in plan.changes().filter_map(|change| change.needed) {
        if let (None, Some(to)) = (&planned.from, &planned.to)
            && let Some(reserve) = found.at(layout, &layout.at(&planned.bulk))
        {
            reserve.package_bytes += to.installed_bytes;
        }
    }
    // So it is with files beside packages, and on the way back they may have to be copied away.
    for extra in plan.coming_extras() {
        let bytes = extra.size_bytes.next_multiple_of(BLOCK_BYTES);
        if let Some(own) = found.at(layout, &state) {
            own.bytes += bytes;
        }
        let place = layout.at(&extra.path);
        if let Some(reserve) = place.parent().and_then(|dir| found.at(layout, dir)) {
            reserve.package_bytes += bytes;
        }
    }
    for place in DATABASES.map(|place| layout.at(place)) {
        if let Some(reserve) = Some(place)
            .filter(|p| p.exists())
            .and_then(|p| found.at(layout, &p))
        {
            reserve.bytes += DATABASE_BYTES;
        }
    }
    let also = ALSO_WRITTEN.iter().map(|&place| place.to_owned());
    for place in directories(plan).into_iter().chain(also) {
        found.at(layout, &layout.at(&place));
    }
    Ok(found.reserves(host))
}

/// Takes all of it. A run that cannot have it does not start.
pub(super) fn take(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
    lock: &RunLock,
) -> Result<(), String> {
    free(layout);
    let wanted = wanted(host, layout, plan).map_err(|error| chain(&error))?;
    let taken = take_all(layout, &wanted, lock).map_err(|error| chain(&error));
    if taken.is_err() {
        free(layout);
    }
    taken
}

fn take_all(layout: &Layout, wanted: &[Reserve], lock: &RunLock) -> Result<(), ReadError> {
    let files = wanted.iter().map(|reserve| reserve.file.clone());
    let files = files.collect();
    // Known before they are there: what a kill leaves is found.
    document::write(&layout.state().join(LIST), &Reserves { files })?;
    for Reserve { file, bytes, .. } in wanted {
        secure_fs::remove_if_present(file)?;
        let mut store = lock.store(secure_fs::create_new(file, 0o600)?);
        store.reserve(file, *bytes)?;
    }
    Ok(())
}

/// Takes more of it in the state directory, once it is known how much data a way back will have to
/// keep.
pub(super) fn add(layout: &Layout, bytes: u64) -> Result<(), String> {
    if bytes == 0 {
        return Ok(());
    }
    let number = |number: u32| layout.state().join(format!("{FILE}-{number}"));
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
    take().map_err(|error| format!("the room for a way back cannot be kept: {}", chain(&error)))
}

/// Gives all of it up. That something could not be given up changes nothing in what follows. A list
/// that a newer installer wrote stays for that one.
pub fn free(layout: &Layout) {
    let list = layout.state().join(LIST);
    let found = document::read(&list);
    if matches!(found, Err(ReadError::Newer { .. })) {
        return;
    }
    let Reserves { files } = found.unwrap_or_default();
    let own = layout.state().join(FILE);
    for file in files.iter().chain([&own, &list]) {
        let _ = secure_fs::remove_if_present(file);
    }
}

/// The filesystems that were met, by device.
#[derive(Debug, Default)]
struct Filesystems {
    order: Vec<u64>,
    reserves: BTreeMap<u64, Reserve>,
}

impl Filesystems {
    /// Returns what is known of the filesystem of `path`, or of the nearest directory above it that
    /// exists; nothing when that is outside of the host's root.
    fn at(&mut self, layout: &Layout, path: &Path) -> Option<&mut Reserve> {
        let root = layout.root().canonicalize().ok()?;
        let mut top = path.ancestors().find_map(|dir| dir.canonicalize().ok())?;
        if !top.starts_with(&root) {
            return None;
        }
        let device = top.metadata().ok()?.dev();
        if !self.reserves.contains_key(&device) {
            while top != root
                && let Some(parent) = top.parent()
                && parent.metadata().ok()?.dev() == device
            {
                top = parent.to_owned();
            }
            self.order.push(device);
        }
        Some(self.reserves.entry(device).or_insert_with(|| Reserve {
            file: top.join(FILE_ELSEWHERE),
            bytes: SMALL_BYTES,
            package_bytes: 0,
        }))
    }

    /// Nothing is kept where nothing can be written, except that the state directory has to be told
    /// about.
    fn reserves(mut self, host: &dyn Host) -> Vec<Reserve> {
        let order = std::mem::take(&mut self.order);
        let in_order = order
            .iter()
            .filter_map(|device| self.reserves.remove(device));
        in_order
            .filter(|reserve| {
                let space = host.space(reserve.directory());
                reserve.file.ends_with(FILE) || !space.is_ok_and(|space| space.read_only)
            })
            .map(|reserve| Reserve {
                // rpm asks for a twentieth more than it counts.
                bytes: reserve.bytes + reserve.package_bytes + reserve.package_bytes / 4,
                ..reserve
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve(file: PathBuf, bytes: u64) -> Reserve {
        Reserve {
            file,
            bytes,
            package_bytes: 0,
        }
    }

    /// Also those that an earlier process took: the list says where they are.
    #[test]
    fn what_is_kept_back_is_found_again_and_a_half_taken_reserve_too() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let lock = RunLock::take(&layout).unwrap();
        let own = layout.state().join(FILE);
        let elsewhere = dir.path().join(FILE_ELSEWHERE);
        for (bytes, fits) in [(BLOCK_BYTES, true), (1 << 60, false)] {
            let wanted = [
                reserve(own.clone(), BLOCK_BYTES),
                reserve(elsewhere.clone(), bytes),
            ];
            assert_eq!(take_all(&layout, &wanted, &lock).is_ok(), fits);
            assert!(own.exists() && elsewhere.exists());
            free(&layout);
            let left = std::fs::read_dir(layout.state()).unwrap().count();
            assert_eq!(left, 1, "nothing but the lock");
            assert!(!elsewhere.exists());
        }
    }

    #[test]
    fn directories_of_one_filesystem_share_a_reserve_at_its_top() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let mut found = Filesystems::default();
        for path in ["/opt/tyk-gateway", "/etc", "/"] {
            let reserve = found.at(&layout, &layout.at(path)).unwrap();
            let top = dir.path().canonicalize().unwrap();
            assert_eq!(reserve.file, top.join(FILE_ELSEWHERE));
        }
        assert_eq!(found.order.len(), 1);
    }
}
