//! Paths whose kind changes between two packages: a directory in one of them, and a symlink or a
//! file in the other. rpm replaces neither kind by the other; a scriptlet of the vendor does it. So
//! a way back has to put the old kind there before rpm puts the old package there. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::InstallPlan;
use crate::host::InstalledFile;
use manifests::package_files::PackageFiles;

const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;

/// A path that is a directory in one of two packages and something else in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turned {
    /// The path.
    pub path: String,
    /// What the new package has there, in words.
    pub into: String,
    /// The directory of the new package that a symlink leads to, if it owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Returns the paths whose kind changes.
pub(super) fn find(old: &[InstalledFile], new: &PackageFiles) -> Vec<Turned> {
    let mut found = Vec::new();
    for file in &new.files {
        let Some(before) = old.iter().find(|old| old.path == file.path) else {
            continue;
        };
        if (before.mode & KIND == DIRECTORY) == file.is_directory() {
            continue;
        }
        let target = resolved(&file.path, &file.link);
        let owned: BTreeSet<&str> = new
            .files
            .iter()
            .filter(|other| other.is_directory())
            .map(|other| other.path.as_str())
            .collect();
        let into = if file.is_directory() {
            "a directory".to_owned()
        } else if file.link.is_empty() {
            "a file".to_owned()
        } else {
            format!("a symlink to {}", file.link)
        };
        found.push(Turned {
            path: file.path.clone(),
            into,
            target: target.filter(|target| owned.contains(target.as_str())),
        });
    }
    found
}

/// Returns the absolute path that a symlink names.
fn resolved(path: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return None;
    }
    let (parent, _) = path.rsplit_once('/')?;
    let joined = if link.starts_with('/') {
        link.to_owned()
    } else {
        format!("{parent}/{link}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| format!("/{}", parts.join("/")))
}

/// Returns what a plan says about such paths.
pub(super) fn notes(plan: &InstallPlan) -> impl Iterator<Item = String> {
    let turned = plan.changes().flat_map(|change| change.turned);
    turned.map(|turned| {
        format!(
            "{} becomes {}: what lies there is saved, and a revert or an undo puts it back first",
            turned.path, turned.into
        )
    })
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn a_link_leads_to_an_absolute_path() {
        for (path, link, target) in [
            ("/opt/a/plugins", "/srv/a", Some("/srv/a")),
            ("/opt/a/plugins", "../b/./c", Some("/opt/b/c")),
            ("/opt/a/plugins", "beside", Some("/opt/a/beside")),
            ("/opt/a/plugins", "../../..", None),
            ("/opt/a/plugins", "", None),
        ] {
            assert_eq!(resolved(path, link).as_deref(), target, "{link}");
        }
    }
}
