//! The plan: what a run will do, as data. Pure; what is shown is what is executed.

mod age;
mod baseline;
mod beside;
mod builds;
mod downgrade;
mod earlier;
pub mod extras;
pub mod forecast;
mod fresh;
mod health;
mod held;
mod idle;
mod jump;
mod lasting;
mod lint;
mod loss;
mod migrations;
pub mod mounted;
mod needs;
mod outranked;
mod packaged;
pub mod restore;
pub mod scope;
mod services;
mod standing;
mod stores;
mod terms;
#[cfg(test)]
mod test_inventory;
#[cfg(test)]
mod test_rpm;
mod turned;
pub mod undo;
mod upgrade;
mod vanishing;

use std::collections::{BTreeMap, BTreeSet};

use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use manifests::product::Component;
use manifests::signature::KeyId;
use serde::{Deserialize, Serialize};

use crate::document::{self, Document, tolerant};
use crate::plan::extras::{Extras, PlannedExtra};
use crate::plan::forecast::Forecast;
use crate::site_file::Chosen;

pub use age::Consent;
pub use baseline::{Baseline, PathKind};
pub(crate) use builds::is_build;
pub use earlier::Earlier;
pub use stores::{DataChange, PlannedStore};
pub use terms::{StoreConsent, StoreTerms};
#[cfg(test)]
use test_inventory::test_inventory;
pub use turned::Turned;
pub use upgrade::{Draft, Inputs, draft, upgrade};

/// The type a stored plan names.
pub const PLAN_TYPE: &str = "airgap-bundle/plan/1";

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallPlan {
    /// Always [`PLAN_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// Forward, or back.
    pub kind: PlanKind,
    /// Digest of the signed manifest the plan was made from.
    pub bundle: Sha256,
    /// The product's name.
    pub product: String,
    /// The product's name for people.
    pub title: String,
    /// The version that was asked for at the build.
    pub version: String,
    /// Release channel.
    pub channel: String,
    /// The bundle's sequence.
    pub sequence: u64,
    /// The keys that signed the bundle.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub signers: BTreeSet<KeyId>,
    /// Why an older bundle or older packages should be installed, if the operator gave a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgrade_because: Option<String>,
    /// Why a sequence far above the last one is right, if the operator gave a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_jump_because: Option<String>,
    /// Why extras that the target version would not load may stay, if the operator gave a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extras_ignored_because: Option<String>,
    /// Components that may be ill before the run, by name, each with the operator's reason. Such a
    /// component may be ill in the same way after it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unhealthy_before: BTreeMap<String, String>,
    /// How long the run waits for the health of a component, by name, seconds; the product manifest
    /// has the time of the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub health_budgets: BTreeMap<String, u64>,
    /// The target this host is, such as `el8`.
    pub distro: String,
    /// The host's architecture.
    pub arch: Arch,
    /// The host's name for itself.
    pub host: String,
    /// What changes, in order. Each group is one rpm transaction.
    pub groups: Vec<Group>,
    /// Components that are already at their target.
    pub current: Vec<String>,
    /// Components that this host does not have.
    pub absent: Vec<String>,
    /// Data stores of the components that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<PlannedStore>,
    /// Installed components that do not change and use the same stores.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "tolerant"
    )]
    pub bystanders: Vec<Component>,
    /// Components with data stores that were neither enabled nor running: their stores are not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idle: Vec<String>,
    /// What each of these changes for good once it is started after the run, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub idle_changes: BTreeMap<String, Vec<String>>,
    /// Longest time for the dump of one store, seconds.
    #[serde(default = "dump_limit")]
    pub dump_limit_secs: u64,
    /// The directory of the dumps, if the operator named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump_dir: Option<String>,
    /// What the operator chose, and where each choice came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<Chosen>,
    /// Notes for a person before the run.
    pub notes: Vec<String>,
}

impl Document for InstallPlan {
    const TYPE: &'static str = PLAN_TYPE;
}

/// Longest time for a dump, unless the operator sets another one, seconds.
pub const DUMP_LIMIT_SECS: u64 = 3600;

const fn dump_limit() -> u64 {
    DUMP_LIMIT_SECS
}

/// Why a plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// To the bundle's target versions.
    Upgrade,
    /// Back to the state before an earlier run.
    Undo {
        /// The run that is undone.
        run: u64,
    },
    /// The dumps of an earlier run are restored; no package changes.
    Restore {
        /// The run that made the dumps.
        run: u64,
    },
}

impl PlanKind {
    /// Returns the earlier run whose backup this one works with.
    #[must_use]
    pub const fn earlier_run(self) -> Option<u64> {
        match self {
            Self::Upgrade => None,
            Self::Undo { run } | Self::Restore { run } => Some(run),
        }
    }
}

/// Components that change together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The names of its components, joined by `+`.
    pub name: String,
    /// Its components.
    pub components: Vec<PlannedComponent>,
    /// Packages that come or go because its components need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PlannedPackage>,
    /// Files beside the packages that its components load.
    #[serde(default, skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// A package that changes because a component needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPackage {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What is installed, if anything.
    pub from: Option<PlannedRpm>,
    /// What will be installed, if anything.
    pub to: Option<PlannedRpm>,
    /// What happens to edited files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<Forecast>,
    /// Files and symlinks that only one of the two packages has, and the names under which rpm puts
    /// configuration aside: all paths that may appear or disappear with the change.
    pub files: Vec<String>,
    /// Directories that only one of the two packages has.
    pub own_directories: Vec<String>,
    /// For a new package, the directory that gets most of its bytes.
    pub bulk: String,
    /// The installed package of another name that it replaces, or is replaced by: both own the same
    /// files, and rpm installs the older one only after the newer one was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
    /// Paths whose kind changes with the package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turned: Vec<Turned>,
}

/// The change of one package: a component's, or a needed one.
#[derive(Debug, Clone, Copy)]
pub struct PackageChange<'a> {
    /// Its name.
    pub package: &'a str,
    /// What is installed, if anything.
    pub from: Option<&'a PlannedRpm>,
    /// What will be installed, if anything.
    pub to: Option<&'a PlannedRpm>,
    /// Its plan, if it is not a component's package, or comes to the host or leaves it.
    pub needed: Option<&'a PlannedPackage>,
    /// Paths whose kind changes with it.
    pub turned: &'a [Turned],
}

impl<'a> PackageChange<'a> {
    /// Returns the RPMs of both sides that exist.
    pub fn rpms(self) -> impl Iterator<Item = &'a PlannedRpm> {
        self.from.into_iter().chain(self.to)
    }
}

impl Group {
    /// Whether some of its files need a report, and perhaps a merge, after its transaction.
    #[must_use]
    pub fn has_pictures(&self) -> bool {
        let mut forecasts = self.components.iter().flat_map(|planned| &planned.config);
        forecasts.any(|forecast| forecast.fate.is_pictured())
    }

    /// Returns the change of every package of the group.
    pub fn changes(&self) -> impl Iterator<Item = PackageChange<'_>> {
        // A package that comes or leaves has its own plan, with its files.
        let is_listed = |name: &str| self.packages.iter().any(|planned| planned.name == name);
        let own = self.components.iter();
        let own = own.filter(move |planned| !is_listed(&planned.component.package));
        let own = own.map(|planned| PackageChange {
            package: &planned.component.package,
            from: planned.from.as_ref(),
            to: planned.to.as_ref(),
            needed: None,
            turned: &planned.turned,
        });
        let needed = self.packages.iter().map(|planned| PackageChange {
            package: &planned.name,
            from: planned.from.as_ref(),
            to: planned.to.as_ref(),
            needed: Some(planned),
            turned: &planned.turned,
        });
        own.chain(needed)
    }
}

/// A component that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedComponent {
    /// The product's facts about it.
    #[serde(deserialize_with = "tolerant")]
    pub component: Component,
    /// What is installed; nothing before a first installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PlannedRpm>,
    /// What will be installed; nothing where a first installation is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PlannedRpm>,
    /// What happens to edited files.
    pub config: Vec<Forecast>,
    /// Files that its service uses and its product does not name: those of its unit's command line,
    /// variables and drop-ins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Paths whose kind changes with its package.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turned: Vec<Turned>,
}

/// An RPM of the bundle or the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRpm {
    /// The package.
    pub nevra: Nevra,
    /// Build time of its header.
    pub build_time: u64,
    /// Digest of the RPM.
    pub sha256: Sha256,
    /// Size of the RPM in bytes.
    pub size_bytes: u64,
    /// Size of its files in bytes.
    pub installed_bytes: u64,
    /// Digest of the component's program, where the header gives a SHA-256.
    pub program_sha256: Option<Sha256>,
    /// Directories that hold its files.
    pub directories: Vec<String>,
}

impl InstallPlan {
    /// Returns every component that changes.
    pub fn components(&self) -> impl Iterator<Item = &PlannedComponent> {
        self.groups.iter().flat_map(|group| &group.components)
    }

    /// Returns the change of every package.
    pub fn changes(&self) -> impl Iterator<Item = PackageChange<'_>> {
        self.groups.iter().flat_map(Group::changes)
    }

    /// Returns the stores that are dumped before the transaction of a group.
    pub fn stores_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a PlannedStore> {
        self.stores.iter().filter(move |store| store.group == group)
    }

    /// Returns every component that is held with a group: its own, and those that write to a store
    /// whose data the group changes.
    #[must_use]
    pub fn held_with(&self, group: &str) -> Vec<&Component> {
        let own = |name: &str| {
            let mut groups = self.groups.iter().filter(|g| g.name == group);
            groups.any(|g| g.components.iter().any(|p| p.component.name == name))
        };
        let shares = |component: &&Component| {
            own(&component.name)
                || self
                    .stores_of(group)
                    .any(|store| store.change.is_some() && store.users.contains(&component.name))
        };
        self.all_components().filter(shares).collect()
    }

    /// Returns the components that change and those that are only held beside the change.
    pub fn all_components(&self) -> impl Iterator<Item = &Component> {
        let changing = self.components().map(|planned| &planned.component);
        changing.chain(self.standing_by())
    }

    /// Whether the host is already in the planned state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the digests of every RPM a run and its revert need.
    #[must_use]
    pub fn rpms(&self) -> BTreeSet<Sha256> {
        let rpms = self.changes().flat_map(PackageChange::rpms);
        rpms.map(|rpm| rpm.sha256).collect()
    }

    /// Returns every file beside packages that comes with the run.
    pub fn coming_extras(&self) -> impl Iterator<Item = &PlannedExtra> {
        self.groups.iter().flat_map(|group| &group.extras.coming)
    }

    /// Returns the digests of everything that a run needs from the bundle.
    #[must_use]
    pub fn payload(&self) -> BTreeSet<Sha256> {
        let extras = self.coming_extras().map(|extra| extra.sha256);
        self.rpms().into_iter().chain(extras).collect()
    }

    /// Returns the plan's canonical bytes, whose digest identifies it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        document::to_bytes(self)
    }
}
