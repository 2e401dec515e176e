//! Tracks what needed packages bring to a host that lacked them. A revert removes all of it again,
//! including files that an interrupted rpm never recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;

use super::Context;
use super::error::StepError;
use crate::plan::{PackageChange, PlannedPackage};
use crate::secure_fs::{self, Ownership, Place};

/// Returns the paths that may come with a package and do not exist yet.
pub(super) fn absent(context: &Context<'_>, change: PackageChange<'_>) -> BTreeSet<String> {
    let Some(planned) = change.needed else {
        return BTreeSet::new();
    };
    let mut paths: BTreeSet<String> = all_directories(planned).map(str::to_owned).collect();
    paths.extend(planned.files.iter().cloned());
    paths.retain(|path| !is_there(context, path));
    paths
}

/// Returns every directory that a package creates, inner ones first: its own directories, and
/// unowned parents of its files, which rpm creates silently.
fn all_directories(planned: &PlannedPackage) -> impl Iterator<Item = &str> {
    let mut found: BTreeSet<&str> = planned.own_directories.iter().map(String::as_str).collect();
    for path in planned.files.iter().chain(&planned.own_directories) {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        found.extend(above.filter(|directory| !directory.is_empty()));
    }
    found.into_iter().rev()
}

/// Returns the directories that may come with a package and exist already.
pub(super) fn directories(
    context: &Context<'_>,
    change: PackageChange<'_>,
) -> BTreeMap<String, Ownership> {
    let own = change.needed.into_iter();
    let there = |path: &String| Some((path.clone(), ownership(context, path)?));
    own.flat_map(|planned| &planned.own_directories)
        .filter_map(there)
        .collect()
}

fn ownership(context: &Context<'_>, path: &str) -> Option<Ownership> {
    let metadata = context.layout.at(path).symlink_metadata().ok()?;
    metadata.is_dir().then(|| Ownership {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime_secs: metadata.mtime(),
        mtime_nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
    })
}

/// Restores directories that existed before packages were brought, with their owner and mode.
pub(super) fn restore_directories(
    context: &Context<'_>,
    before: &BTreeMap<String, Ownership>,
    changes: &[PackageChange<'_>],
) -> Result<(), StepError> {
    let own = changes.iter().filter_map(|change| change.needed);
    for path in own.flat_map(|planned| &planned.own_directories) {
        let Some(wanted) = before.get(path) else {
            continue;
        };
        let found = ownership(context, path);
        let access = |of: &Ownership| (of.mode, of.uid, of.gid);
        if found.as_ref().map(access) == Some(access(wanted)) {
            continue;
        }
        Place::of(&context.layout.at(path)).and_then(|place| {
            place.restore_dir()?;
            place.set_ownership(*wanted, &[], &[])
        })?;
    }
    Ok(())
}

/// Returns the paths of a brought package that exist now and did not exist before: files first,
/// then directories from the inside out.
pub(super) fn strays<'a>(
    context: &Context<'_>,
    absent: &BTreeSet<String>,
    planned: &'a PlannedPackage,
) -> Vec<&'a str> {
    let files = planned.files.iter().map(String::as_str);
    files
        .chain(all_directories(planned))
        .filter(|path| absent.contains(*path) && is_there(context, path))
        .collect()
}

/// Moves new entries at `absent` paths into the run's directory, no matter what wrote them: a
/// service of the package, a scriptlet, or an interrupted rpm.
pub(super) fn clear(
    context: &Context<'_>,
    absent: &BTreeSet<String>,
    change: PackageChange<'_>,
) -> Result<(), StepError> {
    let Some(planned) = change.needed else {
        return Ok(());
    };
    let away = context.dir().displaced();
    for path in strays(context, absent, planned) {
        let place = Place::of(&context.layout.at(path))?;
        if is_directory(context, path) {
            place.remove()?;
        }
        // A directory that is not empty is moved with its content.
        if !is_there(context, path) {
            continue;
        }
        let target = away.join(path.trim_start_matches('/'));
        let parent = target.parent().unwrap_or(&away);
        secure_fs::ensure_dir(parent, 0o700).and_then(|()| place.displace(&target))?;
    }
    Ok(())
}

/// Removes the empty directories of a removed package that did not exist before it came. The
/// content of the others belongs to other packages or users.
pub(super) fn clear_directories(
    context: &Context<'_>,
    absent: &BTreeSet<String>,
    change: PackageChange<'_>,
) -> Result<(), StepError> {
    let directories = change.needed.into_iter().flat_map(all_directories);
    for path in directories.filter(|path| absent.contains(*path) && is_directory(context, path)) {
        Place::of(&context.layout.at(path)).and_then(|place| place.remove())?;
    }
    Ok(())
}

fn is_directory(context: &Context<'_>, path: &str) -> bool {
    let metadata = context.layout.at(path).symlink_metadata();
    metadata.is_ok_and(|metadata| metadata.is_dir())
}

fn is_there(context: &Context<'_>, path: &str) -> bool {
    context.layout.at(path).symlink_metadata().is_ok()
}
