//! `install config-changes [RUN]`: shows how a run changed configuration files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::session::{Session, require_root};
use super::{render, shown};
use crate::backup::changes::{self, CONFIG_CHANGES_TYPE, Pictured};
use crate::backup::seal::{self, Kept};
use crate::failure::{Exit, Failure};
use crate::history::PastRun;
use crate::history::report::Outcome;
use crate::layout::BackupDir;
use crate::plan::Group;

/// Show what an upgrade did to configuration files: old default, yours, new default.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `install history` lists it; the last one that has something to show if none is named.
    id: Option<u64>,
    /// The directory `backup` of the run, where it was unsealed by hand.
    #[arg(long, value_name = "DIR", requires = "id")]
    backup: Option<PathBuf>,
}

/// The result. It quotes lines of configuration files, including the secrets in them.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(rename = "type")]
    document: &'static str,
    run: u64,
    files: Vec<Pictured>,
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("show what is in configuration files")?;
    let run = match args.id {
        Some(id) => session.run(id)?,
        None => last(session)?,
    };
    let backup = match &args.backup {
        Some(dir) => BackupDir::at(dir.clone()),
        None => plain(session, run.id)?,
    };
    let damaged = |why: String| {
        let next = "the backup was changed since the run: compare it with a copy of your own";
        let what = format!("cannot show what run {} did to configuration", run.id);
        Failure::new(Exit::Internal, what, why, next)
    };
    let Some((document, blobs)) = changes::load(&backup).map_err(damaged)? else {
        return Err(nothing(run.id, &backup));
    };
    let files = document.files.iter();
    let files: Result<Vec<Pictured>, String> = files
        .map(|change| changes::picture(change, &blobs))
        .collect();
    let shown = Shown {
        document: CONFIG_CHANGES_TYPE,
        run: document.run,
        files: files.map_err(damaged)?,
    };
    let mut text = heading(&run);
    for file in &shown.files {
        text.push_str(&file.text());
    }
    render::result(session, &shown, &text);
    Ok(0)
}

fn heading(run: &PastRun) -> String {
    let outcome = run.report.as_ref().map(|report| &report.outcome);
    let holds = match outcome {
        Some(Outcome::Done) => "",
        None => "; the run is still open",
        Some(_) => "; the run was reverted: none of this holds any more",
    };
    format!("Run {}{holds}\n", run.id)
}

/// Returns the last run that has something to show, or that may have it in a sealed backup.
fn last(session: &Session) -> Result<PastRun, Failure> {
    let has_some = |run: &PastRun| {
        let is_sealed = seal::kept(&session.layout, run.id) == Ok(Kept::Sealed);
        let document = session.layout.run(run.id).backup().config_changes();
        document.exists() || (is_sealed && run.plan.groups.iter().any(Group::has_pictures))
    };
    let mut runs = session.runs()?;
    runs.retain(has_some);
    runs.pop().ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "there is nothing to show",
            "no run on this host changed a default of a configuration file",
            "`install history` lists the runs",
        )
    })
}

/// Returns the backup of a run unless it is sealed.
fn plain(session: &Session, run: u64) -> Result<BackupDir, Failure> {
    let dir = session.layout.run(run);
    if seal::kept(&session.layout, run) != Ok(Kept::Sealed) {
        return Ok(dir.backup());
    }
    let sealed = shown(&dir.sealed());
    Err(Failure::new(
        Exit::Refused,
        format!("cannot show what run {run} did to configuration"),
        format!("its backup is sealed: {sealed}"),
        format!(
            "unseal it into a directory that only root can read: `mkdir -m 700 DIR; age -d -i KEY {sealed} | tar -xC DIR`, \
             then `install config-changes {run} --backup DIR/backup`; remove DIR when you are done"
        ),
    ))
}

fn nothing(run: u64, backup: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("run {run} has nothing to show"),
        format!(
            "{} has no config-changes.json: no default of a file that people may edit changed, or the \
             run did not get that far",
            shown(backup)
        ),
        "`install config-changes` without a number takes the last run that has some",
    )
}
