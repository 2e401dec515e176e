//! A host before and after: everything that an upgrade or its revert could have changed.

mod diff;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use self::tree::FileState;
use super::error::Result;
use super::guest::Guest;

/// What every snapshot looks at.
const TREES: &[&str] = &[
    "/etc/airgap-bundle",
    "/etc/default",
    "/etc/init.d",
    "/etc/relayd",
    "/etc/sysconfig",
    "/etc/systemd",
    "/lib/systemd/system",
    "/opt",
    "/usr/lib/relayd",
];

const NEVRA_FORMAT: &str = "%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH} %{BUILDTIME}\n";
const UNIT_DIRECTORIES: &[&str] = &["/lib/systemd/system/", "/usr/lib/systemd/system/"];
const UNIT_KINDS: &[&str] = &[".service", ".socket", ".timer", ".path"];

/// The state of a host at one moment. Compare two with [`Snapshot::diff`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Every file, directory and symlink of the trees, by its path.
    pub files: BTreeMap<PathBuf, FileState>,
    /// `rpm -qa`: NEVRA with its epoch, and build time. Duplicates stay visible.
    pub packages: Vec<String>,
    /// The lines of `rpm -Va`.
    pub verify: BTreeSet<String>,
    /// The units that the installed packages own (and redis), in systemd's words.
    pub units: BTreeMap<String, String>,
}

impl Guest {
    /// Records a running host: the usual trees and `extra_trees`, packages, units.
    pub fn snapshot(&self, extra_trees: &[&str]) -> Result<Snapshot> {
        let verify = self.run(&["rpm", "-Va"])?.stdout;
        Ok(Snapshot {
            files: self.snapshot_files(extra_trees)?,
            packages: sorted_lines(&self.check(&["rpm", "-qa", "--qf", NEVRA_FORMAT])?),
            verify: verify.lines().map(str::to_owned).collect(),
            units: self.snapshot_units()?,
        })
    }

    /// Records only the files; the host may be off.
    pub fn snapshot_files(&self, extra_trees: &[&str]) -> Result<BTreeMap<PathBuf, FileState>> {
        let mut files = BTreeMap::new();
        for tree in TREES.iter().chain(extra_trees) {
            self.walk_tree(tree.as_ref(), &mut files)?;
        }
        Ok(files)
    }

    fn snapshot_units(&self) -> Result<BTreeMap<String, String>> {
        let files = self.check(&["rpm", "-qal"])?;
        let units = files
            .lines()
            .filter_map(unit_name)
            .chain(["redis-server.service"]);
        units
            .map(|unit| Ok((unit.to_owned(), self.unit(unit)?.to_string())))
            .collect()
    }
}

fn unit_name(path: &str) -> Option<&str> {
    UNIT_DIRECTORIES
        .iter()
        .find_map(|directory| path.strip_prefix(directory))
        .filter(|name| !name.contains('/') && !name.contains("@."))
        .filter(|name| UNIT_KINDS.iter().any(|kind| name.ends_with(kind)))
}

fn sorted_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
