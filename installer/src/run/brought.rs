//! Packages that a run brings to a host that did not have them: what must be gone again after a way
//! back, whatever rpm still knew of them when it was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;

use super::Context;
use crate::failure::chain;
use crate::plan::{PackageChange, PlannedPackage};
use crate::secure_fs::{self, Ownership, Place};

/// Returns those paths of a package to be brought that are not there.
pub(super) fn absent(context: &Context<'_>, change: PackageChange<'_>) -> BTreeSet<String> {
    let Some(planned) = change.brings() else {
        return BTreeSet::new();
    };
    let mut paths: BTreeSet<String> = all_directories(planned).map(str::to_owned).collect();
    paths.extend(planned.files.iter().cloned());
    paths.retain(|path| !is_there(context, path));
    paths
}

/// Returns every directory that a package makes, inner ones first: its own, and those above its files
/// that nobody owns and rpm makes without a word.
fn all_directories(planned: &PlannedPackage) -> impl Iterator<Item = &str> {
    let mut found: BTreeSet<&str> = planned.own_directories.iter().map(String::as_str).collect();
    for path in planned.files.iter().chain(&planned.own_directories) {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        found.extend(above.filter(|directory| !directory.is_empty()));
    }
    found.into_iter().rev()
}

/// Returns those directories of a package to be brought that are there already.
pub(super) fn directories(
    context: &Context<'_>,
    change: PackageChange<'_>,
) -> BTreeMap<String, Ownership> {
    let own = change.brings().into_iter();
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

/// Puts directories back that were there before packages were brought: present, and dressed as they
/// were.
pub(super) fn restore_directories(
    context: &Context<'_>,
    before: &BTreeMap<String, Ownership>,
    changes: &[PackageChange<'_>],
) -> Result<(), String> {
    let own = changes.iter().filter_map(|change| change.needed);
    for path in own.flat_map(|planned| &planned.own_directories) {
        let Some(wanted) = before.get(path) else {
            continue;
        };
        let found = ownership(context, path);
        let dress = |of: &Ownership| (of.mode, of.uid, of.gid);
        if found.as_ref().map(dress) == Some(dress(wanted)) {
            continue;
        }
        Place::of(&context.layout.at(path))
            .and_then(|place| {
                place.restore_dir()?;
                place.set_ownership(*wanted, &[], &[])
            })
            .map_err(|error| chain(&error))?;
    }
    Ok(())
}

/// Returns what of a brought package is there and was not: its files first, directories from within.
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

/// Moves what rpm left of packages into the run's directory, as far as it was `absent` before they were
/// brought. Directories go if nothing is in them: what is in them is somebody else's.
pub(super) fn clear(
    context: &Context<'_>,
    absent: &BTreeSet<String>,
    changes: &[PackageChange<'_>],
) -> Result<(), String> {
    let away = context.layout.run(context.run).join("displaced");
    for planned in changes.iter().filter_map(|change| change.needed) {
        for path in strays(context, absent, planned) {
            let place = Place::of(&context.layout.at(path)).map_err(|error| chain(&error))?;
            let gone = if planned.files.iter().any(|file| file == path) {
                let target = away.join(path.trim_start_matches('/'));
                let parent = target.parent().unwrap_or(&away);
                secure_fs::ensure_dir(parent, 0o700).and_then(|()| place.displace(&target))
            } else {
                place.remove()
            };
            gone.map_err(|error| chain(&error))?;
        }
    }
    Ok(())
}

fn is_there(context: &Context<'_>, path: &str) -> bool {
    context.layout.at(path).symlink_metadata().is_ok()
}
