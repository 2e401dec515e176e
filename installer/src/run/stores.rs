//! The data stores of a run. They are dumped before rpm starts. An undo restores the earlier dumps
//! if it was asked to, and a revert puts back the data of each store that the run rewrote.

use std::path::Path;
use std::time::Duration;

use super::dumps::{aside_dir, dumps_dir, make_ready};
use super::error::StepError;
use super::left::{self, Way};
use super::state::{Note, State};
use super::{Context, StepResult, reserve};
use crate::document;
use crate::event::Event;
use crate::failure::chain;
use crate::history::report::{DataReport, DumpReport};
use crate::journal::recover::Reached;
use crate::layout::{BackupDir, DumpDir};
use crate::plan::{InstallPlan, PlannedStore};
use crate::secure_fs;
use crate::stores::dumping::{self, StoreLabel, dump_store};
use crate::stores::record::{Dumps, StoreDump};
use crate::stores::{self, Access, Discovery, LEFT_EMPTY, Limit, Restoring, StoreError};

/// The longest time of one look at a store that may not answer.
const LOOK: Duration = Duration::from_secs(60);
/// How many tries of that wait are reported once.
const REPORTED_EVERY: u64 = 10;
/// No limit: a restore takes many times as long as its dump, and a way back must come to its end.
const NO_LIMIT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads the list of dumps in a backup; a run without stores has none.
pub fn dumps_of(backup: &BackupDir) -> Result<Dumps, StepError> {
    read(&backup.dumps())
}

fn read(dir: &DumpDir) -> Result<Dumps, StepError> {
    Ok(document::read_if_present(&dir.document)?.unwrap_or_default())
}

/// Reports the dumps of a run's stores.
pub(super) fn report(context: &Context<'_>) -> Vec<DataReport> {
    let dumps = dumps_of(&context.dir().backup()).unwrap_or_default();
    let report = |store: &PlannedStore| DataReport {
        name: store.name.clone(),
        endpoint: store.endpoint.clone(),
        dump: dumps.of(&store.name).map(|dump| DumpReport {
            taken: dump.taken,
            bytes: dump.bytes(),
            items: dump.items,
            raw_bytes: dump.raw_bytes,
            seconds: dump.seconds,
        }),
        elsewhere: store.elsewhere.clone(),
        terms: store.terms.clone(),
    };
    // The plan names the caches, which are not dumped.
    let is_reported = |store: &&PlannedStore| {
        store.is_dumped() || store.elsewhere.is_some() || store.terms.not_dumped.is_some()
    };
    let stores = context.plan.stores.iter();
    stores.filter(is_reported).map(report).collect()
}

impl Context<'_> {
    pub(super) fn limit(&self, time: Duration) -> Limit<'_> {
        let stopped = self.stopped;
        Limit { time, stopped }
    }

    /// Finds the access to the stores again, because a plan holds no secrets.
    pub(super) fn discover(&self) -> Discovery {
        let components: Vec<_> = self.plan.known_components().collect();
        stores::discover(self.host, self.layout, &components)
    }

    /// Waits while a store does not answer, by a clock that is never set. Returns why it still does
    /// not.
    fn await_store(
        &self,
        access: &Access,
        store: &PlannedStore,
        patience: Patience,
    ) -> Result<(), StoreError> {
        // A single try may also take long.
        let limit = Limit {
            time: LOOK,
            stopped: self.stopped,
        };
        let started = self.host.steady_clock();
        let mut tries = 0;
        loop {
            let looked = self.stores.look(access, limit).map(drop);
            let waited = self.host.steady_clock().saturating_sub(started);
            let gives_up = (self.stopped)() || waited >= Duration::from_secs(patience.secs());
            if gives_up || looked.is_ok() {
                return looked;
            }
            if tries % REPORTED_EVERY == 0 {
                (self.listener)(&Event::Waiting {
                    what: format!("{} ({}) to answer", store.name, store.endpoint),
                });
            }
            self.host.sleep(Duration::from_secs(1));
            tries += 1;
        }
    }

    /// Returns the stores of the plan that do not answer now, each with the reason.
    pub(super) fn away(&self) -> Vec<String> {
        let discovery = self.discover();
        let why = |store: &PlannedStore| {
            let access = discovery.access(&store.name, &store.endpoint).ok()?;
            let looked = self.await_store(access, store, Patience::None);
            Some(format!("{} does not answer: {}", store.name, looked.err()?))
        };
        // A store that this host could not look at before says nothing by its silence.
        let known = self.plan.stores.iter().filter(|one| one.is_dumped());
        known.filter_map(why).collect()
    }
}

/// Returns the access to a store of the plan, without the data of some of its tables.
pub(super) fn access_of(
    discovery: &Discovery,
    store: &PlannedStore,
    exclude: &[String],
) -> Result<Access, StoreError> {
    let access = discovery.access(&store.name, &store.endpoint)?;
    Ok(access.without_data_of(exclude))
}

/// Dumps the stores that a group changes. Its services are held, and so are all services that write
/// to these stores.
pub(super) fn dump(context: &Context<'_>, group: &str, known: Option<&Discovery>) -> StepResult {
    let discovery = context.discover().or(known);
    let mut notes = Vec::new();
    let mut to_restore = 0;
    let stores = context.plan.stores_of(group);
    for store in stores.filter(|store| store.change.is_some()) {
        if !store.is_dumped() {
            notes.push(match &store.terms.not_dumped {
                Some(why) => format!("{} is not dumped: {why}", store.name),
                None => format!("{} is backed up elsewhere", store.name),
            });
            continue;
        }
        let dir = dumps_dir(context);
        let dump = dump_as(context, &discovery, store, &store.label(), &dir)?;
        to_restore += dump.bytes();
        notes.push(format!("{}: {} bytes", store.name, dump.bytes()));
    }
    // A revert also dumps the current data before it replaces them: the space for that is reserved
    // now.
    let elsewhere = context.plan.dumps_elsewhere(context.run);
    reserve::add(context.layout, elsewhere.as_deref(), to_restore)?;
    Ok(notes.join(", "))
}

/// Dumps a store under the name of a label. Only a dump on the way forward has a time limit.
pub(super) fn dump_as(
    context: &Context<'_>,
    discovery: &Discovery,
    store: &PlannedStore,
    label: &StoreLabel<'_>,
    dir: &DumpDir,
) -> Result<StoreDump, StepError> {
    let access = access_of(discovery, store, &store.exclude)?;
    make_ready(context)?;
    let time = if *dir == dumps_dir(context) {
        Duration::from_secs(context.plan.dump_limit_secs)
    } else {
        NO_LIMIT
    };
    let (now, limit) = (context.host.now(), context.limit(time));
    let began = context.host.steady_clock();
    let mut dump = dump_store(context.stores, &access, label, &dir.files, now, limit)?;
    let took = context.host.steady_clock().saturating_sub(began);
    dump.seconds = Some(took.as_secs().max(1));
    let mut dumps = read(dir)?;
    dumps.add(dump.clone());
    if context.plan.dump_dir.is_some() {
        dumps.elsewhere = Some(dir.files.clone());
    }
    super::write_document(&dir.document, &dumps)?;
    Ok(dump)
}

/// Restores the dumps of the undone run. Its packages and configuration are back already.
pub(super) fn restore(
    context: &Context<'_>,
    group: &str,
    known: Option<&Discovery>,
) -> Result<Vec<String>, StepError> {
    let discovery = context.discover().or(known);
    let mut notes = left::refuse_all_shared(context, group, &discovery)?;
    let stores = context.plan.stores_of(group);
    for store in stores.filter(|one| one.restored_run().is_some()) {
        let undone = context.undone()?;
        let dumps = undone.dumps_dir.clone();
        let dump = undone
            .dumps
            .of(&store.name)
            .ok_or_else(|| no_dump("the undone run has no dump of", store))?;
        let access = discovery.access(&store.name, &store.endpoint)?;
        left::refuse_shared(context, store, access, Way::Forward)?;
        notes.extend(put(context, &discovery, store, &dumps, dump)?);
    }
    Ok(notes)
}

/// Returns the stores whose data the run may have rewritten: those of groups whose services ran
/// again, or whose data it restored.
pub(super) fn rewritten<'a>(plan: &'a InstallPlan, reached: &Reached) -> Vec<&'a PlannedStore> {
    let may_be_other = |store: &&PlannedStore| {
        let is_in = |groups: &[String]| groups.contains(&store.group);
        let is_untouched = reached.untouched.contains(&store.name);
        let was_held = is_in(&reached.changed) || is_in(&reached.restored);
        store.change.is_some() && (is_in(&reached.released) || (was_held && !is_untouched))
    };
    plan.stores.iter().filter(may_be_other).collect()
}

/// Whether services may have written to a store: after their release, or, started behind the run's
/// back, inside the transaction. Once a restore began, the store may hold half of a dump, and the
/// run's own dump has what the services left.
fn has_run(store: &PlannedStore, reached: &Reached) -> bool {
    let is_in = |groups: &[String]| groups.contains(&store.group);
    is_in(&reached.released) || (is_in(&reached.changed) && !is_in(&reached.restored))
}

/// Whether the data of a store that the run may have rewritten are those of before it. What a revert
/// released had its data back.
pub(super) fn is_back(store: &PlannedStore, reached: &Reached) -> bool {
    store.elsewhere.is_none() && (reached.back.is_live || reached.back.data.contains(&store.name))
}

/// Whether a revert has done for a store what it can. A person takes care of a store that was backed
/// up elsewhere.
pub(super) fn is_settled(store: &PlannedStore, reached: &Reached) -> bool {
    store.elsewhere.is_some() || is_back(store, reached)
}

/// How long a revert waits for a store that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Not at all.
    None,
    /// As long as a server may need after a boot.
    ServerStarts,
    /// A moment: an earlier try has waited already, and another one follows.
    Moment,
}

impl Patience {
    const fn secs(self) -> u64 {
        match self {
            Self::None => 0,
            Self::ServerStarts => 120,
            Self::Moment => 10,
        }
    }
}

/// Puts back the data of one store. What it holds now is dumped aside first, under a new name.
pub(super) fn put_back(
    context: &Context<'_>,
    state: &mut State,
    store: &PlannedStore,
    patience: Patience,
) -> StepResult {
    left::refuse_by_hand(context, store)?;
    let discovery = context.discover().or(state.discovery.as_ref());
    let access = discovery.access(&store.name, &store.endpoint)?;
    if let Err(error) = context.await_store(access, store, patience)
        && patience == Patience::None
    {
        return Err(error.into());
    }
    let dir = dumps_dir(context);
    let dumps = read(&dir)?;
    let dump = dumps
        .of(&store.name)
        .ok_or_else(|| no_dump("there is no dump of", store))?;
    // Where the dump is not there, nothing is dumped beside it, such as below a bare mount point.
    dumping::open(&dir.files, dump)?;
    let shared = left::refuse_shared(context, store, access, Way::Back)?;
    // Data that no service touched are in the run's own dump.
    if has_run(store, &state.reached) {
        keep_aside(context, state, &discovery, store)?;
    }
    let put_notes = put(context, &discovery, store, &dir.files, dump)?;
    let restored = format!("the data of {} are those of before the run", store.name);
    let notes = [restored].into_iter().chain(shared).chain(put_notes);
    state.findings.notes.extend(notes.map(|note| {
        if note.starts_with(LEFT_EMPTY) {
            Note::Attention(note)
        } else {
            Note::Info(note)
        }
    }));
    Ok(format!("{} restored", store.name))
}

/// Dumps aside what a store holds, before it is replaced.
fn keep_aside(
    context: &Context<'_>,
    state: &mut State,
    discovery: &Discovery,
    store: &PlannedStore,
) -> Result<(), StepError> {
    let dir = aside_dir(context);
    let known = read(&dir)?;
    let is_kept = known
        .stores
        .iter()
        .any(|dump| DumpDir::is_of(&dump.name, &store.name));
    let was_held = !store
        .users
        .iter()
        .any(|user| state.disturbed.contains(user));
    // Only our own restore has written since the last dump. Dumping again at every try of a restore
    // that fails would fill the disk.
    if is_kept && was_held && state.failed_before.contains(&store.name) {
        return Ok(());
    }
    let kept = PlannedStore {
        name: dir.free_name(&store.name),
        // The current data are kept, even if there are none.
        may_be_empty: true,
        ..store.clone()
    };
    let dumped = dump_as(context, discovery, store, &kept.label(), &dir);
    match dumped {
        Ok(_) => {}
        // Half of a restored dump, perhaps. What the services left is in the dump of an earlier try.
        Err(error) if is_kept && was_held => state.findings.notes.push(Note::Info(format!(
            "what an earlier try left in {} could not be dumped: {}",
            store.name,
            chain(&error)
        ))),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Returns where a run keeps what stores held before a way back replaced it.
pub(super) fn kept_aside(context: &Context<'_>) -> Vec<String> {
    let dir = aside_dir(context);
    let note = |dump: &StoreDump| {
        let path = dir.files.join(&dump.name);
        let store = context.plan.stores.iter();
        let mut store = store.filter(|store| DumpDir::is_of(&dump.name, &store.name));
        let store = store.next().map_or(&dump.name, |store| &store.name);
        format!(
            "what the failed attempt left in {store} is kept in {}",
            path.display()
        )
    };
    let dumps = read(&dir).unwrap_or_default();
    dumps.stores.iter().map(note).collect()
}

fn put(
    context: &Context<'_>,
    discovery: &Discovery,
    store: &PlannedStore,
    dumps: &Path,
    dump: &StoreDump,
) -> Result<Vec<String>, StepError> {
    let access = discovery.access(&store.name, &dump.endpoint)?;
    // Tables whose data the dump does not have keep what they hold.
    let access = access.without_data_of(&dump.exclude);
    let parts = dumping::open(dumps, dump)?;
    let restoring = Restoring {
        run: context.run,
        parts: &parts,
        items: dump.items,
    };
    // Half of a restore may leave a server that does not answer: the next try goes on.
    secure_fs::write_atomic(&context.dir().restoring(&store.name), b"", 0o600)?;
    context
        .stores
        .restore(&access, &restoring, context.limit(NO_LIMIT))
        .map_err(StepError::from)
}

fn no_dump(what: &str, store: &PlannedStore) -> StepError {
    StepError::Missing(format!("{what} {}", store.name))
}
