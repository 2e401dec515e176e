//! The cases of a sweep, for a person to read.

use super::play::Cut;
use super::results::Trial;
use crate::sweep::{grid, reasons};

const HEAD: [&str; 8] = [
    "seed", "to", "cut", "at s", "journal", "again", "verdict", "s",
];

/// One line per case, then what failed, then the sums.
#[must_use]
pub fn table(trials: &[Trial]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(trials.iter().map(row));
    let mut text = grid(&rows);
    text.extend(trials.iter().map(failure));
    text + &sums(trials)
}

fn row(trial: &Trial) -> [String; 8] {
    let first = trial.cuts.first();
    let again: Vec<String> = trial.cuts.iter().skip(1).map(later).collect();
    [
        trial.case.seed.to_string(),
        trial.case.cargo.to_string(),
        format!("{}{}", trial.case.moment, first.map_or("", ended)),
        first.map_or_else(String::new, |cut| seconds(cut.at_millis)),
        first.map_or_else(String::new, place),
        if again.is_empty() {
            "-".to_owned()
        } else {
            again.join("; ")
        },
        trial.verdict.word().to_owned(),
        seconds(trial.millis),
    ]
}

fn ended(cut: &Cut) -> &'static str {
    if cut.ended.is_some() { " (ended)" } else { "" }
}

fn later(cut: &Cut) -> String {
    format!("{} s: {}", seconds(cut.at_millis), place(cut))
}

/// The journal's last record, and the unflushed data that the disk lost.
fn place(cut: &Cut) -> String {
    let journal = cut.journal.as_deref().unwrap_or("none");
    let kib = |bytes: u64| bytes.div_ceil(1024);
    format!(
        "{journal}, lost {}/{} KiB",
        kib(cut.fate.lost),
        kib(cut.fate.volatile)
    )
}

fn failure(trial: &Trial) -> String {
    if trial.verdict.is_good() {
        return String::new();
    }
    let seed = trial.case.seed;
    let why = reasons(
        &format!("seed {seed}"),
        &trial.verdict,
        trial.evidence.as_deref(),
    );
    why + &format!("  again: scripts/power-cut --seed {seed} --count 1\n")
}

fn sums(trials: &[Trial]) -> String {
    let count = |word: &str| {
        let of_word = trials.iter().filter(|trial| trial.verdict.word() == word);
        of_word.count()
    };
    let good = trials
        .iter()
        .filter(|trial| trial.verdict.is_good())
        .count();
    let cuts: usize = trials.iter().map(|trial| trial.cuts.len()).sum();
    let total = |of: fn(&Trial) -> u64| trials.iter().map(of).sum::<u64>();
    let mean = |sum: u64| seconds(sum / u64::try_from(trials.len()).unwrap_or(1).max(1));
    let bytes = |of: fn(&Cut) -> u64| -> u64 {
        let all = trials.iter().flat_map(|trial| &trial.cuts);
        all.map(of).sum::<u64>() / 1024
    };
    format!(
        "\npower: {good} of {} Done or Unchanged, without help ({} Done, {} Unchanged, {} failed); \
         {cuts} cuts, {} flushes, {} of {} KiB in the disks' caches lost; recovered {} s after \
         switching on, {} s per case\n",
        trials.len(),
        count("Done"),
        count("Unchanged"),
        count("FAILED"),
        bytes(|cut| cut.fate.flushes * 1024),
        bytes(|cut| cut.fate.lost),
        bytes(|cut| cut.fate.volatile),
        mean(total(|trial| trial.recovery_millis)),
        mean(total(|trial| trial.millis)),
    )
}

fn seconds(millis: u64) -> String {
    format!("{:.1}", crate::sweep::seconds(millis))
}
