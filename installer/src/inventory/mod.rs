//! Takes the inventory of what the host runs now: the second input of a plan. Nothing is changed.
//! Whatever an ordinary user cannot read is `Unknown`.

pub mod extras;
pub(crate) mod left;
pub mod report;
pub mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use manifests::bundle::Role;
use manifests::digest::{Sha256, of_reader};
use manifests::host_inventory::HostPackage;
use manifests::package_files::PackageFiles;
use manifests::product::Component;
use serde::{Deserialize, Serialize};

use self::extras::FoundExtras;
use self::services::FoundService;
use crate::bundle::{StagedRpmSet, VerifiedMetadata};
use crate::host::{Host, HostError, Identity, InstalledFile, InstalledPackage};
use crate::layout::Layout;
use crate::stores::{self, FoundStores};
use crate::trust::sequence::{self, Remembered};

/// The state of the host for a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Operating system, architecture, rpm.
    pub(crate) identity: Identity,
    /// Installed packages of the product.
    pub packages: Vec<InstalledPackage>,
    /// Files of the installed packages as they are on disk.
    pub(crate) disk: BTreeMap<String, OnDisk>,
    /// Every installed package, if the plan may have to check what other packages need.
    pub(crate) everything: Vec<HostPackage>,
    /// Whether `/bin` is a link into `/usr`.
    pub(crate) merged_usr: bool,
    /// Mount points, for the trees that a backup leaves out.
    pub(crate) mounts: Vec<String>,
    /// Symlinks to directories in the middle of the packages' paths, with what they lead to.
    pub(crate) links: BTreeMap<String, String>,
    /// Units of configuration agents that are at work.
    pub(crate) agents: Vec<String>,
    /// The host's clock, seconds since 1970.
    pub(crate) clock: u64,
    /// The newest bundle of the product that was committed here.
    pub(crate) remembered: Remembered,
    /// The data stores that the product's components use.
    pub(crate) stores: FoundStores,
    /// Whether the host is another root directory: its services and data stores cannot be asked.
    pub(crate) is_elsewhere: bool,
    /// Configuration files of components that are not installed, by component.
    pub(crate) left: BTreeMap<String, Vec<String>>,
    /// Components whose unit is neither enabled nor at work.
    pub(crate) idle: BTreeSet<String>,
    /// The services of the product's components, as systemd runs them.
    pub(crate) services: BTreeMap<String, FoundService>,
    /// Files beside packages that the product manifest describes.
    pub(crate) extras: Vec<FoundExtras>,
    /// File lists of stored RPMs to which a plan may go back, if their headers can be read.
    pub headers: BTreeMap<Sha256, Vec<InstalledFile>>,
}

/// The state of a packaged file on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDisk {
    /// Its digest.
    Sha256(Sha256),
    /// The file does not exist.
    Absent,
    /// It is not a regular file.
    Other,
    /// The caller cannot read it.
    Unknown,
}

/// The scope of an inventory.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// Packages.
    pub packages: Vec<&'a str>,
    /// Components, whose units and data stores are inspected too.
    pub components: Vec<&'a Component>,
    /// Stored RPMs to which a plan may go back.
    pub stored: BTreeSet<Sha256>,
    /// Packages of other names that the components' packages replace, by component.
    pub predecessors: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// Returns the packages of other names that the targets of each component replace.
fn predecessors<'a>(
    metadata: &'a VerifiedMetadata,
    own: &BTreeSet<&str>,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for rpm in &metadata.manifest().rpms {
        let targets = rpm
            .uses
            .iter()
            .filter(|purpose| purpose.role == Role::Target);
        for (purpose, list) in targets.filter_map(|p| Some((p, metadata.files(&rpm.sha256)?))) {
            let names = list.obsoletes.iter().map(|obsolete| obsolete.name.as_str());
            let names = names.filter(|name| !own.contains(name));
            found.entry(&purpose.component).or_default().extend(names);
        }
    }
    found
}

/// Units of agents that apply a site's configuration again and again: they may remove drop-ins and
/// start services in the middle of a run.
const AGENTS: [&str; 7] = [
    "puppet.service",
    "pe-puppet.service",
    "chef-client.service",
    "cinc-client.service",
    "salt-minion.service",
    "cfengine3.service",
    "rudder-agent.service",
];

fn agents(host: &dyn Host, identity: &Identity) -> Result<Vec<String>, HostError> {
    let mut found = Vec::new();
    for unit in AGENTS.iter().filter(|_| identity.systemd) {
        if host.unit(unit)?.is_up() {
            found.push((*unit).to_owned());
        }
    }
    Ok(found)
}

impl Inventory {
    /// Takes the inventory for a bundle, including packages that it carries beside the product.
    pub fn for_bundle(
        host: &dyn Host,
        layout: &Layout,
        metadata: &VerifiedMetadata,
    ) -> Result<Self, HostError> {
        let components: Vec<&Component> = metadata.product().components.iter().collect();
        let own: BTreeSet<&str> = components.iter().flat_map(|c| c.all_packages()).collect();
        let predecessors = predecessors(metadata, &own);
        let before = predecessors.values().flatten().copied();
        let product = Subject {
            packages: own.iter().copied().chain(before).collect(),
            components,
            stored: BTreeSet::new(),
            predecessors: predecessors.clone(),
        };
        let mut inventory = Self::take(host, layout, &product)?;
        let manifest = metadata.manifest();
        inventory.remembered = metadata
            .learned()
            .root_of(metadata.verified())
            .map_or(Remembered::Nothing, |root| {
                sequence::remembered(layout, &manifest.product, &manifest.channel, root)
            });
        for list in lists(metadata) {
            inventory.add_present(layout, &InstalledFile::of_list(list));
        }
        let is_known = |name: &&str| !product.packages.contains(name);
        let carried = || metadata.manifest().rpms.iter();
        let needed: BTreeSet<&str> = carried()
            .filter(|rpm| rpm.uses.iter().any(|u| u.role == Role::Dependency))
            .map(|rpm| rpm.nevra.name())
            .filter(is_known)
            .collect();
        // Packages that a new package would replace under another name.
        let obsoleted: BTreeSet<&str> = carried()
            .filter_map(|rpm| metadata.files(&rpm.sha256))
            .flat_map(|list| &list.obsoletes)
            .map(|obsolete| obsolete.name.as_str())
            .filter(is_known)
            .collect();
        let names: Vec<&str> = needed.union(&obsoleted).copied().collect();
        if !names.is_empty() {
            inventory.add(layout, host.installed(&names)?);
        }
        if !needed.is_empty() {
            inventory.everything = host.rpm_contents()?.packages;
        }
        inventory.find_extras(host, layout, metadata);
        Ok(inventory)
    }

    fn find_extras(&mut self, host: &dyn Host, layout: &Layout, metadata: &VerifiedMetadata) {
        let Some(arch) = self.identity.arch else {
            return;
        };
        let entries = metadata.manifest().entries.iter();
        let carried = entries.filter(|entry| entry.path.is_under("extras"));
        let carried = carried.filter_map(|entry| Some(entry.path.as_str().rsplit_once('/')?.1));
        let is_installed = |component: &Component| !self.installed(&component.package).is_empty();
        let (product, carried) = (metadata.product(), carried.collect());
        self.extras = extras::find(host, layout, product, arch, is_installed, &carried);
    }

    /// Returns what a plan says about the configuration agents at work.
    pub(crate) fn agent_notes(&self) -> impl Iterator<Item = String> {
        self.agents.iter().map(|unit| {
            format!(
                "{unit} is at work: it may start services or remove files in the middle of the run. Pause \
                 it first; a service that is started behind the run ends it with a revert"
            )
        })
    }

    /// Takes the inventory of some packages and components.
    pub fn take(
        host: &dyn Host,
        layout: &Layout,
        subject: &Subject<'_>,
    ) -> Result<Self, HostError> {
        let identity = host.identity()?;
        let packages = host.installed(&subject.packages)?;
        let units = subject.components.iter().filter_map(|c| c.unit.as_ref());
        // Find a systemd that does not answer now and not during a run. A bare template has no
        // state.
        for unit in units.filter(|unit| identity.systemd && !unit.contains("@.")) {
            host.unit(unit)?;
        }
        let agents = agents(host, &identity)?;
        let mut inventory = Self {
            identity,
            mounts: if layout.is_live() {
                host.mounts()?
            } else {
                Vec::new()
            },
            links: BTreeMap::new(),
            agents,
            packages: Vec::new(),
            disk: BTreeMap::new(),
            everything: Vec::new(),
            merged_usr: layout.has_merged_usr(),
            clock: host.now(),
            remembered: Remembered::Nothing,
            stores: FoundStores::default(),
            is_elsewhere: !layout.is_live(),
            left: BTreeMap::new(),
            idle: BTreeSet::new(),
            services: BTreeMap::new(),
            extras: Vec::new(),
            headers: BTreeMap::new(),
        };
        inventory.add(layout, packages);
        let is_there = |package: &str| !inventory.installed(package).is_empty();
        let is_installed = |c: &&Component| {
            let before = subject.predecessors.get(c.name.as_str());
            is_there(&c.package) || before.into_iter().flatten().copied().any(is_there)
        };
        let components = subject.components.iter().copied();
        let (installed, others): (Vec<&Component>, Vec<&Component>) =
            components.partition(is_installed);
        let left = left::of(layout, &others);
        // A first installation of one of these meets the data that its settings name.
        let returning = others
            .into_iter()
            .filter(|one| left.contains_key(&one.name));
        let with_settings: Vec<&Component> = installed.iter().copied().chain(returning).collect();
        inventory.stores = stores::discover(host, layout, &with_settings).shown();
        inventory.left = left;
        for component in &installed {
            if inventory.identity.systemd && services::is_idle(host, component)? {
                inventory.idle.insert(component.name.clone());
            }
        }
        inventory.services = services::find(host, layout, &installed);
        inventory.look_back(host, layout, &subject.stored);
        Ok(inventory)
    }

    /// Reads the file lists of stored RPMs to which a plan may go back. For an unreadable RPM
    /// nothing is forecast; the preflight checks whether it can be used.
    fn look_back(&mut self, host: &dyn Host, layout: &Layout, rpms: &BTreeSet<Sha256>) {
        for sha256 in rpms {
            let header = StagedRpmSet::reopen(layout, &[*sha256])
                .map_err(HostError::from)
                .and_then(|set| host.rpm_headers(&set));
            if let Some(package) = header.unwrap_or_default().into_iter().next() {
                self.add_present(layout, &package.files);
                self.headers.insert(*sha256, package.files);
            }
        }
    }

    /// Adds files that exist on disk although no installed package of the plan contains them.
    fn add_present(&mut self, layout: &Layout, files: &[InstalledFile]) {
        for file in files.iter().filter(|file| !file.digest.is_empty()) {
            if self.disk.contains_key(&file.path) {
                continue;
            }
            let found = look(layout, &file.path);
            if found != OnDisk::Absent {
                self.disk.insert(file.path.clone(), found);
            }
        }
    }

    fn add(&mut self, layout: &Layout, packages: Vec<InstalledPackage>) {
        let files = packages.iter().flat_map(|package| &package.files);
        for file in files.filter(|file| !file.digest.is_empty()) {
            let path = file.path.clone();
            self.disk.insert(path, look(layout, &file.path));
        }
        let paths = packages.iter().flat_map(|package| &package.files);
        self.links
            .extend(links(layout, paths.map(|file| file.path.as_str())));
        self.packages.extend(packages);
    }

    /// Returns the installed packages of a name: usually none or one, and several after an
    /// accident.
    #[must_use]
    pub fn installed(&self, package: &str) -> Vec<&InstalledPackage> {
        self.packages
            .iter()
            .filter(|installed| installed.nevra.name() == package)
            .collect()
    }
}

/// Returns the file lists of the product's packages in a bundle.
fn lists(metadata: &VerifiedMetadata) -> impl Iterator<Item = &PackageFiles> {
    let targets = metadata.manifest().rpms.iter();
    targets
        .filter(|rpm| rpm.uses.iter().any(|u| u.role == Role::Target))
        .filter_map(|rpm| metadata.files(&rpm.sha256))
}

/// Returns the symlinks through which paths lead.
fn links<'a>(layout: &Layout, paths: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let above = |path: &'a str| path.match_indices('/').map(|(at, _)| &path[..at]);
    let parts: BTreeSet<&str> = paths
        .flat_map(above)
        .filter(|part| !part.is_empty())
        .collect();
    let target = |part: &str| {
        let target = std::fs::read_link(layout.at(part)).ok()?;
        Some((part.to_owned(), target.display().to_string()))
    };
    parts.into_iter().filter_map(target).collect()
}

pub(crate) fn look(layout: &Layout, path: &str) -> OnDisk {
    let path = layout.at(path);
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => digest(&path).map_or(OnDisk::Unknown, OnDisk::Sha256),
        Ok(_) => OnDisk::Other,
        Err(error) if error.kind() == ErrorKind::NotFound => OnDisk::Absent,
        Err(_) => OnDisk::Unknown,
    }
}

fn digest(path: &Path) -> std::io::Result<Sha256> {
    Ok(of_reader(&mut File::open(path)?)?.1)
}
