//! The table of a sweep.

use std::path::Path;

use super::play::Struck;
use super::results::{Trial, Way};
use super::verdict::Verdict;

const HEAD: [&str; 8] = [
    "seed",
    "case",
    "victim",
    "moment",
    "phase",
    "recovery kills",
    "verdict",
    "seconds",
];

/// Draws the table, its sums last.
#[must_use]
pub fn table(trials: &[Trial]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(trials.iter().map(row));
    let mut text = grid(&rows);
    for trial in trials {
        text.push_str(&failure(trial));
        for note in &trial.notes {
            text.push_str(&format!("seed {}: {note}\n", trial.seed));
        }
    }
    text + &sums(trials)
}

/// Sets rows in columns.
pub(crate) fn grid<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(trial: &Trial) -> [String; 8] {
    let first = trial.struck.first();
    let of = |what: fn(&Struck) -> String| first.map_or_else(String::new, what);
    let case = match trial.way {
        Way::Installer => trial.cargo.to_string(),
        Way::PlainRpm => format!("{} plain rpm", trial.cargo),
    };
    let missed = first.is_some_and(|struck| !struck.hit);
    [
        trial.seed.to_string(),
        case,
        of(|struck| struck.strike.victim.to_string()),
        of(|struck| struck.strike.moment.to_string()) + if missed { " (ended before)" } else { "" },
        of(|struck| struck.phase.clone()),
        again(&trial.struck),
        verdict(trial),
        format!("{:.1}", seconds(trial.millis)),
    ]
}

fn verdict(trial: &Trial) -> String {
    let word = trial.verdict.word();
    match trial.kept_aside {
        None | Some(0) => word.to_owned(),
        Some(kept) => format!("{word}, {kept} kept aside"),
    }
}

/// The kills after the first that hit a process.
fn again(struck: &[Struck]) -> String {
    let hits: Vec<String> = struck
        .iter()
        .skip(1)
        .filter(|struck| struck.hit)
        .map(|struck| format!("{} at {}", struck.strike.victim, struck.phase))
        .collect();
    if hits.is_empty() {
        "-".to_owned()
    } else {
        hits.join(", ")
    }
}

fn failure(trial: &Trial) -> String {
    // The plain way is expected to fail; its table shows enough.
    if trial.way == Way::PlainRpm {
        return String::new();
    }
    let name = format!("seed {}", trial.seed);
    reasons(&name, &trial.verdict, trial.evidence.as_deref())
}

/// Returns why a case failed; nothing of a case that did not.
pub(crate) fn reasons(name: &str, verdict: &Verdict, evidence: Option<&Path>) -> String {
    let Verdict::Failed { reasons } = verdict else {
        return String::new();
    };
    let shown = reasons
        .iter()
        .take(12)
        .map(|reason| format!("  {reason}\n"));
    let mut text = format!("\n{name} failed:\n");
    text.extend(shown);
    text + &evidence.map_or_else(String::new, |path| {
        format!("  evidence: {}\n", path.display())
    })
}

fn sums(trials: &[Trial]) -> String {
    let mut text = "\n".to_owned();
    for (way, name) in [(Way::Installer, "installer"), (Way::PlainRpm, "plain rpm")] {
        let of_way: Vec<&Trial> = trials.iter().filter(|trial| trial.way == way).collect();
        if of_way.is_empty() {
            continue;
        }
        let count = |word: &str| {
            of_way
                .iter()
                .filter(|trial| trial.verdict.word() == word)
                .count()
        };
        let good = of_way
            .iter()
            .filter(|trial| trial.verdict.is_good())
            .count();
        let hits: usize = of_way.iter().map(|trial| hits(trial)).sum();
        let called = of_way.iter().filter(|trial| trial.called).count();
        let millis: u64 = of_way.iter().map(|trial| trial.millis).sum();
        let kept: usize = of_way.iter().filter_map(|trial| trial.kept_aside).sum();
        text.push_str(&format!(
            "{name}: {good} of {} Done or Unchanged ({} Done, {} Unchanged, {} failed); {hits} kills, \
             {called} recoveries called by hand, {:.1} s per case\n",
            of_way.len(),
            count("Done"),
            count("Unchanged"),
            count("FAILED"),
            seconds(millis) / seconds(1000 * of_way.len() as u64),
        ));
        if kept > 0 {
            text.push_str(&format!("{kept} databases kept aside by restores\n"));
        }
    }
    text
}

fn hits(trial: &Trial) -> usize {
    trial.struck.iter().filter(|struck| struck.hit).count()
}

pub(crate) fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}
