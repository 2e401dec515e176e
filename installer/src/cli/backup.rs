//! `install backup`: what runs saved, whether it is whole, and how it comes back.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::consent::RestoreShared;
use super::question::Answer;
use super::refusal::{cannot_look, internal, refusal};
use super::sealing::{self, UnsealArgs};
use super::session::{LockWait, Session, require_root};
use super::start::{Request, start};
use super::{after_run, render, shown};
use crate::backup;
use crate::backup::check;
use crate::backup::seal::{self, Kept};
use crate::failure::{Exit, Failure, chain};
use crate::history::report::DataReport;
use crate::history::{self, PastRun};
use crate::inventory::Inventory;
use crate::plan::restore;
use crate::run::dumps_of;

/// Show, check, restore or remove what runs saved.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: BackupCommand,
}

#[derive(Debug, Subcommand)]
enum BackupCommand {
    /// List what each run saved: configuration and dumps of data stores.
    List,
    /// Read every byte of a backup and compare it with its digests.
    Verify {
        /// The runs, as `install history` lists them; all of them if none is named.
        runs: Vec<u64>,
        #[command(flatten)]
        unseal: UnsealArgs,
    },
    /// Put dumps of data stores back, as a run of its own: the services that use them are stopped, what
    /// the stores hold is dumped first, and a failure puts that back. Packages and configuration stay;
    /// for those see `install undo`.
    Restore(RestoreArgs),
    /// Remove the backups of old runs. Their reports stay; what is removed cannot be undone any more.
    Prune {
        /// Backups to keep, of the newest runs.
        #[arg(long, value_name = "N")]
        keep: usize,
    },
}

#[derive(Debug, clap::Args)]
struct RestoreArgs {
    /// The run that made the dumps.
    run: u64,
    /// A store to restore, as `install backup list` names it (repeatable).
    #[arg(long = "store", value_name = "NAME", required = true)]
    stores: Vec<String>,
    #[command(flatten)]
    shared: RestoreShared,
    #[command(flatten)]
    lock_wait: LockWait,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    unseal: UnsealArgs,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    match &args.command {
        BackupCommand::List => list(session),
        BackupCommand::Verify { runs, unseal } => verify(session, runs, unseal),
        BackupCommand::Restore(args) => restore(session, args),
        BackupCommand::Prune { keep } => prune(session, *keep),
    }
}

/// One backup.
#[derive(Debug, Serialize)]
struct Listed {
    run: u64,
    outcome: &'static str,
    kept: &'static str,
    bytes: u64,
    data: Vec<DataReport>,
}

fn list(session: &Session) -> Result<u8, Failure> {
    sealing::settle_in_passing(session);
    let mut listed = Vec::new();
    let mut text = String::new();
    let past = session.past()?;
    for run in past.runs {
        let one = one(session, &run);
        text.push_str(&format!(
            "Run {} ({}): {}, {} KiB\n",
            one.run,
            one.outcome,
            one.kept,
            one.bytes.div_ceil(1024)
        ));
        text.push_str(&render::data(&one.data));
        listed.push(one);
    }
    for unread in &past.unreadable {
        let what = format!("Run {} cannot be read: {}\n", unread.id, unread.why);
        text.push_str(&what);
    }
    if text.is_empty() {
        text.push_str("No run yet.");
    }
    render::result(session, &listed, &text);
    Ok(0)
}

fn one(session: &Session, run: &PastRun) -> Listed {
    let dir = session.layout.run(run.id);
    let kept = match seal::kept(&session.layout, run.id) {
        Ok(Kept::Sealed) => "sealed",
        Ok(_) if dir.backup().exists() => "readable by root",
        Ok(_) => "removed",
        Err(_) => "not readable",
    };
    let report = run.report.as_ref();
    Listed {
        run: run.id,
        outcome: report.map_or("open", |report| report.outcome.word()),
        kept,
        bytes: backup::size(&dir),
        data: report.map_or_else(Vec::new, |report| report.data.clone()),
    }
}

/// What was found in one backup.
#[derive(Debug, Serialize)]
struct Verdict {
    run: u64,
    files: u64,
    bytes: u64,
    troubles: Vec<String>,
}

fn verify(session: &Session, runs: &[u64], unseal: &UnsealArgs) -> Result<u8, Failure> {
    require_root("read backups")?;
    let past = session.past()?;
    let (mut wanted, mut verdicts) = (Vec::new(), Vec::new());
    for id in runs {
        wanted.push(session.run(*id)?.id);
    }
    if runs.is_empty() {
        let has_backup = |run: &u64| {
            let dir = session.layout.run(*run);
            dir.backup().exists() || dir.sealed().exists()
        };
        wanted.extend(past.runs.iter().map(|run| run.id).filter(has_backup));
        let unread = past.unreadable.iter().filter(|run| has_backup(&run.id));
        verdicts.extend(unread.map(|unread| Verdict {
            run: unread.id,
            files: 0,
            bytes: 0,
            troubles: vec![format!("the run cannot be read: {}", unread.why)],
        }));
    }
    for run in wanted {
        let checked = match unseal.unlock(session, run)? {
            Some(unlocked) => check::sealed(unlocked),
            None => check::plain(&session.layout.run(run).backup()),
        };
        verdicts.push(Verdict {
            run,
            files: checked.files,
            bytes: checked.bytes,
            troubles: checked.troubles,
        });
    }
    let line = |one: &Verdict| match one.troubles.as_slice() {
        [] => format!(
            "Run {}: whole, {} files, {} bytes\n",
            one.run, one.files, one.bytes
        ),
        troubles => format!("Run {}: DAMAGED: {}\n", one.run, troubles.join("; ")),
    };
    let text: String = verdicts.iter().map(line).collect();
    let text = if text.is_empty() {
        "No backup.".to_owned()
    } else {
        text
    };
    render::result(session, &verdicts, &text);
    let is_damaged = verdicts.iter().any(|one| !one.troubles.is_empty());
    Ok(if is_damaged {
        Exit::Verification as u8
    } else {
        0
    })
}

fn restore(session: &Session, args: &RestoreArgs) -> Result<u8, Failure> {
    let mut entered = session.enter("restore a dump")?;
    let past = session.run(args.run)?;
    let unlocked = args.unseal.unlock(session, args.run)?;
    let recipients = args.unseal.recipients(session, args.run)?;
    let run = history::next_id(&session.layout).map_err(|why| internal(&why))?;
    entered.unseal(run, unlocked)?;
    let backup = seal::backup_of_undone(&session.layout, run, args.run);
    let dumps = dumps_of(&backup).map_err(|error| sealing::unusable(args.run, &chain(&error)))?;
    let inventory = Inventory::take(&session.host, &session.layout, &past.plan.to_restore())
        .map_err(|error| cannot_look(&error))?;
    let mut choices = session.choices()?;
    let consent = args.shared.standing(&mut choices);
    let mut plan = restore::plan(past.earlier(), &args.stores, &dumps, &inventory, &consent)
        .map_err(|problems| refusal("the dumps cannot be restored", &problems))?;
    let asked = session.ask_stores(&mut plan);
    render::announce(&plan);
    let request = Request {
        run,
        plan: &plan,
        lock_wait_secs: args.lock_wait.standing(session)?,
        recipients: &recipients,
        answer: args.answer,
    };
    start(session, entered, &request, || {
        let mut problems = asked;
        problems.extend(session.preflight(&plan, &recipients).problems);
        problems
    })
}

fn prune(session: &Session, keep: usize) -> Result<u8, Failure> {
    let _entered = session.lock("remove backups")?;
    let gone: Vec<PathBuf> = backup::prune(&session.layout, keep).map_err(|why| {
        let next = "look at /var/lib/airgap-bundle/runs, then try again";
        let what = "not every backup could be removed";
        Failure::new(Exit::Internal, what, why, next)
    })?;
    after_run::tidy_copies(session);
    let names: Vec<String> = gone.iter().map(|path| shown(path)).collect();
    render::result(session, &names, &render::removed(&names));
    Ok(0)
}
