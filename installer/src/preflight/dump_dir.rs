//! Checks the directory that the operator named for dumps, by the rules of the state directory.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Backup;
use crate::failure::chain;
use crate::host::Host;
use crate::plan::scope::trees;
use crate::plan::{Baseline, Group, InstallPlan};
use crate::problem::Problem;
use crate::secure_fs;

/// Refuses a directory that a revert would put back as it was before the dumps.
fn saved_tree(plan: &InstallPlan, dir: &str) -> Option<Problem> {
    let all: Vec<&Group> = plan.groups.iter().collect();
    let (roots, _) = trees(&all, &Baseline::default());
    let is_below = |root: &&String| Path::new(dir).starts_with(root.as_str());
    let root = roots.iter().find(is_below)?;
    Some(Problem::new(
        format!("{dir} is below {root}, which the run saves and a revert puts back"),
        "name a directory outside the product with --dump-dir",
    ))
}

/// Where the dumps of a run go, and how much they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dumps<'p> {
    pub(super) bytes: u64,
    /// The directory that the operator named.
    pub(super) dir: Option<&'p Path>,
}

impl Dumps<'_> {
    /// Returns how much of them goes below a directory, or elsewhere on its filesystem.
    pub(super) fn bytes_at(&self, place: &Path, is_state: bool) -> u64 {
        let is_there = match self.dir {
            None => is_state,
            Some(dir) => share_filesystem(dir, place),
        };
        if is_there { self.bytes } else { 0 }
    }
}

/// Whether two directories, or their nearest parents that exist, are on one filesystem.
fn share_filesystem(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| {
        let mut there = path.ancestors().filter_map(|dir| dir.metadata().ok());
        there.next().map(|metadata| metadata.dev())
    };
    device(one).is_some_and(|found| device(other) == Some(found))
}

/// Checks the directory for dumps that the operator named, if one was named.
pub(super) fn check<'p>(
    host: &dyn Host,
    plan: &'p InstallPlan,
    bytes: u64,
    backup: Backup,
    problems: &mut Vec<Problem>,
) -> Dumps<'p> {
    let Some(dir) = plan.dump_dir.as_ref().filter(|_| bytes > 0) else {
        return Dumps { bytes, dir: None };
    };
    let placed = Dumps {
        bytes,
        dir: Some(Path::new(dir)),
    };
    let dumps = bytes;
    problems.extend(saved_tree(plan, dir));
    if backup == Backup::IsSealed {
        problems.push(Problem::new(
            format!("the backup of this run is sealed, and dumps in {dir} would stay plain"),
            "leave out --dump-dir, or make no sealed backup of this run",
        ));
    }
    if let Err(error) = secure_fs::check_guarded(Path::new(dir)) {
        problems.push(Problem::new(
            format!("{dir} cannot hold dumps: {}", chain(&error)),
            "name a directory of root on a local filesystem that no other user can write to, also \
             above it; make it with `install -d -m 0700 DIR`",
        ));
        return placed;
    }
    match host.space(Path::new(dir)) {
        Ok(space) if space.read_only => problems.push(Problem::new(
            format!("{dir} is on a read-only filesystem"),
            "remount it read-write, or name another directory with --dump-dir",
        )),
        Ok(space) if space.free_bytes < dumps => problems.push(Problem::new(
            format!(
                "{dir} has {} MiB free; the dumps of this run need {} MiB there",
                space.free_bytes >> 20,
                dumps.div_ceil(1 << 20)
            ),
            "free some space there, or name another directory with --dump-dir",
        )),
        Ok(_) => {}
        Err(error) => problems.push(Problem::new(chain(&error), "make the directory reachable")),
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each had room for its own part, and not for both.
    #[test]
    fn dumps_on_a_filesystem_of_the_run_count_there() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("var/lib/airgap-bundle");
        let own = dir.path().join("dumps");
        let at = |dir| Dumps { bytes: 7, dir };
        assert_eq!(at(None).bytes_at(&state, true), 7);
        assert_eq!(at(None).bytes_at(dir.path(), false), 0);
        assert_eq!(at(Some(own.as_path())).bytes_at(&state, true), 7);
        assert_eq!(at(Some(Path::new("/proc/self"))).bytes_at(&state, true), 0);
    }
}
