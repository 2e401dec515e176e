//! Planning the upgrade of a host by a bundle. Pure.

use std::collections::{BTreeMap, BTreeSet};

use manifests::bundle::{BundledRpm, Role, Target};
use manifests::package_files::PackageFiles;
use manifests::product::Component;

use super::lint::refuse_by_lint;
use super::{
    Consent, DUMP_LIMIT_SECS, Group, InstallPlan, PLAN_TYPE, PlanKind, PlannedComponent,
    PlannedRpm, age, downgrade, health, jump, needs, services, stores,
};
use crate::bundle::VerifiedMetadata;
use crate::host::InstalledFile;
use crate::host::{Identity, InstalledPackage};
use crate::inventory::Inventory;
use crate::plan::extras::{self, Extras};
use crate::plan::forecast::{forecast, of_component};
use crate::plan::scope;
use crate::problem::{Problem, coded};

/// The inputs of an upgrade plan.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The bundle.
    pub metadata: &'a VerifiedMetadata,
    /// The host.
    pub inventory: &'a Inventory,
    /// RPMs that earlier runs left in the store: a revert of a downgrade needs them.
    pub stored: &'a [PlannedRpm],
    /// What the operator agreed to.
    pub consent: &'a Consent,
}

/// A plan, with what speaks against it.
#[derive(Debug)]
pub struct Draft {
    /// The plan, as far as it could be made.
    pub plan: InstallPlan,
    /// Whether it has every change that it should have.
    pub is_whole: bool,
    /// Every reason against it.
    pub problems: Vec<Problem>,
}

/// Plans the upgrade of this host with this bundle, or returns every reason against it.
pub fn upgrade(inputs: &Inputs<'_>) -> Result<InstallPlan, Vec<Problem>> {
    let draft = draft(inputs).map_err(|problem| vec![problem])?;
    if draft.problems.is_empty() {
        Ok(draft.plan)
    } else {
        Err(draft.problems)
    }
}

/// Plans the upgrade as far as it can be planned, so that the host can be checked for it and every
/// problem is found at once. An error is a host that the bundle is not for.
pub fn draft(inputs: &Inputs<'_>) -> Result<Draft, Problem> {
    let Inputs {
        metadata,
        inventory,
        consent,
        ..
    } = *inputs;
    let target = find_target(metadata, &inventory.identity)?;
    let mut plan = without_groups(inputs, target);
    let mut problems = Vec::new();
    age::check_sequence(inventory, consent, &mut plan, &mut problems);
    jump::check(inventory, consent, &mut plan, &mut problems);
    add_components(inputs, target, &mut plan, &mut problems);
    let mut is_whole = problems.is_empty();
    services::add(inventory, &mut plan, &mut problems);
    stores::add(
        metadata.product(),
        inventory,
        consent,
        &mut plan,
        &mut problems,
    );
    downgrade::add(metadata.product(), consent, &mut plan, &mut problems);
    health::add(metadata.product(), consent, &mut plan, &mut problems);
    if is_whole {
        let before = problems.len();
        needs::add(metadata, inventory, target, &mut plan, &mut problems);
        is_whole = problems.len() == before;
        extras::add(metadata, inventory, consent, &mut plan, &mut problems);
    }
    let mounts = scope::mount_notes(&plan, &inventory.mounts);
    plan.notes.extend(mounts);
    Ok(Draft {
        plan,
        is_whole,
        problems: coded(problems, "plan"),
    })
}

/// Returns a plan that changes nothing yet.
fn without_groups(inputs: &Inputs<'_>, target: &Target) -> InstallPlan {
    let (manifest, verified) = (inputs.metadata.manifest(), inputs.metadata.verified());
    InstallPlan {
        document: PLAN_TYPE.to_owned(),
        kind: PlanKind::Upgrade,
        bundle: *verified.digest(),
        product: manifest.product.clone(),
        title: manifest.title.clone(),
        version: manifest.version.clone(),
        channel: manifest.channel.clone(),
        sequence: manifest.sequence,
        signers: verified.signers().clone(),
        downgrade_because: None,
        sequence_jump_because: None,
        extras_ignored_because: None,
        unhealthy_before: BTreeMap::new(),
        health_budgets: BTreeMap::new(),
        distro: target.distro.clone(),
        arch: target.arch,
        host: inputs.inventory.identity.pretty.clone(),
        groups: Vec::new(),
        current: Vec::new(),
        absent: Vec::new(),
        stores: Vec::new(),
        bystanders: Vec::new(),
        dump_limit_secs: inputs.consent.dump_limit_secs.unwrap_or(DUMP_LIMIT_SECS),
        dump_dir: inputs.consent.dump_dir.clone(),
        chosen: inputs.consent.chosen.clone(),
        notes: inputs.inventory.agent_notes().collect(),
    }
}

/// Adds a group for each component that changes.
fn add_components(
    inputs: &Inputs<'_>,
    target: &Target,
    plan: &mut InstallPlan,
    problems: &mut Vec<Problem>,
) {
    let components = &inputs.metadata.product().components;
    for component in components {
        let name = component.name.clone();
        match plan_component(inputs, target, component) {
            Ok(Change::To(planned)) => {
                age::note_downgrade(&planned, inputs.consent, plan);
                plan.groups.push(Group {
                    name,
                    components: vec![*planned],
                    packages: Vec::new(),
                    extras: Extras::default(),
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
    if plan.absent.len() == components.len() {
        problems.push(Problem::new(
            format!("no package of {} is installed on this host", plan.title),
            "this tool upgrades what is installed: install the product first, or choose another host",
        ));
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
    To(Box<PlannedComponent>),
    Current,
    Absent,
    NotCarried,
}

fn plan_component(
    inputs: &Inputs<'_>,
    target: &Target,
    component: &Component,
) -> Result<Change, Problem> {
    let (metadata, inventory) = (inputs.metadata, inputs.inventory);
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
    let is_downgrade = installed.nevra.evr() > to.nevra.evr();
    if is_downgrade && !inputs.consent.allows_downgrade() {
        return Err(age::newer_installed(&installed.nevra, &to.nevra));
    }
    let mut matching = carried(Role::Previous).filter_map(|rpm| {
        let list = files(rpm)?;
        is_build(installed, rpm, list).then_some((rpm, list))
    });
    let program = component.program.as_deref();
    let carried_back = matching.next();
    let in_bundle = || {
        let (rpm, list) = carried_back?;
        Some(planned_rpm(metadata, rpm, list, program))
    };
    // A bundle carries no version newer than its own; the store may have the version that an
    // earlier run brought.
    let in_store = || age::stored(inputs.stored, installed).filter(|_| is_downgrade);
    let from = in_bundle().or_else(|| in_store().cloned());
    let from = from.ok_or_else(|| {
        let served = carried(Role::Previous).map(|rpm| rpm.nevra.to_string());
        no_way_back(component, installed, &served.collect::<Vec<_>>())
    })?;
    let Some(to_files) = files(to) else {
        return Ok(Change::NotCarried);
    };
    let both = [Some(to), carried_back.map(|(rpm, _)| rpm)];
    let both: Vec<&BundledRpm> = both.into_iter().flatten().collect();
    refuse_by_lint(&inventory.identity, &both)?;
    Ok(Change::To(Box::new(PlannedComponent {
        component: component.clone(),
        from,
        to: planned_rpm(metadata, to, to_files, program),
        config: of_component(
            component,
            forecast(installed, &InstalledFile::of_list(to_files), inventory),
        ),
        files: services::files(component, inventory),
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

fn no_way_back(component: &Component, installed: &InstalledPackage, served: &[String]) -> Problem {
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
            component.name
        ),
    )
}

/// A NEVRA does not identify a build: vendors publish packages again under the same name.
pub(crate) fn is_build(
    installed: &InstalledPackage,
    rpm: &BundledRpm,
    list: &PackageFiles,
) -> bool {
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

pub(super) fn planned_rpm(
    metadata: &VerifiedMetadata,
    rpm: &BundledRpm,
    list: &PackageFiles,
    program: Option<&str>,
) -> PlannedRpm {
    let program = program.and_then(|program| {
        list.files
            .iter()
            .find(|file| file.path == program)
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
