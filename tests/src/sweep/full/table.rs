//! The table of a disk-full sweep.

use super::{Filling, Key, Trial};
use crate::sweep::table::{grid, reasons, seconds};

const HEAD: [&str; 8] = [
    "case", "disk", "filled", "exit", "reached", "then", "verdict", "seconds",
];

/// Draws the table, its sums last.
#[must_use]
pub fn table(trials: &[Trial]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(trials.iter().map(row));
    let mut text = grid(&rows);
    for trial in trials {
        let name = trial.case.key.to_string();
        text.push_str(&reasons(&name, &trial.verdict, trial.evidence.as_deref()));
    }
    text + &sums(trials)
}

fn row(trial: &Trial) -> [String; 8] {
    let dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let case = &trial.case;
    [
        match case.key {
            Key::Size(_, mib) => format!("{mib} MiB"),
            Key::Seed(seed) => format!("seed {seed} {}", case.cargo),
        },
        case.place.to_string(),
        filled(trial),
        trial
            .exit
            .map_or_else(|| "-".to_owned(), |exit| exit.to_string()),
        dash(&trial.reached),
        dash(then(trial)),
        trial.verdict.word().to_owned(),
        format!("{:.1}", seconds(trial.millis)),
    ]
}

fn filled(trial: &Trial) -> String {
    let Filling::During {
        moment,
        kib,
        is_kept,
    } = &trial.case.filling
    else {
        return "before".to_owned();
    };
    let kept = if *is_kept { ", kept so" } else { "" };
    let missed = if trial.filled_at.is_none() {
        " (ended before)"
    } else {
        ""
    };
    format!("{moment}: {kib} KiB{kept}{missed}")
}

fn then(trial: &Trial) -> &'static str {
    match (trial.has_waited, trial.is_resumed) {
        (true, _) => "held until space, resumed",
        (false, true) => "resumed",
        (false, false) => "",
    }
}

const KINDS: [&str; 3] = [
    "full before the run",
    "filled during the run",
    "filled, and the reserve taken away too",
];

fn kind(trial: &Trial) -> &'static str {
    let at = match trial.case.filling {
        Filling::Before { .. } => 0,
        Filling::During { .. } if trial.lost_its_reserve() => 2,
        Filling::During { .. } => 1,
    };
    KINDS[at]
}

fn sums(trials: &[Trial]) -> String {
    let mut text = "\n".to_owned();
    for name in KINDS {
        let of_kind: Vec<&Trial> = trials.iter().filter(|trial| kind(trial) == name).collect();
        if !of_kind.is_empty() {
            text.push_str(&format!("{name}: {}\n", sum(&of_kind)));
        }
    }
    text
}

fn sum(trials: &[&Trial]) -> String {
    let count = |what: &dyn Fn(&Trial) -> bool| trials.iter().filter(|trial| what(trial)).count();
    let word = |word: &'static str| count(&move |trial| trial.verdict.word() == word);
    let is_before = |trial: &Trial| matches!(trial.case.filling, Filling::Before { .. });
    let millis: u64 = trials.iter().map(|trial| trial.millis).sum();
    format!(
        "{} of {} Done or Unchanged ({} Done, {} Unchanged, {} failed); {} refused before any effect, \
         {} missed their moment, {} resumed by hand, {} of them held until there was space; {:.1} s per \
         case",
        count(&|trial| trial.verdict.is_good()),
        trials.len(),
        word("Done"),
        word("Unchanged"),
        word("FAILED"),
        count(&|trial| trial.exit == Some(4)),
        count(&|trial| !is_before(trial) && trial.filled_at.is_none()),
        count(&|trial| trial.is_resumed),
        count(&|trial| trial.has_waited),
        seconds(millis) / seconds(1000 * trials.len() as u64),
    )
}
