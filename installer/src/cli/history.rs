//! `install history`: lists, shows and prunes the runs of this host.

use clap::Subcommand;
use manifests::printable::printable;

use super::session::{Session, unreadable};
use super::{after_run, render, sealing};
use crate::failure::Failure;
use crate::history::report::RunReport;
use crate::history::{self, PastRun, Retention, Unreadable};
use crate::plan::PlanKind;

/// List the runs on this host.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show one run: `info ID`.
    #[command(subcommand)]
    command: Option<HistoryCommand>,
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    /// Show one run.
    Info {
        /// The run.
        id: u64,
    },
    /// Remove old runs and the RPMs that only they need; done after each run too.
    Prune {
        /// Runs to keep, the newest.
        #[arg(long, default_value_t = 20)]
        keep_runs: usize,
        /// Most RPMs to keep, in MiB.
        #[arg(long, default_value_t = 8192)]
        keep_mib: u64,
    },
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    match args.command {
        None => list(session),
        Some(HistoryCommand::Info { id }) => info(session, id),
        Some(HistoryCommand::Prune {
            keep_runs,
            keep_mib,
        }) => {
            let store_bytes = keep_mib.saturating_mul(1024 * 1024);
            let runs = keep_runs;
            let limits = Retention {
                runs,
                store_bytes,
                ..Retention::default()
            };
            prune(session, limits)
        }
    }
}

fn word(run: &PastRun) -> &'static str {
    run.report
        .as_ref()
        .map_or("CUT OFF", |report| report.outcome.word())
}

/// A run as `history` lists it for programs.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
enum Listed<'a> {
    Readable(&'a RunReport),
    Unreadable { run: u64, unreadable: &'a str },
}

fn list(session: &Session) -> Result<u8, Failure> {
    sealing::settle_in_passing(session);
    let past = session.past()?;
    let read = past.runs.iter().map(|run| {
        let listed = run.report.as_ref().map(Listed::Readable);
        (run.id, listed, line(run))
    });
    let unread = past.unreadable.iter().map(|one| {
        let Unreadable { id, why, next, .. } = one;
        let line = format!("{id:>4}  {:<20}  UNREADABLE     {why}: {next}\n", "-");
        let (run, unreadable) = (*id, why.as_str());
        (run, Some(Listed::Unreadable { run, unreadable }), line)
    });
    let mut all: Vec<_> = read.chain(unread).collect();
    all.sort_by_key(|(id, ..)| *id);
    let mut text = "  ID  Started               Outcome        What\n".to_owned();
    text.extend(all.iter().map(|(.., line)| line.as_str()));
    if all.is_empty() {
        "No run yet.".clone_into(&mut text);
    }
    let listed = all.into_iter().filter_map(|(_, listed, _)| listed);
    render::result(session, &listed.collect::<Vec<_>>(), &text);
    Ok(0)
}

fn line(run: &PastRun) -> String {
    let started = run
        .report
        .as_ref()
        .map_or("-".to_owned(), |report| render::time(report.started));
    let title = printable(&run.plan.title);
    let what = match run.plan.kind {
        PlanKind::Upgrade => format!("{title} {}", printable(&run.plan.version)),
        PlanKind::Undo { run } => format!("{title} undo of run {run}"),
        PlanKind::Restore { run } => format!("{title} data of before run {run}"),
    };
    format!("{:>4}  {started:<20}  {:<13}  {what}\n", run.id, word(run))
}

fn info(session: &Session, id: u64) -> Result<u8, Failure> {
    sealing::settle_in_passing(session);
    let run = session.run(id)?;
    let mut text = if let Some(report) = &run.report {
        render::report(report)
    } else {
        let program = history::program(&session.layout, id);
        format!("Run {id} was cut off: `{program} resume` closes it.\n")
    };
    text.push_str(&sealing::line(session, id));
    text.push_str(&render::plan(&run.plan));
    render::result(session, &run.report, &text);
    Ok(0)
}

fn prune(session: &Session, retention: Retention) -> Result<u8, Failure> {
    let entered = session.lock("prune the history")?;
    sealing::settle(session, &entered.lock);
    let pruned = history::prune(&session.layout, retention).map_err(unreadable)?;
    after_run::tidy_copies(session);
    let names: Vec<String> = pruned.runs.iter().map(u64::to_string).collect();
    render::result(session, &pruned.runs, &render::removed(&names));
    if let Some(run) = pruned.kept_by {
        render::warning(&format!(
            "run {run} cannot be read and may need any stored package: all of them stay"
        ));
    }
    Ok(0)
}
