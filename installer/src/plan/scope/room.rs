//! Finds how much space a run needs on each filesystem that a revert writes to. It queries the host
//! to find which directories share a filesystem.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::host::{Host, HostError};
use crate::layout::Layout;
use crate::plan::InstallPlan;

/// For the state directory: the journal, logs, files that a revert moves away, and a margin.
const STATE_BYTES: u64 = 64 << 20;
/// For the filesystem of the rpm database.
const DATABASE_BYTES: u64 = 16 << 20;
/// For any other filesystem: units, configuration, scriptlets.
const SMALL_BYTES: u64 = 4 << 20;
const BLOCK_BYTES: u64 = 4096;

const DATABASES: [&str; 2] = ["/var/lib/rpm", "/usr/lib/sysimage/rpm"];
const ALSO_WRITTEN: [&str; 2] = ["/etc", "/var/tmp"];

/// The space to reserve on one filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    /// The state directory, or the mount point of the filesystem.
    pub(crate) directory: PathBuf,
    /// Whether it is the state directory.
    pub(crate) is_state: bool,
    /// How much is reserved for a revert.
    pub(crate) bytes: u64,
    /// How much of that is for packages.
    package_bytes: u64,
}

impl Need {
    /// Returns what the way forward writes in addition: a transaction writes the new packages
    /// before it removes the old ones.
    pub(crate) const fn forward_bytes(&self) -> u64 {
        with_margin(self.package_bytes)
    }
}

/// rpm requires a twentieth more than it counts.
const fn with_margin(package_bytes: u64) -> u64 {
    package_bytes + package_bytes / 4
}

/// Returns what a run of this plan must reserve on each filesystem; the state directory comes
/// first.
pub(crate) fn needs(
    host: &dyn Host,
    layout: &Layout,
    plan: &InstallPlan,
) -> Result<Vec<Need>, HostError> {
    let mut found = Filesystems::default();
    let state = layout.state();
    if let Some(own) = found.at(layout, &state) {
        own.directory.clone_from(&state);
        own.is_state = true;
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
            if let Some(need) = path.parent().and_then(|dir| found.at(layout, dir)) {
                need.package_bytes += bytes.next_multiple_of(BLOCK_BYTES);
            }
        }
    }
    // A revert removes new packages, but they take space on the way forward.
    for planned in plan.changes().filter_map(|change| change.needed) {
        if let (None, Some(to)) = (&planned.from, &planned.to)
            && let Some(need) = found.at(layout, &layout.at(&planned.bulk))
        {
            need.package_bytes += to.installed_bytes;
        }
    }
    // The same holds for files beside packages, and a revert may have to copy them away.
    for extra in plan.coming_extras() {
        let bytes = extra.size_bytes.next_multiple_of(BLOCK_BYTES);
        if let Some(own) = found.at(layout, &state) {
            own.bytes += bytes;
        }
        let place = layout.at(&extra.path);
        if let Some(need) = place.parent().and_then(|dir| found.at(layout, dir)) {
            need.package_bytes += bytes;
        }
    }
    for place in DATABASES.map(|place| layout.at(place)) {
        if let Some(need) = Some(place)
            .filter(|p| p.exists())
            .and_then(|p| found.at(layout, &p))
        {
            need.bytes += DATABASE_BYTES;
        }
    }
    let also = ALSO_WRITTEN.iter().map(|&place| place.to_owned());
    for place in plan.directories().into_iter().chain(also) {
        found.at(layout, &layout.at(&place));
    }
    Ok(found.needs(host))
}

/// The filesystems that were found, by device.
#[derive(Debug, Default)]
struct Filesystems {
    order: Vec<u64>,
    needs: BTreeMap<u64, Need>,
}

impl Filesystems {
    /// Returns the entry of the filesystem of `path`, or of its nearest existing parent. Returns
    /// nothing for a path outside of the host's root.
    fn at(&mut self, layout: &Layout, path: &Path) -> Option<&mut Need> {
        let root = layout.root().canonicalize().ok()?;
        let mut top = path.ancestors().find_map(|dir| dir.canonicalize().ok())?;
        if !top.starts_with(&root) {
            return None;
        }
        let device = top.metadata().ok()?.dev();
        if !self.needs.contains_key(&device) {
            while top != root
                && let Some(parent) = top.parent().map(Path::to_path_buf)
                && parent.metadata().ok()?.dev() == device
            {
                top = parent;
            }
            self.order.push(device);
        }
        Some(self.needs.entry(device).or_insert_with(|| Need {
            directory: top,
            is_state: false,
            bytes: SMALL_BYTES,
            package_bytes: 0,
        }))
    }

    /// Leaves out filesystems that cannot be written, except the state directory's, which the
    /// preflight reports.
    fn needs(mut self, host: &dyn Host) -> Vec<Need> {
        let order = std::mem::take(&mut self.order);
        let in_order = order.iter().filter_map(|device| self.needs.remove(device));
        in_order
            .filter(|need| {
                let space = host.space(&need.directory);
                need.is_state || !space.is_ok_and(|space| space.read_only)
            })
            .map(|need| Need {
                bytes: need.bytes + with_margin(need.package_bytes),
                ..need
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_one_filesystem_share_a_reserve_at_its_top() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let mut found = Filesystems::default();
        for path in ["/opt/tyk-gateway", "/etc", "/"] {
            let need = found.at(&layout, &layout.at(path)).unwrap();
            let top = dir.path().canonicalize().unwrap();
            assert_eq!(need.directory, top);
        }
        assert_eq!(found.order.len(), 1);
    }
}
