//! The commands with which a person puts a host back when no revert can. They are complete: packages,
//! files, data, services, and the end of the run. Each line is a command or a comment of a shell.

use std::path::PathBuf;

use super::scope_back::Scope;
use super::state::{Saved, State};
use super::unfinished::CUT_OFF;
use super::{Context, FREE_BY_HAND, dumps, kinds, mounted, stores, untouched};
use crate::backup::by_hand::{self as files_by_hand, Commands};
use crate::failure::chain;
use crate::history;
use crate::journal;
use crate::journal::recover::{self, Decision};
use crate::plan::PlannedStore;
use crate::shell::with_words;

/// An unattended recovery must not work beside a person.
const STOP_RECOVERY: &str =
    "systemctl stop airgap-bundle-recover.timer airgap-bundle-recover.service || true";

/// What is to be said about an open run.
#[derive(Debug)]
pub struct OpenRun {
    /// Why it failed.
    pub cause: String,
    /// The commands with which a person ends it.
    pub commands: Vec<String>,
}

/// Looks at an open run: why it failed, and how a person ends it. Nothing is changed.
#[must_use]
pub fn look_at_open_run(context: &Context<'_>) -> OpenRun {
    let records = journal::read(&context.dir().journal()).unwrap_or_default();
    let cause = recover::first_failure(&records)
        .unwrap_or(CUT_OFF)
        .to_owned();
    let mut state = State {
        saved: Saved::load(context).unwrap_or_default(),
        ..State::default()
    };
    // Commands would write below a bare mount point.
    if let Err(error) = mounted::check(context, &state.saved.baseline) {
        let program = history::program(context.layout, context.run);
        let why = chain(&error);
        return OpenRun {
            commands: vec![format!("# mount it as it was, then: {program} resume")],
            cause: format!("{cause}; {why}"),
        };
    }
    match recover::decide(&records, context.dir().live().exists()) {
        Decision::PutBack(mut reached) => {
            untouched::load(context, &mut reached);
            state.reached = reached;
        }
        Decision::FinishForward => state.is_committed = true,
        Decision::Close => {}
    }
    let commands = commands(context, &state);
    OpenRun { cause, commands }
}

/// Returns the commands that put back what is not back.
pub(super) fn commands(context: &Context<'_>, state: &State) -> Vec<String> {
    let program = history::program(context.layout, context.run);
    let mut commands = vec![
        format!("# tries all of it again: {program} resume"),
        STOP_RECOVERY.to_owned(),
    ];
    if !state.is_committed && !state.reached.back.is_live {
        let scope = Scope::of(context.plan, state);
        let baseline = &state.saved.baseline;
        let held = baseline.all_services(scope.held.iter().copied());
        commands.extend(with_words("systemctl stop", held.map(str::to_owned)));
        commands.extend(packages(context, state, &scope));
        let files = files(context, state, &scope);
        commands.extend(files.lines);
        if files.left_out > 0 {
            // The end of the run comes with the last of them.
            commands.push(format!(
                "# and {} files more: run these commands, then ask for the rest: {program} status",
                files.left_out
            ));
            return commands;
        }
        commands.extend(data(context, state));
    }
    commands.push(FREE_BY_HAND.to_owned());
    commands.extend(with_words("systemctl start", units(context, state)));
    let run = context.run;
    commands.push(format!(
        "{program} close {run} --as-it-is 'put back with the printed commands'"
    ));
    commands
}

/// What was brought goes first: it may conflict with the older versions, and what needs it is
/// replaced anyway.
fn packages(context: &Context<'_>, state: &State, scope: &Scope<'_>) -> Vec<String> {
    let changes: Vec<_> = scope
        .changed
        .iter()
        .flat_map(|group| group.changes())
        .collect();
    let successors: Vec<&str> = changes
        .iter()
        .filter_map(|one| one.needed?.successor.as_deref())
        .collect();
    let there = |package: &str| context.is_there(package).unwrap_or(true);
    let brought = changes.iter().filter(|one| match one.from {
        None => there(one.package),
        Some(_) => successors.contains(&one.package) && context.is_installed(one.package, one.to),
    });
    let brought = with_words("rpm -e --nodeps", brought.map(|one| one.package.to_owned()));
    let path = |sha256| context.layout.stored_rpm(sha256).display().to_string();
    let back = changes
        .iter()
        .filter(|one| !context.is_installed(one.package, one.from));
    let back = back.filter_map(|one| one.from).map(|rpm| path(&rpm.sha256));
    let back = with_words("rpm -U --oldpackage --replacepkgs", back);
    let kinds = kinds::by_hand(context, &state.saved.baseline.kinds, &changes);
    brought.into_iter().chain(kinds).chain(back).collect()
}

fn files(context: &Context<'_>, state: &State, scope: &Scope<'_>) -> Commands {
    let (false, Ok(before)) = (state.files_are_back, state.saved.before()) else {
        return Commands::default();
    };
    let roots = scope.roots(context, &state.saved.baseline);
    let blobs = context.dir().backup().blobs();
    files_by_hand::commands(context.layout, &blobs, &before.restricted(&roots))
}

fn data(context: &Context<'_>, state: &State) -> Vec<String> {
    let rewritten = stores::rewritten(context.plan, &state.reached).into_iter();
    let left = rewritten.filter(|store| !stores::is_back(store, &state.reached));
    left.flat_map(|store| data_of(context, store)).collect()
}

fn data_of(context: &Context<'_>, store: &PlannedStore) -> Vec<String> {
    let PlannedStore { name, endpoint, .. } = store;
    if let Some(reason) = &store.elsewhere {
        return vec![format!(
            "# restore your own backup of {name} ({endpoint}): {reason}"
        )];
    }
    let dir = dumps::dumps_dir(context).files;
    let dumps = stores::dumps_of(&context.dir().backup()).unwrap_or_default();
    let Some(dump) = dumps.of(name) else {
        return vec![format!(
            "# there is no dump of {name} ({endpoint}) below {}",
            dir.display()
        )];
    };
    let parts: Vec<PathBuf> = dump
        .parts
        .iter()
        .map(|part| dump.path(&dir, &part.name))
        .collect();
    let mut commands = vec![format!("# the data of {name} ({endpoint})")];
    if let Some(reason) = &store.terms.by_hand {
        commands.push(format!("# to be restored by a person who may: {reason}"));
    }
    let others = store.terms.others.as_ref();
    if others.is_some_and(|others| !others.are_none()) || context.dir().not_restored(name).exists()
    {
        commands.push("# other hosts may use them: stop their services first".to_owned());
    }
    match context.discover().access(name, endpoint) {
        Ok(access) => {
            let access = access.without_data_of(&dump.exclude);
            commands.extend(access.by_hand(context.run, &parts));
        }
        Err(error) => commands.extend([
            format!("# {error}: restore them from"),
            format!("#   {}", dir.join(name).display()),
        ]),
    }
    commands
}

/// Returns the units that ran before the run: services, then what starts them and what stopped with
/// them.
fn units(context: &Context<'_>, state: &State) -> Vec<String> {
    let baseline = &state.saved.baseline;
    let components: Vec<_> = context.plan.all_components().collect();
    let services: Vec<&str> = baseline.all_services(components.iter().copied()).collect();
    let triggers = components
        .iter()
        .flat_map(|component| baseline.triggers(component));
    let dependents = services
        .iter()
        .filter_map(|unit| baseline.dependents.get(*unit));
    let dependents = dependents.flatten().map(String::as_str);
    let mut units: Vec<String> = Vec::new();
    let own = services
        .iter()
        .copied()
        .chain(triggers)
        .filter(|unit| baseline.was_up(unit));
    for unit in own.chain(dependents) {
        if !units.iter().any(|known| known == unit) {
            units.push(unit.to_owned());
        }
    }
    units
}
