//! The filesystems on which a run works. After a power cut one of them may not be mounted yet; what a
//! revert would then write below the bare mount point, the mount would hide. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::scope::trees;
use super::{Baseline, Group, InstallPlan};
use crate::host::Mount;

/// The filesystem of a directory: its mount point and its kind. The source of a mount may have
/// another name after a boot (`/dev/sdb1`), and a device number changes too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// Where it is mounted.
    pub point: String,
    /// Its kind, such as `xfs`.
    pub kind: String,
}

impl InstallPlan {
    /// Returns the directories that a run and its revert write to.
    #[must_use]
    pub fn touched(&self, mounts: &[String]) -> BTreeSet<String> {
        let baseline = Baseline {
            mounts: mounts.to_vec(),
            ..Baseline::default()
        };
        let all: Vec<&Group> = self.groups.iter().collect();
        let (trees, _) = trees(&all, &baseline);
        let mut touched = self.directories();
        touched.extend(trees);
        touched
    }
}

/// Returns the filesystem of each directory.
#[must_use]
pub fn filesystems(
    directories: &BTreeSet<String>,
    mounts: &[Mount],
) -> BTreeMap<String, Filesystem> {
    let of = |directory: &String| Some((directory.clone(), covering(directory, mounts)?));
    directories.iter().filter_map(of).collect()
}

/// Returns the mount that covers a path. Of several at one point, the last one is seen.
fn covering(path: &str, mounts: &[Mount]) -> Option<Filesystem> {
    let covers = |point: &str| {
        let rest = path.strip_prefix(point.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let covering = mounts.iter().filter(|mount| covers(&mount.point));
    let nearest = covering.max_by_key(|mount| mount.point.len())?;
    Some(Filesystem {
        point: nearest.point.clone(),
        kind: nearest.kind.clone(),
    })
}

/// Returns, in words, what is mounted otherwise than before the run.
#[must_use]
pub fn differences(before: &BTreeMap<String, Filesystem>, mounts: &[Mount]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (directory, before) in before {
        let now = covering(directory, mounts);
        if now.as_ref() == Some(before) {
            continue;
        }
        found.insert(match now {
            Some(now) if now.point == before.point => {
                format!("{} was {} and is {}", before.point, before.kind, now.kind)
            }
            Some(now) if now.point.len() > before.point.len() => format!(
                "{} is mounted over {directory}, which was on {} before",
                now.point, before.point
            ),
            _ => format!("{} is not mounted", before.point),
        });
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(list: &[(&str, &str)]) -> Vec<Mount> {
        let mount = |(point, kind): &(&str, &str)| Mount {
            point: (*point).to_owned(),
            kind: (*kind).to_owned(),
        };
        list.iter().map(mount).collect()
    }

    #[test]
    fn a_filesystem_that_is_not_back_is_found() {
        let directories = ["/opt/p", "/opt/p/apps", "/etc/p", "/optional"];
        let directories = directories.map(str::to_owned).into();
        let before = mounts(&[("/", "xfs"), ("/opt", "autofs"), ("/opt", "ext4")]);
        let recorded = filesystems(&directories, &before);
        assert_eq!(recorded["/opt/p"].kind, "ext4");
        assert_eq!(recorded["/optional"].point, "/");
        assert!(differences(&recorded, &before).is_empty());
        let away = mounts(&[("/", "xfs")]);
        assert_eq!(differences(&recorded, &away), ["/opt is not mounted"]);
        let other = mounts(&[("/", "xfs"), ("/opt", "tmpfs")]);
        assert_eq!(
            differences(&recorded, &other),
            ["/opt was ext4 and is tmpfs"]
        );
        let more = mounts(&[("/", "xfs"), ("/opt", "ext4"), ("/etc", "nfs4")]);
        let over = "/etc is mounted over /etc/p, which was on / before";
        assert_eq!(differences(&recorded, &more), [over]);
    }
}
