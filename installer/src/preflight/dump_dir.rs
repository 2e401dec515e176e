//! Checks the directory that the operator named for dumps, by the rules of the state directory.

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

/// Returns how many bytes of dumps go into the state directory: none where the operator named
/// another directory, which must then have the room.
pub(super) fn check(
    host: &dyn Host,
    plan: &InstallPlan,
    dumps: u64,
    backup: Backup,
    problems: &mut Vec<Problem>,
) -> u64 {
    let Some(dir) = &plan.dump_dir else {
        return dumps;
    };
    if dumps == 0 {
        return 0;
    }
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
        return 0;
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
    0
}
