//! Asks the stores of a plan before anything changes: whether they can be dumped and restored, who
//! else uses them, and whether two of them are one. What is found stands in the plan.

use std::time::Duration;

use super::{measured, twins};
use crate::history;
use crate::host::Host;
use crate::inventory::services::is_idle;
use crate::layout::Layout;
use crate::plan::{DataChange, InstallPlan, PlannedStore};
use crate::problem::Problem;
use crate::stores::dumping::refuse_empty;
use crate::stores::{self, Discovery, Limit, StoreError, StoreLook, Stores, UnclearStore};

/// Longest time for the inspection of one store.
const LOOK: Duration = Duration::from_secs(30);

/// Asks every store of a plan. What a person must know is noted in the plan; what speaks against the
/// run is returned.
pub fn ask(
    host: &dyn Host,
    reached: &dyn Stores,
    layout: &Layout,
    plan: &mut InstallPlan,
) -> Vec<Problem> {
    let components: Vec<_> = plan.known_components().collect();
    let discovery = stores::discover(host, layout, &components);
    let shown = discovery.shown();
    let mut problems: Vec<Problem> = unreadable(host, plan, &shown.unclear).collect();
    let limit = Limit {
        time: LOOK,
        stopped: &|| false,
    };
    problems.extend(twins::join(&discovery, reached, limit, plan));
    let past = history::all(layout).unwrap_or_default().runs;
    let mut notes = Vec::new();
    for store in plan.stores.iter_mut().filter(|store| store.is_dumped()) {
        match look(&discovery, reached, limit, store) {
            Ok(look) => {
                let bytes = measured::dump_bytes(measured::of(&past, store), &look);
                store.terms.dump_bytes = Some(bytes);
                problems.extend(not_restorable(store, look.not_restorable));
            }
            Err(Unlooked::Empty(error)) => problems.push(error.into()),
            // No revert of this run would need the dump.
            Err(Unlooked::Other(error)) if store.change.is_none() => {
                notes.push(format!(
                    "{} cannot be dumped: {error}. This run leaves its data alone and goes on without \
                     a dump of them; to have one: {}",
                    store.name, error.next
                ));
                store.terms.not_dumped = Some(error.to_string());
            }
            Err(Unlooked::Other(error)) => problems.push(error.into()),
        }
    }
    problems.extend(plan.stores.iter().filter_map(PlannedStore::undecided));
    plan.notes.extend(notes);
    problems
}

/// Why a store has no look.
enum Unlooked {
    /// It should hold data and is empty.
    Empty(StoreError),
    Other(StoreError),
}

fn look(
    discovery: &Discovery,
    reached: &dyn Stores,
    limit: Limit<'_>,
    store: &PlannedStore,
) -> Result<StoreLook, Unlooked> {
    let access = discovery.access(&store.name, &store.endpoint);
    let access = access.map(|access| access.without_data_of(&store.exclude));
    let look = access.and_then(|access| reached.look(&access, limit));
    let look = look.map_err(Unlooked::Other)?;
    refuse_empty(&store.label(), look.items).map_err(Unlooked::Empty)?;
    Ok(look)
}

/// Returns how many bytes the dumps of a plan may take. A store whose data change counts twice,
/// because a revert dumps the current data before it replaces them. A store that was not asked is a
/// problem: the room for its dump is not known.
pub(super) fn dump_bytes(plan: &InstallPlan, problems: &mut Vec<Problem>) -> u64 {
    let mut bytes: u64 = 0;
    for store in plan.stores.iter().filter(|store| store.is_dumped()) {
        let times = 1 + u64::from(store.change.is_some());
        match store.terms.dump_bytes {
            Some(one) => bytes = bytes.saturating_add(one.saturating_mul(times)),
            None => problems.push(Problem::new(
                format!("how large a dump of {} is, is not known", store.name),
                "put right what the other problems name; without any, report this",
            )),
        }
    }
    bytes
}

/// Returns a problem for each store whose configuration the caller may not read. A plan by an
/// ordinary user leaves such stores out; a run must not.
fn unreadable<'a>(
    host: &'a dyn Host,
    plan: &'a InstallPlan,
    unclear: &'a [UnclearStore],
) -> impl Iterator<Item = Problem> + 'a {
    let changes = |store: &&UnclearStore| {
        let mut components = plan.components();
        let used = components.find(|planned| planned.component.name == store.component);
        used.is_some_and(|planned| !is_idle(host, &planned.component).unwrap_or(false))
    };
    let denied = unclear
        .iter()
        .filter(|store| store.is_denied)
        .filter(changes);
    denied.map(|store| {
        Problem::new(
            format!(
                "whether {} is a data store is not known: {}",
                store.name, store.why
            ),
            "let root read the file for the time of the run",
        )
    })
}

fn not_restorable(store: &PlannedStore, why: Option<Problem>) -> Option<Problem> {
    let change = store.change.as_ref()?;
    if store.terms.by_hand.is_some() {
        return None;
    }
    let why = why?;
    let name = &store.name;
    Some(match change {
        DataChange::Migrated { .. } => Problem::new(
            format!(
                "this run changes the data of {name} for good, and a revert could not restore them: {}",
                why.what
            ),
            format!(
                "{}; or, if a person can restore the dump of this run, say so with --restored-by-hand \
                 {name}=REASON; or, if you have a backup of your own, --backed-up-elsewhere \
                 {name}=REASON",
                why.cure
            ),
        ),
        DataChange::Restored { .. } => Problem::new(
            format!("this run cannot put older data into {name}: {}", why.what),
            format!(
                "{}; or restore the dump by hand with the services stopped (docs/backups.md), and for \
                 an undo keep the data as they are then, with --keep-data-because REASON",
                why.cure
            ),
        ),
    })
}
