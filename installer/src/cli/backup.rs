//! `install backup`: what runs saved, whether it is whole, and how it comes back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::execute::{self, Request};
use super::sealing::{self, UnsealArgs};
use super::{Place, install, render, require_root, shown, view};
use crate::backup;
use crate::backup::check;
use crate::backup::seal::{self, Kept};
use crate::failure::{Exit, Failure, chain};
use crate::history::report::DataReport;
use crate::history::{self, PastRun};
use crate::inventory::Inventory;
use crate::plan::restore;
use crate::preflight::{self, Backup};
use crate::run::{self, dumps_of, reserve};

#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
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

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The run that made the dumps.
    run: u64,
    /// A store to restore, as `install backup list` names it (repeatable).
    #[arg(long = "store", value_name = "NAME", required = true)]
    stores: Vec<String>,
    /// Longest wait for rpm's lock, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECS")]
    lock_wait: u64,
    #[command(flatten)]
    unseal: UnsealArgs,
}

pub(super) fn run(place: &Place, command: &BackupCommand) -> Result<u8, Failure> {
    match command {
        BackupCommand::List => list(place),
        BackupCommand::Verify { runs, unseal } => verify(place, runs, unseal),
        BackupCommand::Restore(args) => restore(place, args),
        BackupCommand::Prune { keep } => prune(place, *keep),
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

fn list(place: &Place) -> Result<u8, Failure> {
    sealing::settle_in_passing(place);
    let mut listed = Vec::new();
    let mut text = String::new();
    for run in view::runs(place)? {
        let one = one(place, &run);
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
    if listed.is_empty() {
        text.push_str("No run yet.");
    }
    render::result(place, &listed, &text);
    Ok(0)
}

fn one(place: &Place, run: &PastRun) -> Listed {
    let dir = place.layout.run(run.id);
    let kept = match seal::kept(&place.layout, run.id) {
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

fn verify(place: &Place, runs: &[u64], unseal: &UnsealArgs) -> Result<u8, Failure> {
    require_root("read backups")?;
    let all = view::runs(place)?;
    let mut wanted = Vec::new();
    for id in runs {
        wanted.push(view::find(place, *id)?.id);
    }
    if runs.is_empty() {
        let has_backup = |run: &&PastRun| {
            let dir = place.layout.run(run.id);
            dir.backup().exists() || dir.sealed().exists()
        };
        wanted.extend(all.iter().filter(has_backup).map(|run| run.id));
    }
    let mut verdicts = Vec::new();
    for run in wanted {
        let checked = match unseal.unlock(place, run)? {
            Some(unlocked) => check::sealed(unlocked),
            None => check::plain(&place.layout.run(run).backup()),
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
    render::result(place, &verdicts, &text);
    let is_damaged = verdicts.iter().any(|one| !one.troubles.is_empty());
    Ok(if is_damaged {
        Exit::Verification as u8
    } else {
        0
    })
}

fn restore(place: &Place, args: &RestoreArgs) -> Result<u8, Failure> {
    require_root("restore a dump")?;
    let lock = install::take_lock(place)?;
    install::refuse_open_run(place)?;
    reserve::free(&place.layout);
    sealing::settle(place, &lock);
    let past = view::find(place, args.run)?;
    let unlocked = args.unseal.unlock(place, args.run)?;
    let recorded =
        seal::recorded(&place.layout, args.run).map_err(|why| sealing::unusable(args.run, &why))?;
    let recipients = args.unseal.seal.recipients(place)?.and(recorded);
    let run = history::next_id(&place.layout).map_err(|why| install::internal(&why))?;
    if let Some(unlocked) = unlocked {
        seal::unseal(&place.layout, run, unlocked).map_err(|why| sealing::unusable(run, &why))?;
    }
    let start = || {
        let backup = seal::backup_of_undone(&place.layout, run, args.run);
        let dumps =
            dumps_of(&backup).map_err(|error| sealing::unusable(args.run, &chain(&error)))?;
        let inventory = Inventory::take(&place.host, &place.layout, &past.plan.to_restore())
            .map_err(|error| install::cannot_look(&error))?;
        let plan = restore::plan(past.earlier(), &args.stores, &dumps, &inventory)
            .map_err(|problems| install::refusal("the dumps cannot be restored", &problems))?;
        eprint!("{}", render::plan(&plan));
        let undone = execute::undone(place, run, &plan)?;
        let request = Request {
            run,
            plan: &plan,
            undone: undone.as_ref(),
            lock_wait_secs: args.lock_wait,
            recipients: &recipients,
        };
        execute::start(place, lock, &request, || {
            preflight::host(
                &place.host,
                &place.stores(),
                &place.layout,
                &plan,
                Backup::of(&recipients),
            )
        })
    };
    let done = start();
    if !run::is_prepared(&place.layout, run)
        && let Err(why) = seal::discard_unsealed(&place.layout, run)
    {
        render::warning(&why);
    }
    done
}

fn prune(place: &Place, keep: usize) -> Result<u8, Failure> {
    require_root("remove backups")?;
    let _lock = install::take_lock(place)?;
    let gone: Vec<PathBuf> = backup::prune(&place.layout, keep).map_err(|why| {
        let next = "look at /var/lib/airgap-bundle/runs, then try again";
        Failure::new(
            Exit::Internal,
            "not every backup could be removed",
            why,
            next,
        )
    })?;
    let names: Vec<String> = gone.iter().map(|path| shown(path)).collect();
    let text = if names.is_empty() {
        "Nothing to remove.".to_owned()
    } else {
        format!("removed: {}", names.join(", "))
    };
    render::result(place, &names, &text);
    Ok(0)
}
