//! What `rpm -U` will do to files that people edited. Pure; rpm's rules are the table in
//! docs/config-files.md (the same code from rpm 4.11 to 4.18).

use manifests::package_files::{PackageFiles, PackagedFile};
use serde::{Deserialize, Serialize};

use crate::host::{InstalledFile, InstalledPackage};
use crate::inventory::{Inventory, OnDisk};

/// A file to which something happens that its editor should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The file.
    pub path: String,
    /// What happens to it.
    pub fate: Fate,
}

/// What happens to an edited file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The edit stays; the vendor's default did not change.
    Kept,
    /// The edit stays; the vendor's new default is written beside it as `.rpmnew`.
    KeptWithRpmnew,
    /// The vendor's file replaces it; the edit is moved to `.rpmsave`.
    ReplacedWithRpmsave,
    /// The vendor's file replaces it without a trace: it is no configuration file to rpm.
    Overwritten,
    /// The new package has no such file; an edited configuration file becomes `.rpmsave`.
    Removed,
    /// The caller may not read it.
    Unknown,
}

impl Fate {
    /// Says it to a person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Kept => "your edit is kept",
            Self::KeptWithRpmnew => "your edit is kept; the new default is written to .rpmnew",
            Self::ReplacedWithRpmsave => "replaced by the new default; your edit goes to .rpmsave",
            Self::Overwritten => "overwritten by the package; your edit is only in the backup",
            Self::Removed => "not part of the new package; your edit is in the backup",
            Self::Unknown => "unknown: it cannot be read by this user",
        }
    }
}

/// Forecasts what upgrading `installed` to `target` does to edited files.
#[must_use]
pub fn forecast(
    installed: &InstalledPackage,
    target: &PackageFiles,
    inventory: &Inventory,
) -> Vec<Forecast> {
    let mut found = Vec::new();
    for file in installed
        .files
        .iter()
        .filter(|file| !file.digest.is_empty())
    {
        let disk = inventory.disk.get(&file.path).unwrap_or(&OnDisk::Unknown);
        let new = target.files.iter().find(|new| new.path == file.path);
        if let Some(fate) = fate(file, new, disk) {
            found.push(Forecast {
                path: file.path.clone(),
                fate,
            });
        }
    }
    found
}

fn fate(old: &InstalledFile, new: Option<&PackagedFile>, disk: &OnDisk) -> Option<Fate> {
    let digest = match disk {
        OnDisk::Sha256(digest) => digest.to_string(),
        OnDisk::Absent => return None,
        OnDisk::Unknown => return old.config.then_some(Fate::Unknown),
    };
    // An older digest algorithm cannot be compared with ours.
    if old.digest.len() != digest.len() {
        return old.config.then_some(Fate::Unknown);
    }
    if digest == old.digest {
        return None;
    }
    let Some(new) = new else {
        return Some(Fate::Removed);
    };
    if digest == new.digest {
        return None;
    }
    if !new.config {
        return Some(Fate::Overwritten);
    }
    Some(match (old.digest == new.digest, new.noreplace) {
        (true, _) => Fate::Kept,
        (false, true) => Fate::KeptWithRpmnew,
        (false, false) => Fate::ReplacedWithRpmsave,
    })
}

#[cfg(test)]
mod tests {
    use manifests::digest::Sha256;

    use super::*;

    fn old(config: bool, digest: &str) -> InstalledFile {
        let digest = Sha256::of(digest.as_bytes()).to_string();
        InstalledFile {
            path: "/f".into(),
            mode: 0o100_644,
            digest,
            config,
            noreplace: config,
        }
    }

    fn new(config: bool, noreplace: bool, digest: &str) -> PackagedFile {
        let digest = Sha256::of(digest.as_bytes()).to_string();
        let text = String::new;
        let (user, group, link, path) = (text(), text(), text(), "/f".to_owned());
        let (mode, size, ghost) = (0o100_644, 1, false);
        PackagedFile {
            capabilities: String::new(),
            path,
            mode,
            user,
            group,
            size,
            digest,
            link,
            config,
            noreplace,
            ghost,
        }
    }

    fn disk(text: &str) -> OnDisk {
        OnDisk::Sha256(Sha256::of(text.as_bytes()))
    }

    #[test]
    fn the_table_of_rpms_rules_holds() {
        let conf = old(true, "v1");
        let cases = [
            (disk("v1"), Some(new(true, true, "v2")), None),
            (disk("v2"), Some(new(true, true, "v2")), None),
            (disk("mine"), Some(new(true, true, "v1")), Some(Fate::Kept)),
            (disk("mine"), Some(new(true, false, "v1")), Some(Fate::Kept)),
            (
                disk("mine"),
                Some(new(true, true, "v2")),
                Some(Fate::KeptWithRpmnew),
            ),
            (
                disk("mine"),
                Some(new(true, false, "v2")),
                Some(Fate::ReplacedWithRpmsave),
            ),
            (
                disk("mine"),
                Some(new(false, false, "v2")),
                Some(Fate::Overwritten),
            ),
            (disk("mine"), None, Some(Fate::Removed)),
            (OnDisk::Absent, Some(new(true, true, "v2")), None),
            (
                OnDisk::Unknown,
                Some(new(true, true, "v2")),
                Some(Fate::Unknown),
            ),
        ];
        for (disk, new, expected) in cases {
            assert_eq!(
                fate(&conf, new.as_ref(), &disk),
                expected,
                "{disk:?} {new:?}"
            );
        }
        assert_eq!(
            fate(
                &old(false, "v1"),
                Some(&new(false, false, "v1")),
                &disk("mine")
            ),
            Some(Fate::Overwritten)
        );
    }
}
