//! Forecasts what `rpm -U` does to files that people may have edited. Pure. rpm's rules are the
//! table in docs/config-files.md; tests/tests/lab/config compares it with what rpm does.

use manifests::product::Component;
use serde::{Deserialize, Serialize};

use crate::host::{InstalledFile, InstalledPackage};
use crate::inventory::{Inventory, OnDisk};
use crate::plan::PlanKind;

/// A file with a change that its editor should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The file.
    pub path: String,
    /// What happens to it.
    pub fate: Fate,
    /// Whether the run deletes it again. Its operator had deleted it, and rpm creates it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted_again: bool,
}

impl Forecast {
    /// Describes what happens to a component's file.
    #[must_use]
    pub const fn text(&self, kind: PlanKind) -> &'static str {
        match kind {
            PlanKind::Upgrade if self.is_deleted_again => {
                "you deleted it; the package brings it again, and it is deleted again"
            }
            _ => self.fate.text(kind),
        }
    }
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// A configuration file that was not edited gets the new default.
    Updated,
    /// The edit stays; the vendor's default did not change.
    Kept,
    /// The edit stays; the vendor's new default is written beside it as `.rpmnew`.
    KeptWithRpmnew,
    /// The vendor's file replaces it; the edit is moved to `.rpmsave`.
    ReplacedWithRpmsave,
    /// The vendor's file takes the path of an unowned file, which is moved to `.rpmorig`.
    ReplacedWithRpmorig,
    /// The vendor's file replaces it and rpm keeps no copy: it is not configuration to rpm.
    Overwritten,
    /// It was deleted; rpm creates it again.
    Recreated,
    /// The new package has no such file; rpm removes it and keeps no copy.
    Removed,
    /// The new package has no such file; the edited configuration becomes `.rpmsave`.
    RemovedWithRpmsave,
    /// The caller may not read it.
    Unknown,
}

impl Fate {
    /// Whether an upgrade reports its differences afterwards ([`crate::backup::changes`]).
    #[must_use]
    pub const fn is_pictured(self) -> bool {
        !matches!(self, Self::Kept | Self::Unknown)
    }

    /// Describes the fate of a component's file.
    #[must_use]
    pub const fn text(self, kind: PlanKind) -> &'static str {
        match (self, kind) {
            (Self::Overwritten, PlanKind::Upgrade) => {
                "overwritten by the package; your edit is carried over if it merges, else put beside \
                 it as .yours"
            }
            _ => self.beside_text(kind),
        }
    }

    /// Describes the fate of a needed package's file. Such files are not merged.
    #[must_use]
    pub const fn beside_text(self, kind: PlanKind) -> &'static str {
        match (self, kind) {
            (Self::Kept, _) => "your edit is kept",
            (Self::Unknown, _) => "unknown: it cannot be read by this user",
            // An undo does more than rpm: afterwards the state from before the run is merged back.
            (Self::Updated | Self::Recreated, PlanKind::Undo { .. }) => {
                "rpm puts the old default there; then it becomes what it was before the run"
            }
            (_, PlanKind::Undo { .. }) => {
                "rpm moves your edit away; then it is merged with what was there before the run"
            }
            (Self::Updated, _) => "replaced by the new default; you did not edit it",
            (Self::KeptWithRpmnew, _) => "your edit is kept; the new default is written to .rpmnew",
            (Self::ReplacedWithRpmsave, _) => {
                "replaced by the new default; your edit goes to .rpmsave"
            }
            (Self::ReplacedWithRpmorig, _) => {
                "replaced by the package's file; yours goes to .rpmorig"
            }
            (Self::Overwritten, _) => "overwritten by the package; your edit is only in the backup",
            (Self::Recreated, _) => "you deleted it; the package brings it again",
            (Self::Removed, _) => "not part of the new package; your edit is in the backup",
            (Self::RemovedWithRpmsave, _) => {
                "not part of the new package; your edit goes to .rpmsave"
            }
        }
    }
}

/// Forecasts the same for a component. What its operator deleted below its trees, such as a sample
/// API, does not come back: its service would load it before anybody reads of it.
#[must_use]
pub fn of_component(component: &Component, mut forecasts: Vec<Forecast>) -> Vec<Forecast> {
    let is_below = |path: &str, dir: &str| {
        let rest = path.strip_prefix(dir);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_the_operators = |path: &str| {
        component.backup.iter().any(|tree| {
            let mut excluded = tree.exclude.iter();
            is_below(path, &tree.path) && !excluded.any(|dir| is_below(path, dir))
        })
    };
    for forecast in &mut forecasts {
        forecast.is_deleted_again =
            forecast.fate == Fate::Recreated && is_the_operators(&forecast.path);
    }
    forecasts
}

/// Forecasts what changing `installed` to a package with the files `target` does to the files of both.
#[must_use]
pub fn forecast(
    installed: &InstalledPackage,
    target: &[InstalledFile],
    inventory: &Inventory,
) -> Vec<Forecast> {
    let disk = |path: &str| inventory.disk.get(path);
    let had = |path: &str| installed.files.iter().find(|file| file.path == path);
    let old = installed
        .files
        .iter()
        .filter(|file| !file.digest.is_empty());
    let old = old.filter_map(|file| {
        let new = target.iter().find(|new| new.path == file.path);
        let disk = disk(&file.path).unwrap_or(&OnDisk::Unknown);
        Some((&file.path, fate(file, new, disk)?))
    });
    let new = target.iter().filter(|file| !file.digest.is_empty());
    let new = new.filter_map(|file| {
        let found = disk(&file.path).filter(|_| had(&file.path).is_none())?;
        Some((&file.path, fate_of_new(file, found)?))
    });
    old.chain(new)
        .map(|(path, fate)| Forecast {
            path: path.clone(),
            fate,
            is_deleted_again: false,
        })
        .collect()
}

/// A file is configuration if either package marks it so.
fn fate(old: &InstalledFile, new: Option<&InstalledFile>, disk: &OnDisk) -> Option<Fate> {
    let is_config = old.config || new.is_some_and(|new| new.config);
    let found = match disk {
        OnDisk::Sha256(digest) => digest.to_string(),
        OnDisk::Absent => return new.map(|_| Fate::Recreated),
        OnDisk::Unknown => return is_config.then_some(Fate::Unknown),
        OnDisk::Other => String::new(),
    };
    // An older digest algorithm cannot be compared with ours.
    if *disk != OnDisk::Other && old.digest.len() != found.len() {
        return is_config.then_some(Fate::Unknown);
    }
    let Some(new) = new else {
        return match (found == old.digest, old.config) {
            (true, _) => None,
            (false, true) => Some(Fate::RemovedWithRpmsave),
            (false, false) => Some(Fate::Removed),
        };
    };
    let is_same_default = old.digest == new.digest;
    if found == old.digest {
        return (is_config && !is_same_default).then_some(Fate::Updated);
    }
    if found == new.digest {
        return None;
    }
    Some(match (is_config, is_same_default, new.noreplace) {
        (false, ..) => Fate::Overwritten,
        (true, true, _) => Fate::Kept,
        (true, false, true) => Fate::KeptWithRpmnew,
        (true, false, false) => Fate::ReplacedWithRpmsave,
    })
}

/// The fate of a file without an owner, or of another package, where the new package has a file.
fn fate_of_new(new: &InstalledFile, disk: &OnDisk) -> Option<Fate> {
    match disk {
        OnDisk::Absent => None,
        OnDisk::Sha256(digest) if digest.to_string() == new.digest => None,
        OnDisk::Unknown => new.config.then_some(Fate::Unknown),
        _ if !new.config => Some(Fate::Overwritten),
        _ if new.noreplace => Some(Fate::KeptWithRpmnew),
        _ => Some(Fate::ReplacedWithRpmorig),
    }
}

#[cfg(test)]
mod tests {
    use manifests::digest::Sha256;

    use super::*;

    fn file(config: bool, noreplace: bool, digest: &str) -> InstalledFile {
        InstalledFile {
            path: "/f".into(),
            mode: 0o100_644,
            digest: Sha256::of(digest.as_bytes()).to_string(),
            config,
            noreplace,
        }
    }

    fn disk(text: &str) -> OnDisk {
        OnDisk::Sha256(Sha256::of(text.as_bytes()))
    }

    /// tests/tests/lab/config compares this with rpm's behaviour.
    #[test]
    fn the_table_of_rpms_rules_holds() {
        let conf = file(true, true, "v1");
        let [v1, v2] = ["v1", "v2"].map(|text| Some(file(true, true, text)));
        let replaced = Some(file(true, false, "v2"));
        let cases = [
            (disk("v1"), v1.clone(), None),
            (disk("v1"), v2.clone(), Some(Fate::Updated)),
            (disk("v2"), v2.clone(), None),
            (disk("mine"), v1, Some(Fate::Kept)),
            (disk("mine"), v2.clone(), Some(Fate::KeptWithRpmnew)),
            (disk("mine"), replaced, Some(Fate::ReplacedWithRpmsave)),
            (OnDisk::Other, v2.clone(), Some(Fate::KeptWithRpmnew)),
            (disk("mine"), None, Some(Fate::RemovedWithRpmsave)),
            (disk("v1"), None, None),
            (OnDisk::Absent, None, None),
            (OnDisk::Absent, v2.clone(), Some(Fate::Recreated)),
            (OnDisk::Unknown, v2, Some(Fate::Unknown)),
        ];
        for (disk, new, expected) in cases {
            assert_eq!(
                fate(&conf, new.as_ref(), &disk),
                expected,
                "{disk:?} {new:?}"
            );
        }
        let plain = |text| file(false, false, text);
        let both = |disk: &str| fate(&plain("v1"), Some(&plain("v1")), &super::tests::disk(disk));
        assert_eq!(both("mine"), Some(Fate::Overwritten));
        assert_eq!(both("v1"), None);
        assert_eq!(fate(&plain("v1"), None, &disk("mine")), Some(Fate::Removed));
    }

    #[test]
    fn what_an_operator_deleted_below_a_components_trees_does_not_come_back() {
        let tyk = manifests::product::ProductManifest::from_toml(manifests::product::TYK).unwrap();
        let of = |path: &str| {
            let one = Forecast {
                path: path.to_owned(),
                fate: Fate::Recreated,
                is_deleted_again: false,
            };
            of_component(&tyk.components[0], vec![one])[0].is_deleted_again
        };
        assert!(of("/opt/tyk-gateway/apps/app_sample.json"));
        // Its program, and what no backup holds.
        assert!(!of("/opt/tyk-gateway/tyk"));
        assert!(!of("/opt/tyk-gateway-2/x"));
        assert!(!of("/usr/share/doc/tyk-gateway/README"));
    }

    #[test]
    fn an_unowned_file_in_the_way_is_forecast() {
        let cases = [
            (
                file(true, true, "v2"),
                disk("mine"),
                Some(Fate::KeptWithRpmnew),
            ),
            (
                file(true, false, "v2"),
                disk("mine"),
                Some(Fate::ReplacedWithRpmorig),
            ),
            (
                file(false, false, "v2"),
                disk("mine"),
                Some(Fate::Overwritten),
            ),
            (file(true, false, "v2"), disk("v2"), None),
            (file(true, false, "v2"), OnDisk::Absent, None),
        ];
        for (new, disk, expected) in cases {
            assert_eq!(fate_of_new(&new, &disk), expected, "{disk:?} {new:?}");
        }
    }
}
