//! The hosts a bundle is built for, as their inventories describe them. An inventory comes from
//! another machine: it is bounded and checked before it is used, and nothing of it is executed.

mod error;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use manifests::digest::Sha256;
use manifests::host_inventory::{HostInventory, HostPackage, INVENTORY_MAX_BYTES};
use manifests::nevra::{Arch, Nevra};
use manifests::product::{Component, Distro, ProductManifest};
use serde::{Deserialize, Serialize};

pub use error::HostsError;

/// Every host of a build; empty when none was described.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    hosts: Vec<FleetHost>,
}

/// One host.
#[derive(Debug, Clone)]
pub struct FleetHost {
    /// What messages call it: the name in the inventory, else the file's.
    pub label: String,
    /// The digest of the inventory's bytes.
    pub sha256: Sha256,
    /// The product's distribution id.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// The cause.
    pub inventory: HostInventory,
}

/// One reason why a host cannot use the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The host, the package and the reason.
    pub why: String,
    /// What to do about it.
    pub next: &'static str,
}

/// What a lock keeps of a host: enough to build again without its inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedHost {
    /// What messages called it.
    pub label: String,
    /// The digest of its inventory.
    pub sha256: Sha256,
    /// The distribution id.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// The product's packages that it ran.
    pub installed: Vec<Nevra>,
}

impl Fleet {
    /// Reads inventories. The same one twice is one host.
    pub fn read<P: AsRef<Path>>(
        paths: &[P],
        product: &ProductManifest,
    ) -> Result<Self, HostsError> {
        let hosts: Result<Vec<FleetHost>, HostsError> = paths
            .iter()
            .map(|path| read_host(path.as_ref(), product))
            .collect();
        let mut hosts = hosts?;
        hosts.sort_by(|a, b| (&a.label, a.sha256).cmp(&(&b.label, b.sha256)));
        hosts.dedup_by(|a, b| a.sha256 == b.sha256);
        Ok(Self { hosts })
    }

    /// Whether no host was described.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Returns the hosts, by label.
    #[must_use]
    pub fn hosts(&self) -> &[FleetHost] {
        &self.hosts
    }

    /// Returns the hosts of one kind.
    pub fn of<'a>(
        &'a self,
        distro: &'a str,
        arch: Arch,
    ) -> impl Iterator<Item = &'a FleetHost> + 'a {
        self.hosts
            .iter()
            .filter(move |host| host.distro == distro && host.arch == arch)
    }

    /// Returns the ids of the hosts' distributions.
    #[must_use]
    pub fn distros(&self) -> Vec<String> {
        let ids: BTreeSet<&String> = self.hosts.iter().map(|host| &host.distro).collect();
        ids.into_iter().cloned().collect()
    }

    /// Returns the hosts' architectures.
    #[must_use]
    pub fn archs(&self) -> Vec<Arch> {
        let archs: BTreeSet<Arch> = self.hosts.iter().map(|host| host.arch).collect();
        archs.into_iter().collect()
    }

    /// Refuses distributions and architectures that the request names and no host has.
    pub fn check_named(&self, distros: &[&Distro], archs: &[Arch]) -> Result<(), HostsError> {
        let (own, own_archs) = (self.distros(), self.archs());
        let joined = |all: Vec<String>| all.join(", ");
        let named: Vec<String> = distros.iter().map(|distro| distro.id.clone()).collect();
        if !named.is_empty() && named != own {
            return Err(HostsError::Contradiction {
                flag: "--distro",
                named: joined(named),
                hosts: joined(own),
            });
        }
        if !archs.is_empty() && archs != own_archs {
            let text = |archs: &[Arch]| joined(archs.iter().map(ToString::to_string).collect());
            return Err(HostsError::Contradiction {
                flag: "--arch",
                named: text(archs),
                hosts: text(&own_archs),
            });
        }
        Ok(())
    }

    /// Returns what a lock keeps.
    #[must_use]
    pub fn locked(&self, product: &ProductManifest) -> Vec<LockedHost> {
        let locked = |host: &FleetHost| LockedHost {
            label: host.label.clone(),
            sha256: host.sha256,
            distro: host.distro.clone(),
            arch: host.arch,
            installed: product
                .components
                .iter()
                .flat_map(Component::all_packages)
                .flat_map(|package| host.inventory.installed(package))
                .map(|package| package.nevra.clone())
                .collect(),
        };
        self.hosts.iter().map(locked).collect()
    }
}

impl FleetHost {
    /// Returns the installed packages of a name: none, one, or several after an accident.
    #[must_use]
    pub fn installed(&self, name: &str) -> Vec<&HostPackage> {
        self.inventory
            .packages
            .iter()
            .filter(|package| package.nevra.name() == name)
            .collect()
    }
}

fn read_host(path: &Path, product: &ProductManifest) -> Result<FleetHost, HostsError> {
    let bytes = read_file(path).map_err(|source| HostsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let inventory = HostInventory::parse(&bytes).map_err(|source| HostsError::Inventory {
        path: path.to_owned(),
        source,
    })?;
    let unknown = |what: String| HostsError::UnknownHost {
        path: path.to_owned(),
        what,
        known: product.distros.iter().map(|d| d.id.clone()).collect(),
    };
    // The host's own name for its distribution may come from another product manifest.
    let os = &inventory.os;
    let distro = product
        .distros
        .iter()
        .find(|distro| distro.os_ids.contains(&os.id) && Some(distro.major) == inventory.major());
    let distro = distro.ok_or_else(|| unknown(format!("{} {}", os.id, os.version_id)))?;
    let arch = os
        .arch
        .ok_or_else(|| unknown("an unknown architecture".to_owned()))?;
    let file = path.file_name().unwrap_or(path.as_os_str());
    Ok(FleetHost {
        label: inventory
            .name
            .clone()
            .unwrap_or_else(|| file.to_string_lossy().into_owned()),
        sha256: Sha256::of(&bytes),
        distro: distro.id.clone(),
        arch,
        inventory,
    })
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is taken, so that a longer file is refused and not cut.
    File::open(path)?
        .take(INVENTORY_MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
