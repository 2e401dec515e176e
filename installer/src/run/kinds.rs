//! Puts back what a path is: a directory, a symlink, or something else. rpm cannot do it: it
//! refuses to put a directory in the place of a symlink, and a file in the place of a directory. A
//! vendor's scriptlet may have done it on the way there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::StepError;
use super::{Baseline, Context};
use crate::backup::restore::restore;
use crate::backup::snapshot::Snapshot;
use crate::plan::{PackageChange, PathKind};
use crate::secure_fs::{self, Ownership, Place};
use crate::shell::quoted;

/// Which paths of a package are put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those whose kind the package changes, and its directories: this run changed them.
    All,
    /// Those whose kind the package changes. A person may have moved its directories since.
    Turned,
}

/// Records what is at each directory of the plan's packages.
pub(super) fn record(context: &Context<'_>, baseline: &mut Baseline) {
    baseline.kinds = kinds(context);
    let is_link = |kind: &PathKind| matches!(kind, PathKind::Symlink { .. });
    let links = baseline.kinds.iter().filter(|(_, kind)| is_link(kind));
    let above = links.flat_map(|(path, _)| above(path));
    let known = above.filter_map(|dir| Some((dir.to_owned(), owner(context, dir)?)));
    baseline.above_links = known.collect();
}

/// Returns the directories above a path, outer ones first.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
    ends.filter(|dir| !dir.is_empty())
}

fn owner(context: &Context<'_>, path: &str) -> Option<Ownership> {
    let metadata = context.layout.at(path).symlink_metadata().ok()?;
    Some(ownership(&metadata))
}

fn ownership(metadata: &Metadata) -> Ownership {
    Ownership {
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime_secs: metadata.mtime(),
        mtime_nanos: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
    }
}

fn kinds(context: &Context<'_>) -> BTreeMap<String, PathKind> {
    let paths = context
        .plan
        .changes()
        .flat_map(|change| paths(change, Which::All));
    let paths: BTreeSet<String> = paths.collect();
    paths
        .into_iter()
        .map(|path| {
            let kind = look(context, &path);
            (path, kind)
        })
        .collect()
}

/// Returns the paths of a change, outer ones first.
fn paths(change: PackageChange<'_>, which: Which) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = change.turned.iter().map(|one| one.path.clone()).collect();
    if which == Which::Turned {
        return found;
    }
    for directory in change.rpms().flat_map(|rpm| &rpm.directories) {
        let all = above(directory).chain([directory.as_str()]);
        found.extend(all.filter(|part| part.len() > 1).map(str::to_owned));
    }
    found
}

fn look(context: &Context<'_>, path: &str) -> PathKind {
    let path = context.layout.at(path);
    let Ok(metadata) = path.symlink_metadata() else {
        return PathKind::Absent;
    };
    let target = std::fs::read_link(&path).ok();
    match target.as_ref().and_then(|target| target.to_str()) {
        Some(target) => PathKind::Symlink {
            target: target.to_owned(),
            owner: ownership(&metadata),
        },
        None if metadata.is_dir() => PathKind::Directory,
        None => PathKind::Other,
    }
}

/// Makes each path what it was, and moves what is there now into the run's directory. What belongs
/// into a directory comes from the package and from the backup afterwards.
pub(super) fn put_back(
    context: &Context<'_>,
    before: &Baseline,
    changes: &[PackageChange<'_>],
    which: Which,
) -> Result<(), StepError> {
    let wanted: BTreeSet<String> = changes
        .iter()
        .flat_map(|change| paths(*change, which))
        .collect();
    let away = context.dir().displaced_anew();
    for path in wanted {
        let Some(was) = before.kinds.get(&path) else {
            continue;
        };
        let now = look(context, &path);
        match (was, &now) {
            (PathKind::Symlink { target, owner }, now) if !is_same(was, now) => {
                move_away(context, &away, &path, now)?;
                restore_above(context, &before.above_links, &path)?;
                let place = Place::of(&context.layout.at(&path))?;
                place.restore_symlink(target, *owner, &[])?;
            }
            (PathKind::Directory, PathKind::Symlink { .. } | PathKind::Other)
            | (PathKind::Other, PathKind::Symlink { .. } | PathKind::Directory) => {
                move_away(context, &away, &path, &now)?;
            }
            // What comes back is the old package's.
            (PathKind::Absent, PathKind::Symlink { .. } | PathKind::Directory)
                if changes
                    .iter()
                    .any(|one| one.turned.iter().any(|t| t.path == path)) =>
            {
                move_away(context, &away, &path, &now)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes the directories above a symlink that are not there any more.
fn restore_above(
    context: &Context<'_>,
    known: &BTreeMap<String, Ownership>,
    path: &str,
) -> Result<(), StepError> {
    for dir in above(path) {
        let (Some(owner), PathKind::Absent) = (known.get(dir), look(context, dir)) else {
            continue;
        };
        let place = Place::of(&context.layout.at(dir))?;
        place.restore_dir()?;
        place.set_ownership(*owner, &[], &[])?;
    }
    Ok(())
}

/// Returns the commands with which a person does the same.
pub(super) fn by_hand(
    context: &Context<'_>,
    before: &BTreeMap<String, PathKind>,
    changes: &[PackageChange<'_>],
) -> Vec<String> {
    let wanted: BTreeSet<String> = changes
        .iter()
        .flat_map(|one| paths(*one, Which::All))
        .collect();
    let mut commands = Vec::new();
    for path in wanted {
        let (Some(was), now) = (before.get(&path), look(context, &path)) else {
            continue;
        };
        if is_same(was, &now) || matches!(was, PathKind::Absent) {
            continue;
        }
        let word = quoted(&path);
        if now != PathKind::Absent && !matches!((was, &now), (PathKind::Other, PathKind::Other)) {
            let away = quoted(&format!("{path}.moved-away"));
            commands.push(format!("mv -T {word} {away}"));
        }
        if let PathKind::Symlink { target, .. } = was {
            let dir = above(&path).last().unwrap_or("/");
            if look(context, dir) == PathKind::Absent {
                commands.push(format!("mkdir -p {}", quoted(dir)));
            }
            commands.push(format!("ln -s {} {word}", quoted(target)));
        }
    }
    commands
}

/// The times of a symlink do not matter.
fn is_same(was: &PathKind, now: &PathKind) -> bool {
    match (was, now) {
        (PathKind::Symlink { target: was, .. }, PathKind::Symlink { target: now, .. }) => {
            was == now
        }
        _ => was == now,
    }
}

fn move_away(
    context: &Context<'_>,
    away: &Path,
    path: &str,
    now: &PathKind,
) -> Result<(), StepError> {
    match now {
        PathKind::Absent => {}
        // Its files may lie on another filesystem than the run's directory: each is moved by itself.
        PathKind::Directory => {
            let nothing = Snapshot::new(vec![path.to_owned()], Vec::new());
            restore(context.layout, &context.blobs()?, &nothing, away)?;
        }
        PathKind::Symlink { .. } | PathKind::Other => {
            let target = away.join(path.trim_start_matches('/'));
            let parent = target.parent().unwrap_or(away);
            secure_fs::ensure_dir(parent, 0o700)?;
            Place::of(&context.layout.at(path))?.displace(&target)?;
        }
    }
    Ok(())
}
