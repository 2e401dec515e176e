//! `install status`: reports the open run, the last run and the installed product, or follows a
//! run.

use std::collections::BTreeMap;

use manifests::printable::printable;

use super::progress::{self, State, Work};
use super::session::Session;
use super::{render, start};
use crate::failure::{Exit, Failure, chain};
use crate::history::report::{Outcome, RunReport};
use crate::history::{self, History, PastRun, Unreadable};
use crate::host::{Host as _, HostError};
use crate::journal::HostDisk;
use crate::plan::InstallPlan;
use crate::run::{self, Context, OnStop, OpenRun};

/// Show whether a run is open, who works on it and on what, and what is installed.
///
/// Exit codes: 0 no run is open, 11 a process works on one, 12 one is put back or the recovery tries
/// again by itself, 13 one is open and waits for a person.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show the progress of the run that is at work, until it is closed.
    #[arg(long)]
    follow: bool,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    if args.follow {
        follow(session)
    } else {
        show(session)
    }
}

fn follow(session: &Session) -> Result<u8, Failure> {
    let stopped = super::stop_signal()?;
    let History {
        mut runs,
        unreadable,
    } = session.past()?;
    let last = runs.pop();
    let is_newest = |one: &&Unreadable| last.as_ref().is_none_or(|run| run.id < one.id);
    if let Some(one) = unreadable.last().filter(is_newest) {
        return Err(one.refused());
    }
    if let Some(run) = last {
        return start::follow(session, run.id, &stopped);
    }
    let next = "`install BUNDLE` starts one";
    let why = "there was no run yet";
    Err(Failure::new(Exit::Usage, "nothing to follow", why, next))
}

/// What `status` reports.
#[derive(Debug, serde::Serialize)]
struct Status<'a> {
    /// Whether a run is open, and who works on it.
    state: State,
    /// What the process that works on the run does.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<&'a Work>,
    /// The open run, if there is one.
    open_run: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    /// The commands with which a person ends it.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    by_hand: &'a [String],
    /// Runs that this installer cannot read.
    unreadable_runs: &'a [Unreadable],
    /// The last run's report.
    last_run: Option<&'a RunReport>,
    /// The installed packages of the product that was upgraded last.
    installed: Vec<String>,
    /// Its services: the unit, `ActiveState` and `UnitFileState`.
    services: Vec<[String; 3]>,
    /// Why packages and services are unknown. A killed rpm can leave its database unreadable until
    /// the run is resumed.
    unknown: Option<String>,
}

fn show(session: &Session) -> Result<u8, Failure> {
    let past = session.past()?;
    let open = past.runs.iter().find(|run| run.is_open());
    let work = open.and_then(|run| progress::look(session, run));
    let state = progress::state(session, open_run(&past), work.as_ref());
    // A stored report has the commands of its own try; a later one may have come further. What a
    // process works on changes at every moment.
    let looked = open
        .filter(|_| work.is_none())
        .map(|run| look_at(session, run));
    let mut text = text(session, &past, (state, work.as_ref()), looked.as_ref());
    let runs = &past.runs;
    let found = match runs.last() {
        Some(last) => present(session, &last.plan),
        None => Ok(Present::default()),
    };
    let (Present(installed, services), unknown) = match found {
        Ok(present) => (present, None),
        Err(error) => (Present::default(), Some(chain(&error))),
    };
    text.push_str(&text_of_present(&installed, &services, unknown.as_deref()));
    let reported = open.and_then(|run| run.report.as_ref());
    let (cause, by_hand) = match (&looked, reported.map(|report| &report.outcome)) {
        (Some(looked), _) => (Some(looked.cause.as_str()), looked.commands.as_slice()),
        (
            None,
            Some(Outcome::RevertFailed {
                cause, commands, ..
            }),
        ) => (Some(cause.as_str()), commands.as_slice()),
        (None, _) => (None, [].as_slice()),
    };
    let status = Status {
        state,
        work: work.as_ref(),
        open_run: open_run(&past),
        cause,
        by_hand,
        unreadable_runs: &past.unreadable,
        last_run: runs.last().and_then(|run| run.report.as_ref()),
        installed,
        services,
        unknown,
    };
    render::result(session, &status, &text);
    Ok(state.exit())
}

fn text_of_present(
    installed: &[String],
    services: &[[String; 3]],
    unknown: Option<&str>,
) -> String {
    let unseen = |why| format!("  what is installed cannot be seen: {why}\n");
    let package = |nevra: &String| format!("  installed: {nevra}\n");
    let service =
        |[unit, active, enabled]: &[String; 3]| format!("  {unit}: {active}, {enabled}\n");
    let unseen = unknown.into_iter().map(unseen);
    let packages = installed.iter().map(package);
    let services = services.iter().map(service);
    unseen.chain(packages).chain(services).collect()
}

/// Packages, and services as in [`Status`].
#[derive(Default)]
struct Present(Vec<String>, Vec<[String; 3]>);

fn present(session: &Session, plan: &InstallPlan) -> Result<Present, HostError> {
    let packages: Vec<&str> = plan.changes().map(|change| change.package).collect();
    let installed = session.host.installed(&packages)?;
    let mut services = Vec::new();
    if session.host.identity()?.systemd {
        for unit in plan.components().filter_map(|c| c.component.unit.as_ref()) {
            let state = session.host.unit(unit)?;
            services.push([unit.clone(), state.active, state.file]);
        }
    }
    let installed = installed.iter().map(|one| one.nevra.to_string());
    Ok(Present(installed.collect(), services))
}

fn open_run(past: &History) -> Option<u64> {
    let open = past.runs.iter().find(|run| run.is_open());
    let open = open.map(|run| run.id);
    open.or_else(|| past.unreadable_open().map(|run| run.id))
}

/// Looks at a run that was cut off, so that a person can end it where no installer can.
fn look_at(session: &Session, open: &PastRun) -> OpenRun {
    run::look_at_open_run(&Context {
        host: &session.host,
        stores: &session.stores(),
        disk: &HostDisk,
        layout: &session.layout,
        plan: &open.plan,
        run: open.id,
        listener: &|_| (),
        stopped: &|| false,
        on_stop: OnStop::Revert,
        lock_wait_secs: 0,
        health_budgets: &BTreeMap::new(),
        undone: None,
    })
}

/// Returns whether a run is open, and how the last one ended.
fn text(
    session: &Session,
    past: &History,
    now: (State, Option<&Work>),
    looked: Option<&OpenRun>,
) -> String {
    let open = past.runs.iter().find(|run| run.is_open());
    let mut text = match (open, past.unreadable_open(), past.runs.last()) {
        (Some(open), ..) => text_of_open(session, open, now, looked),
        (None, None, Some(PastRun { report, .. })) => {
            let report = report.as_ref().map_or_else(String::new, render::report);
            format!("No run is open. The last one:\n{report}")
        }
        (None, None, None) if past.unreadable.is_empty() => "No run yet.\n".to_owned(),
        _ => String::new(),
    };
    let unread = |one: &Unreadable| {
        let Unreadable { id, why, next, .. } = one;
        format!("Run {id} cannot be read: {why}\n  {next}\n")
    };
    text.extend(past.unreadable.iter().map(unread));
    text
}

fn text_of_open(
    session: &Session,
    open: &PastRun,
    (state, work): (State, Option<&Work>),
    looked: Option<&OpenRun>,
) -> String {
    let id = open.id;
    let program = history::program(&session.layout, id);
    let mut text = match (work, state, &open.report) {
        (Some(work), ..) => {
            let follow = format!("  `{program} status --follow` shows its progress.\n");
            format!("Run {id} is not finished: {}{follow}", work.text())
        }
        (None, State::Recovering, _) => format!(
            "Run {id} is not finished: the recovery tries again by itself, every 30 seconds.\n  \
             `{program} resume` tries now.\n"
        ),
        (None, _, report) => format!(
            "Run {id} is not finished: {}, and no process works on it.\n  `{program} resume` closes \
             it.\n",
            match report {
                Some(_) => "its revert failed",
                None => "it was cut off",
            }
        ),
    };
    let mut report = open.report.clone();
    let told = report.as_mut().map(|report| &mut report.outcome);
    match (told, looked) {
        (Some(Outcome::RevertFailed { commands, .. }), Some(looked)) => {
            commands.clone_from(&looked.commands);
        }
        (_, Some(OpenRun { cause, commands })) => {
            let cause = printable(cause);
            text.push_str(&format!("  cause: {cause}\n{}", render::by_hand(commands)));
        }
        _ => {}
    }
    text.extend(report.iter().map(render::report));
    text
}
