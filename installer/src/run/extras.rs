//! Writes files beside packages: after rpm's work was checked, and before the services that load
//! them start. The files of the old version stay, because a revert needs them.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::StepError;
use super::{Context, StepResult};
use crate::backup::capture::from_hex;
use crate::backup::snapshot::Snapshot;
use crate::bundle::StagedExtra;
use crate::plan::Group;
use crate::plan::extras::PlannedExtra;
use crate::secure_fs::{Ownership, Place};

/// Attributes that a new file copies from its neighbour. Its capabilities are not copied.
const SHARED: [&str; 2] = ["security.selinux", "system.posix_acl_access"];

/// Writes the files that come with the bundle.
pub(super) fn write(context: &Context<'_>, before: &Snapshot, groups: &[&Group]) -> StepResult {
    let mut written: Vec<&str> = Vec::new();
    for planned in coming(groups) {
        let staged = StagedExtra::reopen(context.layout, &planned.sha256)?;
        let owner = Ownership {
            mode: planned.mode,
            uid: planned.uid,
            gid: planned.gid,
            mtime_secs: i64::try_from(planned.modified).unwrap_or(0),
            mtime_nanos: 0,
        };
        let shared = shared(before, planned);
        Place::of(&context.layout.at(&planned.path))
            .and_then(|place| place.copy_from(&mut staged.file(), owner, &shared))?;
        written.push(&planned.path);
    }
    Ok(written.join(", "))
}

/// Removes what an interrupted write left. Only the restore of a whole tree would remove it
/// otherwise, and the file's directory may not be such a tree.
pub(super) fn sweep(context: &Context<'_>, groups: &[&Group]) -> Result<(), StepError> {
    for planned in coming(groups) {
        let path = context.layout.at(&planned.path);
        if path.parent().is_some_and(Path::exists) {
            Place::of(&path).and_then(|place| place.sweep())?;
        }
    }
    Ok(())
}

fn coming<'a>(groups: &'a [&'a Group]) -> impl Iterator<Item = &'a PlannedExtra> {
    groups.iter().flat_map(|group| &group.extras.coming)
}

/// Returns attributes of the file that the new one resembles. If the backup lacks that file, the
/// directory's rules give the label.
fn shared(before: &Snapshot, planned: &PlannedExtra) -> Vec<(String, Vec<u8>)> {
    let like = planned.like.as_ref();
    let like = like.and_then(|path| before.entries.get(path));
    let attributes = like.into_iter().flat_map(|entry| &entry.xattrs);
    let wanted: BTreeSet<&str> = SHARED.into_iter().collect();
    attributes
        .filter(|(name, _)| wanted.contains(name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), from_hex(value)?)))
        .collect()
}
