//! Packages that a run brings to a host that did not have them: what must be gone again after a way
//! back, whatever rpm still knew of them when it was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;

use super::{Baseline, Context};
use crate::failure::chain;
use crate::plan::PackageChange;
use crate::secure_fs::{self, Ownership, Place};

/// Returns those paths of a package to be brought that are not there.
pub(super) fn absent(context: &Context<'_>, change: PackageChange<'_>) -> BTreeSet<String> {
    let paths = change
        .brings()
        .into_iter()
        .flat_map(|planned| planned.files.iter().chain(&planned.own_directories));
    paths
        .filter(|path| !is_there(context, path))
        .cloned()
        .collect()
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
    baseline: &Baseline,
    change: PackageChange<'a>,
) -> Vec<&'a str> {
    let Some(planned) = change.brings() else {
        return Vec::new();
    };
    let directories = planned.own_directories.iter().rev();
    let paths = planned.files.iter().chain(directories);
    paths
        .filter(|path| baseline.absent.contains(*path) && is_there(context, path))
        .map(String::as_str)
        .collect()
}

/// Moves what rpm left of brought packages into the run's directory. New directories go if nothing is in
/// them: what is in them is somebody else's.
pub(super) fn clear(
    context: &Context<'_>,
    baseline: &Baseline,
    changes: &[PackageChange<'_>],
) -> Result<(), String> {
    let away = context.layout.run(context.run).join("displaced");
    for change in changes {
        let Some(planned) = change.brings() else {
            continue;
        };
        for path in strays(context, baseline, *change) {
            let place = Place::of(&context.layout.at(path)).map_err(|error| chain(&error))?;
            let gone = if planned.own_directories.iter().any(|own| own == path) {
                place.remove()
            } else {
                let target = away.join(path.trim_start_matches('/'));
                let parent = target.parent().unwrap_or(&away);
                secure_fs::ensure_dir(parent, 0o700).and_then(|()| place.displace(&target))
            };
            gone.map_err(|error| chain(&error))?;
        }
    }
    Ok(())
}

fn is_there(context: &Context<'_>, path: &str) -> bool {
    context.layout.at(path).symlink_metadata().is_ok()
}
