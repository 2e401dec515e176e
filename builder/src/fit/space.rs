//! Whether an upgrade fits: a sum on the safe side of what the installer asks for. The installer
//! measures the trees it backs up, which no inventory can: they are not in this sum.

use std::collections::BTreeMap;

use manifests::host_inventory::Place;
use manifests::package_files::PackageFiles;
use manifests::size::Size;

use super::Upgrade;
use crate::hosts::{FleetHost, Unfit};

const MIB: u64 = 1 << 20;
/// Journal, logs, documents, the installer itself, and what a revert moves away.
const STATE_BYTES: u64 = 88 * MIB;
const STATE_INODES: u64 = 10_000;
const STATE: &str = "/var/lib/airgap-bundle";
/// The rpm database grows.
const DATABASE_BYTES: u64 = 16 * MIB;
const DATABASE: &str = "/var/lib/rpm";
/// Anywhere else that is written to: units, configuration, scriptlets.
const SMALL_BYTES: u64 = 4 * MIB;
const BLOCK_BYTES: u64 = 4096;

/// Returns the filesystems of a host that are too full for its upgrade.
pub(super) fn room(host: &FleetHost, upgrades: &[Upgrade<'_>]) -> Vec<Unfit> {
    if upgrades.is_empty() {
        return Vec::new();
    }
    let mut needs = Needs {
        host,
        by_filesystem: BTreeMap::new(),
    };
    let rpms = upgrades.iter().flat_map(Upgrade::rpms);
    let carried: u64 = rpms.map(|rpm| rpm.planned().size).sum();
    needs.add(STATE, STATE_BYTES + carried);
    needs.add(DATABASE, DATABASE_BYTES);
    // Once on the way forward, beside what is there; once kept back for the way back.
    for rpm in upgrades.iter().flat_map(Upgrade::rpms) {
        needs.add_files(rpm.files());
    }
    needs.unmet()
}

struct Needs<'a> {
    host: &'a FleetHost,
    by_filesystem: BTreeMap<u64, (&'a Place, u64)>,
}

impl Needs<'_> {
    fn add(&mut self, path: &str, bytes: u64) {
        if let Some(place) = self.host.inventory.place_of(path) {
            let first = (place, SMALL_BYTES);
            let need = self.by_filesystem.entry(place.filesystem).or_insert(first);
            need.1 = need.1.saturating_add(bytes);
        }
    }

    fn add_files(&mut self, files: &PackageFiles) {
        let regular =
            |file: &&manifests::package_files::PackagedFile| file.is_regular() && !file.ghost;
        for file in files.files.iter().filter(regular) {
            let blocks = file.size.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES);
            self.add(&file.path, blocks.saturating_add(blocks / 4));
        }
    }

    fn unmet(&self) -> Vec<Unfit> {
        let label = &self.host.label;
        let state = self.host.inventory.place_of(STATE);
        let mut unfit = Vec::new();
        let mut refuse = |why: String, next| {
            unfit.push(Unfit {
                why: format!("{label}: {why}"),
                next,
            });
        };
        for (place, needed) in self.by_filesystem.values() {
            let (path, free) = (&place.path, place.free_bytes);
            if place.read_only {
                refuse(
                    format!("the filesystem of {path} is read-only"),
                    "remount it read-write and take the inventory again",
                );
            } else if free < *needed {
                refuse(
                    format!(
                        "the filesystem of {path} has {} free, and the upgrade needs {} \
                         there, backups not counted",
                        Size(free),
                        Size(*needed)
                    ),
                    "free some space on that host and take the inventory again",
                );
            }
        }
        let inodes = state.and_then(|place| Some((place, place.free_inodes?)));
        if let Some((place, free)) = inodes.filter(|(_, free)| *free < STATE_INODES) {
            refuse(
                format!(
                    "the filesystem of {} has {free} inodes free, and the upgrade needs \
                     {STATE_INODES}",
                    place.path
                ),
                "remove small files on that host and take the inventory again",
            );
        }
        unfit
    }
}
