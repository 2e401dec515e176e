//! Planning the upgrade of a host by a bundle. Pure.

use std::collections::BTreeMap;

use manifests::bundle::{BundledRpm, Role, Target};
use manifests::package_files::PackageFiles;
use manifests::product::Component;

use super::builds::{self, duplicate, is_build, other_build, planned_rpm};
use super::lint::refuse_by_lint;
use super::{
    Consent, DUMP_LIMIT_SECS, Group, InstallPlan, PLAN_TYPE, PlanKind, PlannedComponent,
    PlannedPackage, PlannedRpm, age, beside, downgrade, fresh, health, jump, needs, services,
    stores, turned,
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
    let links: Vec<String> = scope::link_notes(&plan, &inventory.links).collect();
    let turned: Vec<String> = turned::notes(&plan).collect();
    plan.notes
        .extend(mounts.into_iter().chain(links).chain(turned));
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
        idle: Vec::new(),
        idle_changes: BTreeMap::new(),
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
            Ok(Change::To(planned, packages)) => {
                age::note_downgrade(&planned, inputs.consent, plan);
                plan.groups.push(Group {
                    name,
                    components: vec![*planned],
                    packages,
                    extras: Extras::default(),
                });
            }
            Ok(Change::Current) => plan.current.push(name),
            Ok(Change::Absent) => plan.absent.push(name),
            Ok(Change::NotCarried) => plan.notes.push(format!(
                "{} is installed and not part of this bundle: it stays as it is",
                component.package
            )),
            Err(found) => problems.extend(found),
        }
    }
    fresh::check(inputs, plan, problems);
    if plan.absent.len() == components.len() {
        problems.push(Problem::new(
            format!("no package of {} is installed on this host", plan.title),
            "this tool upgrades what is installed; to install a component for the first time, name it \
             with `--fresh COMPONENT`; or choose another host",
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

pub(super) enum Change {
    To(Box<PlannedComponent>, Vec<PlannedPackage>),
    Current,
    Absent,
    NotCarried,
}

/// An RPM of the bundle with its file list.
pub(super) type Listed<'a> = (&'a BundledRpm, &'a PackageFiles);

/// A component with what the bundle carries for it.
pub(super) struct Case<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) target: &'a Target,
    pub(super) component: &'a Component,
}

impl<'a> Case<'a> {
    /// Returns the RPMs for the component in a role.
    pub(super) fn carried(&self, role: Role) -> impl Iterator<Item = Listed<'a>> {
        let Self {
            inputs,
            target,
            component,
        } = *self;
        let rpms = inputs.metadata.manifest().rpms_for(target, role);
        rpms.filter(|(purpose, _)| purpose.component == component.name)
            .filter_map(|(_, rpm)| Some((rpm, inputs.metadata.files(&rpm.sha256)?)))
    }

    /// Returns the RPM of the installed build, with which a revert goes back.
    pub(super) fn way_back(&self, installed: &InstalledPackage) -> Result<Listed<'a>, Problem> {
        let mut previous = self.carried(Role::Previous);
        if let Some(found) = previous.find(|(rpm, list)| is_build(installed, rpm, list)) {
            return Ok(found);
        }
        let same = |(rpm, _): &Listed<'_>| {
            rpm.nevra == installed.nevra && rpm.build_time == installed.build_time
        };
        if let Some((_, list)) = self.carried(Role::Previous).find(same) {
            builds::refuse_relocated(installed, list)?;
        }
        let served = self.carried(Role::Previous).map(|(rpm, _)| &rpm.nevra);
        let served: Vec<String> = served
            .filter(|nevra| nevra.name() == installed.nevra.name())
            .map(ToString::to_string)
            .collect();
        Err(builds::no_way_back(
            &self.component.name,
            installed,
            &served,
        ))
    }

    fn installed(&self, to: Option<Listed<'_>>) -> Result<Option<&'a InstalledPackage>, Problem> {
        let package = &self.component.package;
        match self.inputs.inventory.installed(package).as_slice() {
            [] => Ok(to.and_then(|(_, list)| beside::predecessor(self, list))),
            [one] => Ok(Some(*one)),
            several => Err(duplicate(package, several)),
        }
    }
}

fn plan_component(
    inputs: &Inputs<'_>,
    target: &Target,
    component: &Component,
) -> Result<Change, Vec<Problem>> {
    let case = Case {
        inputs,
        target,
        component,
    };
    let mut targets = case.carried(Role::Target);
    let to = targets.find(|(rpm, _)| rpm.nevra.name() == component.package);
    let one = |problem: Problem| vec![problem];
    let Some(installed) = case.installed(to).map_err(one)? else {
        let is_wanted = inputs.consent.fresh.contains(&component.name);
        return match to.filter(|_| is_wanted) {
            Some(to) => fresh::plan(&case, to),
            None => Ok(Change::Absent),
        };
    };
    let Some(to) = to else {
        return Ok(Change::NotCarried);
    };
    if installed.nevra == to.0.nevra {
        if !is_build(installed, to.0, to.1) {
            builds::refuse_relocated(installed, to.1).map_err(one)?;
            return Err(vec![other_build(installed)]);
        }
        beside::refuse_mixed(&case)?;
        return Ok(Change::Current);
    }
    let planned = between(&case, installed, to).map_err(one)?;
    let packages = beside::plan(&case, installed, to)?;
    Ok(Change::To(Box::new(planned), packages))
}

/// Plans the change of an installed package.
fn between(
    case: &Case<'_>,
    installed: &InstalledPackage,
    (to, to_files): Listed<'_>,
) -> Result<PlannedComponent, Problem> {
    let Case {
        inputs, component, ..
    } = *case;
    let (metadata, inventory) = (inputs.metadata, inputs.inventory);
    // A package of another name counts its versions anew.
    let is_renamed = installed.nevra.name() != to.nevra.name();
    let is_downgrade = !is_renamed && installed.nevra.evr() > to.nevra.evr();
    if is_downgrade && !inputs.consent.allows_downgrade() {
        return Err(age::newer_installed(&installed.nevra, &to.nevra));
    }
    let program = component.program.as_deref();
    let carried_back = case.way_back(installed);
    // A bundle carries no version newer than its own; the store may have the version that an
    // earlier run brought.
    let in_store = || age::stored(inputs.stored, installed).filter(|_| is_downgrade);
    let (from, carried_back) = match (carried_back, in_store()) {
        (Ok((rpm, list)), _) => (planned_rpm(metadata, rpm, list, program), Some(rpm)),
        (Err(_), Some(stored)) => (stored.clone(), None),
        (Err(_), None) if is_downgrade => {
            return Err(age::no_way_up(&installed.nevra, &to.nevra));
        }
        (Err(problem), None) => return Err(problem),
    };
    let both: Vec<&BundledRpm> = [to].into_iter().chain(carried_back).collect();
    refuse_by_lint(&inventory.identity, &both)?;
    Ok(PlannedComponent {
        component: component.clone(),
        from: Some(from),
        to: Some(planned_rpm(metadata, to, to_files, program)),
        config: of_component(
            component,
            forecast(installed, &InstalledFile::of_list(to_files), inventory),
        ),
        files: services::files(component, inventory),
        turned: turned::find(&installed.files, to_files),
    })
}
