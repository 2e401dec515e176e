//! The question before a run that cannot be taken back as if nothing had happened. It is asked once,
//! and only on a terminal: scripts have decided before.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use manifests::printable::printable_lines;

use crate::failure::{Exit, Failure};
use crate::plan::{DataChange, InstallPlan};

/// How the question is answered without a terminal.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Answer {
    /// Answer yes to the question that a terminal is asked before a run that rewrites data for good,
    /// or data that other services use too.
    #[arg(long)]
    yes: bool,
}

/// Asks, if there is something to ask and a terminal to ask on.
pub(super) fn ask(
    plan: &InstallPlan,
    answer: Answer,
    stopped: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    let reasons = reasons(plan);
    let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if reasons.is_empty() || answer.yes || !is_terminal {
        return Ok(());
    }
    let lines = reasons
        .iter()
        .fold(String::new(), |text, why| text + &format!("  * {why}\n"));
    let mut err = std::io::stderr().lock();
    // If the question cannot be printed, the answer will not be yes.
    let _ = write!(
        err,
        "This run cannot be taken back as if nothing had happened:\n{}Type yes to go on: ",
        printable_lines(&lines)
    );
    let _ = err.flush();
    drop(err);
    if typed(stopped).as_deref() == Some("yes") {
        return Ok(());
    }
    let stopped = stopped();
    Err(Failure::new(
        if stopped {
            Exit::Interrupted
        } else {
            Exit::Refused
        },
        "the run was not started; nothing was changed",
        if stopped {
            "a signal came"
        } else {
            "the answer was not yes"
        },
        "start it again and type yes, or give --yes",
    ))
}

/// Reads one line. A signal ends the wait.
fn typed(stopped: &dyn Fn() -> bool) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        // One who does not wait any more does not need it.
        let _ = sender.send(read.ok().map(|_| line.trim().to_owned()));
    });
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => return line,
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) if stopped() => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Returns what cannot be taken back, or touches what others use.
fn reasons(plan: &InstallPlan) -> Vec<String> {
    let mut reasons = Vec::new();
    for store in &plan.stores {
        match (&store.change, &store.elsewhere) {
            (Some(DataChange::Migrated { title }), None) => reasons.push(format!(
                "{}: {title}. Going back restores its dump, and what is written since is lost to the \
                 product",
                store.name
            )),
            (Some(DataChange::Migrated { title }), Some(_)) => reasons.push(format!(
                "{}: {title}. Going back cannot restore it: you would restore your own backup",
                store.name
            )),
            (Some(DataChange::Restored { run }), _) => reasons.push(format!(
                "{}: its data are replaced by the dump of before run {run}",
                store.name
            )),
            (None, _) => {}
        }
        let who = store.is_shared_with();
        reasons.extend(who.map(|who| format!("{}: {who}", store.name)));
    }
    for component in plan.standing_by() {
        reasons.push(format!(
            "{} uses the same data and is stopped meanwhile, though it does not change",
            component.title
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::report::Outcome;
    use crate::history::test_runs::past_run;
    use crate::plan::PlanKind;

    #[test]
    fn a_run_that_changes_no_data_asks_nothing() {
        let plan = past_run(1, PlanKind::Upgrade, Some(Outcome::Done)).plan;
        assert_eq!(reasons(&plan), Vec::<String>::new());
        assert_eq!(ask(&plan, Answer::default(), &|| false), Ok(()));
    }
}
