//! `install rollback RUN`: undoes every later run, one after the other.

use super::render;
use super::session::{Session, require_root};
use super::undo::{UndoArgs, undo};
use crate::failure::{Exit, Failure};
use crate::history;

/// Undo everything after a run, newest first; 0 is before the first run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run to go back to, as `install history` lists it.
    id: u64,
    #[command(flatten)]
    undo: UndoArgs,
}

/// Undoes every run after a given one, newest first. Each undo is a run of its own. It stops at the
/// first undo that does not end as done.
pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    require_root("roll back")?;
    let id = args.id;
    let runs = session.runs_readable_after(id)?;
    if id != 0 {
        session.run(id)?;
    }
    let after: Vec<u64> = history::effective(&runs)
        .iter()
        .map(|run| run.id)
        .filter(|run| *run > id)
        .collect();
    if after.is_empty() {
        let text = format!("Nothing to roll back: no run after {id} counts.");
        render::result(session, &after, &text);
        return Ok(0);
    }
    // An identity that opens only some of the backups would leave the host half-way back.
    for run in &after {
        args.undo.unseal.unlock(session, *run)?;
    }
    let mut ended = 0;
    for run in after.into_iter().rev() {
        let code = undo(session, run, &args.undo)?;
        if code == Exit::NotWell as u8 {
            // It is done; an earlier version may be well.
            ended = code;
        } else if code == 0 {
            ended = 0;
        } else {
            return Ok(code);
        }
    }
    Ok(ended)
}
