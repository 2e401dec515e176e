//! The plan: what a run will do, as data. Pure; what is shown is what is executed.

use std::collections::BTreeSet;

use manifests::bundle::{BundledRpm, LintFlag, Role, Target};
use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use manifests::package_files::PackageFiles;
use manifests::product::Component;
use serde::{Deserialize, Serialize};

use crate::bundle::VerifiedMetadata;
use crate::forecast::{Forecast, forecast};
use crate::host::{Identity, InstalledPackage};
use crate::inventory::Inventory;

/// The type a stored plan names.
pub const PLAN_TYPE: &str = "airgap-bundle/plan/1";

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The target this host is, such as `el8`.
    pub distro: String,
    /// The host's architecture.
    pub arch: Arch,
    /// The host's name for itself.
    pub host: String,
    /// What changes, in order. Each group is one rpm transaction.
    pub groups: Vec<Group>,
    /// Components that are at their target already.
    pub current: Vec<String>,
    /// Components that this host does not have.
    pub absent: Vec<String>,
    /// What a person should know before the run.
    pub notes: Vec<String>,
}

/// Why a plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanKind {
    /// To the bundle's target versions.
    Upgrade,
    /// Back to before an earlier run.
    Undo {
        /// The run that is undone.
        run: u64,
    },
}

/// Components that change together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The names of its components, joined by `+`.
    pub name: String,
    /// Its components.
    pub components: Vec<PlannedComponent>,
}

/// A component that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedComponent {
    /// The product's facts about it.
    pub component: Component,
    /// What is installed.
    pub from: PlannedRpm,
    /// What will be.
    pub to: PlannedRpm,
    /// What happens to edited files.
    pub config: Vec<Forecast>,
}

/// An RPM of the bundle or the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A reason not to start, with its cure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, and why it matters.
    pub what: String,
    /// What to do about it.
    pub cure: String,
}

impl Problem {
    /// Makes a problem of its two parts.
    pub fn new(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cure: cure.into(),
        }
    }
}

impl InstallPlan {
    /// Returns every component that changes.
    pub fn components(&self) -> impl Iterator<Item = &PlannedComponent> {
        self.groups.iter().flat_map(|group| &group.components)
    }

    /// Whether the host is as the plan wants it already.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the digests of every RPM a run and its revert need.
    #[must_use]
    pub fn rpms(&self) -> BTreeSet<Sha256> {
        self.components()
            .flat_map(|planned| [planned.to.sha256, planned.from.sha256])
            .collect()
    }

    /// Returns the bytes by which the plan is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        manifests::json::canonical(self)
    }
}

/// Plans the upgrade of this host by this bundle, or says everything that speaks against it.
pub fn plan(
    metadata: &VerifiedMetadata,
    inventory: &Inventory,
) -> Result<InstallPlan, Vec<Problem>> {
    let manifest = metadata.manifest();
    let target = find_target(metadata, &inventory.identity).map_err(|problem| vec![problem])?;
    let mut plan = InstallPlan {
        document: PLAN_TYPE.to_owned(),
        kind: PlanKind::Upgrade,
        bundle: *metadata.verified().digest(),
        product: manifest.product.clone(),
        title: manifest.title.clone(),
        version: manifest.version.clone(),
        channel: manifest.channel.clone(),
        sequence: manifest.sequence,
        distro: target.distro.clone(),
        arch: target.arch,
        host: inventory.identity.pretty.clone(),
        groups: Vec::new(),
        current: Vec::new(),
        absent: Vec::new(),
        notes: Vec::new(),
    };
    let mut problems = Vec::new();
    for component in &metadata.product().components {
        let name = component.name.clone();
        match plan_component(metadata, inventory, target, component) {
            Ok(Change::Upgrade(planned)) => {
                plan.groups.push(Group {
                    name,
                    components: vec![*planned],
                });
            }
            Ok(Change::Current) => plan.current.push(name),
            Ok(Change::Absent) => plan.absent.push(name),
            Ok(Change::NotCarried) => plan.notes.push(format!(
                "{} is installed and not part of this bundle: it stays as it is",
                component.package
            )),
            Err(problem) => problems.push(problem),
        }
    }
    if plan.absent.len() == metadata.product().components.len() {
        problems.push(Problem::new(
            format!("no package of {} is installed on this host", manifest.title),
            "this tool upgrades what is installed: install the product first, or choose another host",
        ));
    }
    if problems.is_empty() {
        Ok(plan)
    } else {
        Err(problems)
    }
}

fn find_target<'a>(metadata: &'a VerifiedMetadata, host: &Identity) -> Result<&'a Target, Problem> {
    let targets = &metadata.manifest().targets;
    let fits = |target: &&Target| {
        target.os_ids.contains(&host.os_id)
            && Some(target.major) == host.major()
            && Some(target.arch) == host.arch
    };
    targets.iter().find(fits).ok_or_else(|| {
        let offered: Vec<String> = targets
            .iter()
            .map(|target| format!("{} {}", target.distro, target.arch))
            .collect();
        let arch = host
            .arch
            .map_or("an unknown architecture".to_owned(), |arch| {
                arch.to_string()
            });
        Problem::new(
            format!(
                "the bundle is for {}; this host is {} {} on {arch} ({})",
                offered.join(", "),
                host.os_id,
                host.version_id,
                host.pretty
            ),
            "build a bundle for this host: `bundle build --distro … --arch …`",
        )
    })
}

enum Change {
    Upgrade(Box<PlannedComponent>),
    Current,
    Absent,
    NotCarried,
}

fn plan_component(
    metadata: &VerifiedMetadata,
    inventory: &Inventory,
    target: &Target,
    component: &Component,
) -> Result<Change, Problem> {
    let package = &component.package;
    let installed = match inventory.installed(package).as_slice() {
        [] => return Ok(Change::Absent),
        [one] => *one,
        several => return Err(duplicate(package, several)),
    };
    let carried = |role| {
        let rpms = metadata.manifest().rpms_for(target, role);
        rpms.filter(|(purpose, _)| purpose.component == component.name)
            .map(|(_, rpm)| rpm)
    };
    let Some(to) = carried(Role::Target).next() else {
        return Ok(Change::NotCarried);
    };
    let files = |rpm: &BundledRpm| metadata.files(&rpm.sha256);
    if installed.nevra == to.nevra {
        return match files(to) {
            Some(list) if is_build(installed, to, list) => Ok(Change::Current),
            _ => Err(other_build(installed)),
        };
    }
    if installed.nevra.evr() > to.nevra.evr() {
        return Err(Problem::new(
            format!(
                "{} is installed, newer than the bundle's {}",
                installed.nevra, to.nevra
            ),
            "build a bundle for a newer version; to go back, use `install undo`",
        ));
    }
    let mut matching = carried(Role::Previous).filter_map(|rpm| {
        let list = files(rpm)?;
        is_build(installed, rpm, list).then_some((rpm, list))
    });
    let Some((from, from_files)) = matching.next() else {
        let served: Vec<String> = carried(Role::Previous)
            .map(|rpm| rpm.nevra.to_string())
            .collect();
        return Err(no_way_back(installed, &served));
    };
    let Some(to_files) = files(to) else {
        return Ok(Change::NotCarried);
    };
    refuse_by_lint(&inventory.identity, &[to, from])?;
    Ok(Change::Upgrade(Box::new(PlannedComponent {
        component: component.clone(),
        from: planned_rpm(metadata, from, from_files, component),
        to: planned_rpm(metadata, to, to_files, component),
        config: forecast(installed, to_files, inventory),
    })))
}

fn duplicate(package: &str, several: &[&InstalledPackage]) -> Problem {
    let names: Vec<String> = several.iter().map(|one| one.nevra.to_string()).collect();
    Problem::new(
        format!(
            "{package} is installed more than once: {}",
            names.join(", ")
        ),
        "an earlier transaction was cut off: remove the duplicate with `rpm -e` and check `rpm -V`",
    )
}

fn other_build(installed: &InstalledPackage) -> Problem {
    Problem::new(
        format!(
            "{} is installed, but it is another build than the bundle's",
            installed.nevra
        ),
        "the vendor published two packages under one name: rebuild the bundle for this distribution",
    )
}

fn no_way_back(installed: &InstalledPackage, served: &[String]) -> Problem {
    let served = if served.is_empty() {
        "none".to_owned()
    } else {
        served.join(", ")
    };
    let (nevra, version) = (&installed.nevra, installed.nevra.evr().version());
    Problem::new(
        format!("{nevra} is installed and the bundle cannot bring it back (it carries {served})"),
        format!(
            "rebuild it with `bundle build … --from {}={version}`",
            component_hint(nevra)
        ),
    )
}

fn component_hint(nevra: &Nevra) -> &str {
    nevra.name().rsplit('-').next().unwrap_or(nevra.name())
}

/// NEVRA alone is not identity: packages are published again under the same name.
fn is_build(installed: &InstalledPackage, rpm: &BundledRpm, list: &PackageFiles) -> bool {
    let digests = |path: &str| {
        list.files
            .iter()
            .find(|f| f.path == path)
            .map(|f| f.digest.as_str())
    };
    installed.nevra == rpm.nevra
        && installed.build_time == rpm.build_time
        && installed.files.len() == list.files.len()
        && installed
            .files
            .iter()
            .all(|file| digests(&file.path) == Some(&file.digest))
}

fn planned_rpm(
    metadata: &VerifiedMetadata,
    rpm: &BundledRpm,
    list: &PackageFiles,
    component: &Component,
) -> PlannedRpm {
    let program = component.program.as_ref().and_then(|program| {
        list.files
            .iter()
            .find(|file| file.path == *program)
            .and_then(|f| f.digest.parse().ok())
    });
    let directories: BTreeSet<String> = list
        .files
        .iter()
        .filter_map(|file| file.path.rsplit_once('/'))
        .map(|(dir, _)| {
            if dir.is_empty() {
                "/".to_owned()
            } else {
                dir.to_owned()
            }
        })
        .collect();
    PlannedRpm {
        nevra: rpm.nevra.clone(),
        build_time: rpm.build_time,
        sha256: rpm.sha256,
        size_bytes: metadata
            .manifest()
            .entry(&rpm.path)
            .map_or(0, |entry| entry.size),
        installed_bytes: list.installed_bytes,
        program_sha256: program,
        directories: directories.into_iter().collect(),
    }
}

/// Refuses before the run what rpm would refuse half-way.
fn refuse_by_lint(host: &Identity, rpms: &[&BundledRpm]) -> Result<(), Problem> {
    for rpm in rpms {
        for flag in &rpm.lint {
            let reason = match flag {
                LintFlag::Md5FileDigests if host.fips => {
                    "its file digests are MD5, FIPS mode is on"
                }
                LintFlag::NoSha256Header if host.fips => {
                    "it has no SHA-256 digest, FIPS mode is on"
                }
                LintFlag::PayloadNotForEl7 if host.major() == Some(7) => {
                    "its payload cannot be unpacked by this host's rpm"
                }
                _ => continue,
            };
            return Err(Problem::new(
                format!("{} cannot be installed here: {reason}", rpm.nevra),
                "ask the vendor for a package that this host accepts",
            ));
        }
    }
    Ok(())
}
