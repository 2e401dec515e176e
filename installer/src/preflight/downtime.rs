//! Forecasts how long each component is down: from what this host measured in earlier runs, and from
//! the sizes of the data that are dumped meanwhile. What was not measured is said to be not known.

use std::time::Duration;

use super::measured;
use crate::history::{self, PastRun};
use crate::host::Host;
use crate::journal::step::{GroupStep, Step};
use crate::journal::{self, Phase, Record};
use crate::layout::Layout;
use crate::plan::{Group, InstallPlan, PlannedStore};
use crate::stores::{self, Limit, Stores};

/// Longest time for the inspection of one store.
const LOOK: Duration = Duration::from_secs(30);

/// Returns one line for each component that goes down. The stores that are dumped while it is held
/// are asked for their size.
pub fn forecast(
    host: &dyn Host,
    reached: &dyn Stores,
    layout: &Layout,
    plan: &InstallPlan,
) -> Vec<String> {
    let past = history::all(layout).unwrap_or_default().runs;
    let components: Vec<_> = plan.known_components().collect();
    let discovery = stores::discover(host, layout, &components);
    let limit = Limit {
        time: LOOK,
        stopped: &|| false,
    };
    let size = |store: &PlannedStore| -> Option<u64> {
        let access = discovery.access(&store.name, &store.endpoint).ok()?;
        let access = access.without_data_of(&store.exclude);
        reached.look(&access, limit).ok()?.raw_bytes
    };
    let timed: Vec<Timed> = past.iter().flat_map(|run| timed(layout, run)).collect();
    plan.groups
        .iter()
        .flat_map(|group| of_group(plan, group, &past, &timed, &size))
        .collect()
}

fn of_group(
    plan: &InstallPlan,
    group: &Group,
    past: &[PastRun],
    timed: &[Timed],
    size: &dyn Fn(&PlannedStore) -> Option<u64>,
) -> Vec<String> {
    let mut parts: Vec<String> = plan
        .stores_of(&group.name)
        .filter(|store| store.change.is_some() && store.is_dumped())
        .map(|store| of_dump(store, past, size(store)))
        .collect();
    let names: Vec<&str> = group
        .components
        .iter()
        .map(|one| one.component.name.as_str())
        .collect();
    let start = match newest(timed, &names) {
        _ if group.components.is_empty() => "the restore and the start (not known)".to_owned(),
        Some(timed) => format!(
            "rpm and the start ({} s in run {}), and up to {} s until it is healthy",
            timed.down_secs, timed.run, timed.health_secs
        ),
        None => "rpm and the start (not measured on this host yet)".to_owned(),
    };
    parts.push(start);
    let titles: Vec<&str> = plan
        .held_with(&group.name)
        .iter()
        .map(|component| component.title.as_str())
        .collect();
    if titles.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "downtime of {}: {}",
        titles.join(", "),
        parts.join(", then ")
    )]
}

fn of_dump(store: &PlannedStore, past: &[PastRun], raw_bytes: Option<u64>) -> String {
    let name = &store.name;
    let last = measured::of(past, store);
    let secs = last.zip(raw_bytes).and_then(|(last, raw)| {
        let secs = measured::dump_secs(last, raw)?;
        Some((secs, last.run))
    });
    match (secs, raw_bytes) {
        (Some((secs, run)), _) => {
            format!("the dump of {name} (about {secs} s, by that of run {run})")
        }
        (None, Some(raw)) => format!(
            "the dump of {name} ({} MiB on its server; the time was not measured yet)",
            raw.div_ceil(1 << 20)
        ),
        (None, None) => format!("the dump of {name} (its size and time are not known)"),
    }
}

/// How long the components of a group were down in an earlier run, without the dumps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Timed {
    run: u64,
    components: Vec<String>,
    down_secs: u64,
    health_secs: u64,
}

/// Adds up what the newest run measured that changed all of some components.
fn newest(timed: &[Timed], names: &[&str]) -> Option<Timed> {
    let of_run = |run: u64| -> Option<Timed> {
        let groups: Vec<&Timed> = timed
            .iter()
            .filter(|timed| timed.run == run)
            .filter(|timed| {
                timed
                    .components
                    .iter()
                    .any(|one| names.contains(&one.as_str()))
            })
            .collect();
        let is_known = |name: &&str| {
            groups
                .iter()
                .any(|timed| timed.components.iter().any(|one| one == name))
        };
        names.iter().all(is_known).then(|| Timed {
            run,
            components: Vec::new(),
            down_secs: groups.iter().map(|timed| timed.down_secs).sum(),
            health_secs: groups
                .iter()
                .map(|timed| timed.health_secs)
                .max()
                .unwrap_or(0),
        })
    };
    let mut runs: Vec<u64> = timed.iter().map(|timed| timed.run).collect();
    runs.dedup();
    runs.into_iter().rev().find_map(of_run)
}

/// Reads the times of the groups of a run that went to its end.
fn timed(layout: &Layout, run: &PastRun) -> Vec<Timed> {
    let records = match journal::read(&layout.run(run.id).journal()) {
        Ok(records) if run.is_done() => records,
        _ => return Vec::new(),
    };
    let of_group = |group: &Group| {
        let (down_secs, health_secs) = times(&records, &group.name)?;
        let components = group.components.iter();
        Some(Timed {
            run: run.id,
            components: components.map(|one| one.component.name.clone()).collect(),
            down_secs,
            health_secs,
        })
    };
    run.plan.groups.iter().filter_map(of_group).collect()
}

/// Returns from the hold to the start without the dump, and from there to health, in seconds.
fn times(records: &[Record], group: &str) -> Option<(u64, u64)> {
    let at = |step: GroupStep, phase: Phase| {
        let step = Step::Group(step, group.to_owned());
        let mut records = records.iter();
        let record = records.find(|record| record.step == step && record.phase == phase);
        record.map(|record| record.at)
    };
    let held = at(GroupStep::Hold, Phase::Intent)?;
    let released = at(GroupStep::Release, Phase::Done)?;
    let healthy = at(GroupStep::Health, Phase::Done)?;
    let dump = at(GroupStep::Dump, Phase::Intent).zip(at(GroupStep::Dump, Phase::Done));
    let dump = dump.map_or(0, |(from, to)| to.saturating_sub(from));
    let down = released.saturating_sub(held).saturating_sub(dump);
    Some((down.max(1), healthy.saturating_sub(released).max(1)))
}

#[cfg(test)]
mod tests {
    use manifests::digest::Sha256;

    use super::*;

    fn record(step: GroupStep, phase: Phase, at: u64) -> Record {
        Record {
            seq: 1,
            run: 1,
            plan: Sha256::of(b""),
            step: Step::Group(step, "gateway".to_owned()),
            phase,
            at,
            note: String::new(),
            sum: String::new(),
        }
    }

    #[test]
    fn the_newest_run_that_changed_all_of_them_counts() {
        let timed = |run, name: &str, down_secs| Timed {
            run,
            components: vec![name.to_owned()],
            down_secs,
            health_secs: down_secs / 2,
        };
        let all = [
            timed(1, "gateway", 8),
            timed(1, "pump", 4),
            timed(2, "pump", 6),
        ];
        let found = |names: &[&str]| {
            let found = newest(&all, names)?;
            Some((found.run, found.down_secs, found.health_secs))
        };
        assert_eq!(found(&["pump"]), Some((2, 6, 3)));
        assert_eq!(found(&["gateway", "pump"]), Some((1, 12, 4)));
        assert_eq!(found(&["dashboard"]), None);
    }

    #[test]
    fn the_dump_is_no_part_of_the_measured_downtime() {
        let records = [
            record(GroupStep::Hold, Phase::Intent, 100),
            record(GroupStep::Dump, Phase::Intent, 101),
            record(GroupStep::Dump, Phase::Done, 161),
            record(GroupStep::Release, Phase::Done, 168),
            record(GroupStep::Health, Phase::Done, 172),
        ];
        assert_eq!(times(&records, "gateway"), Some((8, 4)));
        assert_eq!(times(&records, "pump"), None);
        assert_eq!(times(&records[..4], "gateway"), None);
    }
}
