//! The fake rpm database, and rpm's answers about it.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::time::Duration;

use installer::host::{InstalledFile, InstalledPackage, RpmContents};
use installer::layout::Layout;
use manifests::digest::Sha256;
use manifests::host_inventory::HostPackage;

use super::disk;
use super::package::{Package, Packaged};

/// What a killed rpm leaves behind on Berkeley DB.
const STALE: &str = "/var/lib/rpm/__db.001";

/// How rpm keeps its database and unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flavour {
    /// As EL9: sqlite; all files are unpacked under temporary names, then renamed.
    Sqlite,
    /// As EL7: Berkeley DB; each file is unpacked and renamed by itself.
    BerkeleyDb,
}

/// The headers of installed packages, in order of installation.
#[derive(Debug, Clone)]
pub(crate) struct Rpmdb {
    pub(crate) flavour: Flavour,
    headers: BTreeMap<u32, Arc<Package>>,
    next: u32,
}

impl Rpmdb {
    pub(crate) const fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            headers: BTreeMap::new(),
            next: 1,
        }
    }

    pub(crate) fn add(&mut self, package: Arc<Package>) -> u32 {
        let instance = self.next;
        self.headers.insert(instance, package);
        self.next += 1;
        instance
    }

    pub(crate) fn remove(&mut self, instance: u32) {
        self.headers.remove(&instance);
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Package>> {
        self.headers.values()
    }

    /// Returns the instances of a name, newest installation last.
    pub(crate) fn instances(&self, name: &str) -> Vec<(u32, Arc<Package>)> {
        let named = self.headers.iter().filter(|(_, p)| p.name() == name);
        named.map(|(at, p)| (*at, Arc::clone(p))).collect()
    }

    /// Whether another instance than `besides` has a file at `path`.
    pub(crate) fn owns(&self, path: &str, besides: u32) -> bool {
        let others = self.headers.iter().filter(|(at, _)| **at != besides);
        others.into_iter().any(|(_, p)| p.file(path).is_some())
    }

    /// A kill in mid-transaction: Berkeley DB keeps an environment that is never cleaned up.
    pub(crate) fn killed(&self, layout: &Layout) {
        if self.flavour == Flavour::BerkeleyDb {
            disk::write(&layout.at(STALE), b"stale", 0o644, Duration::ZERO);
        }
    }

    pub(crate) fn is_stale(&self, layout: &Layout) -> bool {
        self.flavour == Flavour::BerkeleyDb && layout.at(STALE).exists()
    }

    /// Removes the stale environment.
    pub(crate) fn heal(&self, layout: &Layout) {
        if self.is_stale(layout) {
            disk::remove(&layout.at(STALE));
        }
    }

    /// Answers `rpm -qa`.
    pub(crate) fn query(&self, layout: &Layout, names: &[&str]) -> Vec<InstalledPackage> {
        if self.is_stale(layout) {
            return Vec::new();
        }
        let asked = self.all().filter(|p| names.contains(&p.name()));
        let mut found: Vec<InstalledPackage> = asked.map(describe).collect();
        found.sort_by(|a, b| a.nevra.cmp(&b.nevra));
        found
    }

    /// Answers `rpm -qa` with what every package offers: here, its name.
    pub(crate) fn contents(&self) -> RpmContents {
        let offered = |package: InstalledPackage| HostPackage {
            build_time: package.build_time,
            header: String::new(),
            provides: vec![format!(
                "{} = {}",
                package.nevra.name(),
                package.nevra.evr()
            )],
            conflicts: Vec::new(),
            paths: Vec::new(),
            nevra: package.nevra,
        };
        let packages = self.all().map(describe).map(offered);
        RpmContents {
            packages: packages.collect(),
            skipped: Vec::new(),
            database: format!("{:?}", self.flavour).to_lowercase(),
        }
    }

    /// Answers `rpm -V`.
    pub(crate) fn verify(&self, layout: &Layout, names: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        for name in names {
            let found = self.instances(name);
            if found.is_empty() || self.is_stale(layout) {
                lines.push(format!("package {name} is not installed"));
                continue;
            }
            for (_, package) in found {
                let files = package.files.iter();
                lines.extend(files.filter_map(|file| verify(layout, &package, file)));
            }
        }
        lines.sort();
        lines
    }
}

pub(crate) fn describe(package: &Arc<Package>) -> InstalledPackage {
    let file = |file: &Packaged| InstalledFile {
        path: file.path.clone(),
        mode: 0o100_000 | file.mode,
        digest: file.digest().to_string(),
        config: file.is_config(),
        noreplace: file.kind == super::package::FileKind::NoReplace,
    };
    InstalledPackage {
        nevra: package.nevra.clone(),
        build_time: package.build_time,
        files: package.files.iter().map(file).collect(),
    }
}

/// Returns the line of `rpm -V` about a file, if it differs.
fn verify(layout: &Layout, package: &Package, file: &Packaged) -> Option<String> {
    let mark = if file.is_config() { 'c' } else { ' ' };
    let path = layout.at(&file.path);
    let Ok(metadata) = path.symlink_metadata() else {
        return Some(format!("missing   {mark} {}", file.path));
    };
    let content = disk::read(&path).unwrap_or_default();
    let says = |differs: bool, letter: char| if differs { letter } else { '.' };
    let size = says(content.len() != file.content.len(), 'S');
    let mode = says(metadata.permissions().mode() & 0o7777 != file.mode, 'M');
    let digest = says(Sha256::of(&content) != file.digest(), '5');
    let mtime = u64::try_from(metadata.mtime()).unwrap_or(0);
    let time = says(mtime != package.build_time, 'T');
    let attributes = format!("{size}{mode}{digest}....{time}.");
    (attributes != ".........").then(|| format!("{attributes}  {mark} {}", file.path))
}
