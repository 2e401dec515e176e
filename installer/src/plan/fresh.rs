//! A first installation: a component that the host does not have, named by the operator. Its way back
//! is its removal. Pure.

use manifests::bundle::Role;

use super::beside;
use super::builds::planned_rpm;
use super::upgrade::{Case, Change, Inputs, Listed};
use super::{Group, InstallPlan, PlannedComponent};
use crate::inventory::{OnDisk, left};
use crate::problem::Problem;

/// How many files a note names.
const NAMED: usize = 5;

impl PlannedComponent {
    /// Whether the run installs it for the first time.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.from.is_none() && self.to.is_some()
    }

    /// Whether it is installed for the first time where its settings are there already: they may name
    /// data of an older version.
    #[must_use]
    pub fn has_settings(&self) -> bool {
        let mut files = self.files.iter();
        self.is_new() && files.any(|path| left::is_setting(&self.component, path))
    }

    /// Returns its change for people.
    #[must_use]
    pub fn change(&self) -> String {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("{} -> {}", from.nevra, to.nevra),
            (None, Some(to)) => format!("installed for the first time: {}", to.nevra),
            (Some(from), None) => format!("removed: {}", from.nevra),
            (None, None) => String::new(),
        }
    }
}

/// Plans the first installation of a component.
pub(super) fn plan(case: &Case<'_>, to: Listed<'_>) -> Result<Change, Vec<Problem>> {
    let packages = beside::all(case, to)?;
    let component = case.component;
    let program = component.program.as_deref();
    let planned = PlannedComponent {
        component: component.clone(),
        from: None,
        to: Some(planned_rpm(case.inputs.metadata, to.0, to.1, program)),
        config: Vec::new(),
        files: case
            .inputs
            .inventory
            .left
            .get(&component.name)
            .cloned()
            .unwrap_or_default(),
        turned: Vec::new(),
    };
    Ok(Change::To(Box::new(planned), packages))
}

/// Returns what a first installation meets on the host.
fn met(inputs: &Inputs<'_>, plan: &InstallPlan, new: &PlannedComponent) -> Vec<String> {
    let title = &new.component.title;
    let mut notes = Vec::new();
    if new.has_settings() {
        notes.push(format!(
            "{title}: {} lies here already and counts as its settings",
            new.files.join(", ")
        ));
    }
    let is_there = |path: &&String| {
        let disk = inputs.inventory.disk.get(*path);
        disk.is_some_and(|found| *found != OnDisk::Absent)
    };
    let is_own = |group: &&Group| group.name == new.component.name;
    let packages = plan
        .groups
        .iter()
        .filter(is_own)
        .flat_map(|group| &group.packages);
    let there = packages.flat_map(|planned| &planned.files).filter(is_there);
    let there: Vec<&str> = there.map(String::as_str).collect();
    if !there.is_empty() {
        notes.push(format!(
            "{title}: {} of its package's files lie here already ({}{}): rpm replaces them, and keeps \
             configuration under another name (.rpmnew, .rpmorig). They are saved, and a revert or an \
             undo puts them back",
            there.len(),
            there[..there.len().min(NAMED)].join(", "),
            if there.len() > NAMED { ", …" } else { "" }
        ));
    }
    notes
}

/// Checks what the operator named, and notes what a first installation means.
pub(super) fn check(inputs: &Inputs<'_>, plan: &mut InstallPlan, problems: &mut Vec<Problem>) {
    let components = &inputs.metadata.product().components;
    for name in &inputs.consent.fresh {
        let Some(component) = components.iter().find(|one| one.name == *name) else {
            let known: Vec<&str> = components.iter().map(|one| one.name.as_str()).collect();
            problems.push(Problem::new(
                format!("--fresh names {name}, which is no component"),
                format!("name one of these: {}", known.join(", ")),
            ));
            continue;
        };
        let new = plan.components().find(|one| one.component.name == *name);
        if let Some(new) = new.filter(|new| new.is_new()) {
            let (notes, has_settings) = (met(inputs, plan, new), new.has_settings());
            let migrations = inputs.metadata.product().migrations.iter();
            // Where its settings are there, the migrations count like those of an upgrade.
            let own = migrations.filter(|one| one.component == *name && !has_settings);
            plan.notes.extend(notes);
            plan.notes.extend(own.map(|migration| format!(
                "{}: no settings were found here. Data of an older version that the service may find \
                 are not dumped, and it may rewrite them for good ({}): back them up before",
                component.title, migration.title
            )));
            plan.notes.push(format!(
                "{} is installed for the first time with the configuration of its package, enabled and \
                 started. A revert or an undo removes it; users and groups that the package creates \
                 stay. If it can be well only after you have configured it, say so with \
                 --unhealthy-before {name}=REASON",
                component.title
            ));
        } else if plan.absent.contains(name) {
            problems.push(Problem::new(
                format!(
                    "--fresh {name}: the bundle does not carry {}",
                    component.package
                ),
                "name a component of the bundle, or build one without `--inventory`: with inventories it \
                 carries what they list",
            ));
        } else if problems.is_empty() {
            problems.push(Problem::new(
                format!("--fresh {name}: {} is installed already", component.package),
                format!("leave `--fresh {name}` out: the bundle upgrades what is installed"),
            ));
        }
    }
    let rpms = &inputs.metadata.manifest().rpms;
    let is_carried = |name: &String| {
        let mut uses = rpms.iter().flat_map(|rpm| &rpm.uses);
        uses.any(|purpose| purpose.role == Role::Target && purpose.component == *name)
    };
    let without = plan
        .absent
        .iter()
        .filter(|name| !inputs.consent.fresh.contains(*name));
    let notes: Vec<String> = without
        .filter(|name| is_carried(name))
        .map(|name| {
            format!("{name} is not installed here and stays so; `--fresh {name}` installs it")
        })
        .collect();
    plan.notes.extend(notes);
}
