//! The host in the end, compared with the host before the run and with the run's target.

use std::collections::BTreeMap;
use std::fmt::Debug;

use installer::backup::seal;
use installer::history;
use installer::history::report::Outcome;
use installer::plan::PlanKind;
use installer::trust::sequence;

use crate::fake::data;
use crate::fake::image::{Contents, Node, Tree, tree};
use crate::fake::machine::Visible;
use crate::world::World;

/// How many differences are shown of a host that is neither.
const SHOWN: usize = 4;

/// The two allowed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Unchanged,
}

/// Everything outside the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    files: Tree,
    visible: Visible,
}

impl Seen {
    pub(crate) fn of(world: &World) -> Self {
        let state =
            |path: &str| path.starts_with("/var/lib/airgap-bundle") || path == data::SCRATCH;
        Self {
            files: tree(&world.layout, |path| !state(path), &mut Contents::new()),
            visible: world.machine.borrow().visible(&world.layout),
        }
    }

    /// Returns what is not as it should be; nothing if it is the same.
    fn differences(&self, wanted: &Self) -> Vec<String> {
        let (now, then) = (&self.visible, &wanted.visible);
        let mut found = differences(&self.files, &wanted.files, show);
        found.extend(differences(&now.units, &then.units, Clone::clone));
        if now.packages != then.packages {
            found.push(format!("{:?}, not {:?}", now.packages, then.packages));
        }
        found
    }
}

fn show(node: &Node) -> String {
    match node {
        Node::File {
            mode,
            mtime,
            content,
        } => {
            let content = String::from_utf8_lossy(content);
            format!("{mode:o} {} {content:?}", mtime.as_secs())
        }
        other => format!("{other:?}"),
    }
}

fn differences<T: Debug + PartialEq>(
    now: &BTreeMap<String, T>,
    then: &BTreeMap<String, T>,
    show: impl Fn(&T) -> String,
) -> Vec<String> {
    let show = |value: Option<&T>| value.map_or_else(|| "nothing".to_owned(), &show);
    let mut keys: Vec<&String> = now.keys().chain(then.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| now.get(*key) != then.get(*key));
    let say = |key: &String| format!("{key}: {}, not {}", show(now.get(key)), show(then.get(key)));
    keys.into_iter().map(say).collect()
}

/// The host before a run, and after it if it comes to its end.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) before: Seen,
    pub(crate) target: Option<Seen>,
    /// The number of the run that is judged.
    pub(crate) run: u64,
    /// Whether its report may name differences.
    pub(crate) may_differ: bool,
}

impl Judge {
    /// Returns which end it is, or everything that contradicts both.
    pub(crate) fn judge(&self, world: &World) -> Result<End, String> {
        let now = Seen::of(world);
        let end = if now == self.before {
            End::Unchanged
        } else if self.target.as_ref() == Some(&now) {
            End::Done
        } else {
            return Err(format!(
                "{}\n    it says {:?}",
                self.neither(&now),
                self.reported(world)
            ));
        };
        if let Some(violation) = world.machine.borrow().violations.first() {
            return Err(violation.clone());
        }
        if let Some(open) =
            history::open_run(&world.layout).map_err(|failure| failure.to_string())?
        {
            return Err(format!("run {} is still open", open.id));
        }
        if world.layout.state().join("reserve").exists() {
            return Err("the reserve is still taken".to_owned());
        }
        self.check_memory(world, end)?;
        self.check_scratch(world)?;
        if seal::is_unsettled(&world.layout) {
            return Err("a backup that is to be sealed is plain".to_owned());
        }
        match (self.reported(world)?, end) {
            (None | Some(End::Unchanged), End::Unchanged) | (Some(End::Done), End::Done) => Ok(end),
            (reported, end) => Err(format!("the report says {reported:?}, the host is {end:?}")),
        }
    }

    fn neither(&self, now: &Seen) -> String {
        let mut text = "neither done nor unchanged".to_owned();
        let before = now.differences(&self.before);
        let target = self.target.as_ref().map(|target| now.differences(target));
        for (name, found) in [("unchanged", Some(before)), ("done", target)] {
            let found = found.unwrap_or_default();
            for line in found.iter().take(SHOWN) {
                text.push_str(&format!("\n    not {name}: {line}"));
            }
            if found.len() > SHOWN {
                text.push_str(&format!("\n    ... and {} more", found.len() - SHOWN));
            }
        }
        text
    }

    /// Checks that the bundle's sequence counts from the moment at which the run is done, and not
    /// before.
    fn check_memory(&self, world: &World, end: End) -> Result<(), String> {
        let marks = sequence::marks(&world.layout).map_err(|other| format!("{other:?}"))?;
        let is_marked = marks.iter().any(|mark| mark.run == self.run);
        let run = history::load(&world.layout, self.run)?;
        let is_upgrade = run.is_some_and(|run| run.plan.kind == PlanKind::Upgrade);
        if is_marked == (is_upgrade && end == End::Done) {
            return Ok(());
        }
        Err(format!(
            "the bundle's sequence is remembered: {is_marked}; the host is {end:?}"
        ))
    }

    /// Checks that nothing is left of a trial of a restore, or that the report says so.
    fn check_scratch(&self, world: &World) -> Result<(), String> {
        if !world.layout.at(data::SCRATCH).exists() {
            return Ok(());
        }
        let run = history::load(&world.layout, self.run)?;
        let notes = run.and_then(|run| run.report).map(|report| report.notes);
        let is_said = |note: &String| note.contains("trial of a restore");
        if notes.is_some_and(|notes| notes.iter().any(is_said)) {
            return Ok(());
        }
        Err("what a trial of a restore made is still there".to_owned())
    }

    /// The outcome in the run's report, if the run began.
    fn reported(&self, world: &World) -> Result<Option<End>, String> {
        let run = history::load(&world.layout, self.run)?;
        let outcome = run.and_then(|run| run.report).map(|report| report.outcome);
        match outcome {
            None => Ok(None),
            Some(outcome) if outcome.has_differences() && outcome.word() == "differs" => {
                if self.may_differ {
                    Ok(Some(End::Unchanged))
                } else {
                    Err(format!("it reports differences: {outcome:?}"))
                }
            }
            Some(Outcome::Done) => Ok(Some(End::Done)),
            Some(Outcome::Unchanged { .. } | Outcome::Reverted { .. }) => Ok(Some(End::Unchanged)),
            Some(Outcome::RevertFailed {
                cause,
                revert_cause,
                ..
            }) => Err(format!(
                "the revert failed: {revert_cause} (after: {cause})"
            )),
        }
    }
}
