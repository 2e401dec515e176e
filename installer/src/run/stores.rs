//! The data stores of a run: dumped before rpm, restored by an undo that was asked to, and put back by
//! a revert of what rewrote them.

use std::path::Path;
use std::time::Duration;

use super::execute::State;
use super::{Context, StepResult, reserve};
use crate::document;
use crate::event::Event;
use crate::failure::chain;
use crate::history::report::{DataReport, DumpReport};
use crate::layout::{BackupDir, DumpDir};
use crate::plan::PlannedStore;
use crate::stores::dumping::{self, dump_store};
use crate::stores::engine::Restoring;
use crate::stores::record::{Dumps, StoreDump};
use crate::stores::{self, Access, Discovery, Limit};

/// How long a way back waits for a store that does not answer: after a boot its server may start later
/// than the recovery, and go through its log first.
const COMES_UP_SECS: u64 = 120;
/// How often that is told.
const TOLD_EVERY_SECS: u64 = 10;

/// Reads which dumps there are in a backup; runs without stores have none.
pub fn dumps_of(backup: &BackupDir) -> Result<Dumps, String> {
    read(&backup.dumps())
}

fn read(dir: &DumpDir) -> Result<Dumps, String> {
    let found = document::read_if_present(&dir.document).map_err(|error| chain(&error))?;
    Ok(found.unwrap_or_default())
}

/// Says what became of the stores of a run.
pub(super) fn told(context: &Context<'_>) -> Vec<DataReport> {
    let dumps = dumps_of(&context.dir().backup()).unwrap_or_default();
    let told = |store: &PlannedStore| DataReport {
        name: store.name.clone(),
        endpoint: store.endpoint.clone(),
        dump: dumps.of(&store.name).map(|dump| DumpReport {
            taken: dump.taken,
            bytes: dump.bytes(),
            items: dump.items,
        }),
        elsewhere: store.elsewhere.clone(),
    };
    context.plan.stores.iter().map(told).collect()
}

impl Context<'_> {
    fn limit(&self) -> Limit<'_> {
        Limit {
            time: Duration::from_secs(self.plan.dump_limit_secs),
            stopped: self.stopped,
        }
    }

    /// Finds the stores anew: a plan holds no secrets.
    fn discover(&self) -> Discovery {
        let components: Vec<_> = self.plan.known_components().collect();
        stores::discover(self.layout, &components)
    }

    /// Waits for a store as long as it does not answer. What is wrong with it for good is said by whoever
    /// needs it next.
    fn await_store(&self, access: &Access, store: &PlannedStore) {
        // To find out that nobody answers may take long, too.
        let until = self.host.now().saturating_add(COMES_UP_SECS);
        for waited in 0..COMES_UP_SECS {
            let gives_up = (self.stopped)() || self.host.now() >= until;
            if gives_up || self.host.store_look(access, self.limit()).is_ok() {
                return;
            }
            if waited % TOLD_EVERY_SECS == 0 {
                (self.listener)(&Event::Waiting {
                    what: format!("{} ({}) to answer", store.name, store.endpoint),
                });
            }
            self.host.sleep(Duration::from_secs(1));
        }
    }
}

/// Dumps the stores of a group. Its services are held, and all that write where data will change.
pub(super) fn dump(context: &Context<'_>, group: &str) -> StepResult {
    let discovery = context.discover();
    let mut notes = Vec::new();
    let mut to_restore = 0;
    for store in context.plan.stores_of(group) {
        if !store.is_dumped() {
            notes.push(format!("{} is backed up elsewhere", store.name));
            continue;
        }
        let dump = dump_one(context, &discovery, store, &context.dir().backup().dumps())?;
        if store.change.is_some() {
            to_restore += dump.bytes();
        }
        notes.push(format!("{}: {} bytes", store.name, dump.bytes()));
    }
    // What the way back finds is dumped too before it is replaced: the room for it is kept back now.
    reserve::add(context.layout, to_restore)?;
    Ok(notes.join(", "))
}

fn dump_one(
    context: &Context<'_>,
    discovery: &Discovery,
    store: &PlannedStore,
    dir: &DumpDir,
) -> Result<StoreDump, String> {
    let access = discovery.access(&store.name, &store.endpoint);
    let dump = access
        .and_then(|access| dump_store(context.host, access, store, &dir.files, context.limit()))
        .map_err(|error| error.to_string())?;
    let mut dumps = read(dir)?;
    dumps.add(dump.clone());
    context.write_document(&dir.document, &dumps)?;
    Ok(dump)
}

/// Restores the dumps of the undone run: the packages and the configuration of then are back already.
pub(super) fn restore(context: &Context<'_>, group: &str) -> Result<Vec<String>, String> {
    let mut notes = Vec::new();
    for store in context.plan.stores_of(group) {
        if store.restored_run().is_none() {
            continue;
        }
        let undone = context.undone.ok_or("the undone run has no backup")?;
        let dumps = undone.dumps_dir.clone();
        let dump = undone
            .dumps
            .of(&store.name)
            .ok_or_else(|| format!("the undone run has no dump of {}", store.name))?;
        notes.extend(put(context, store, &dumps, dump)?);
    }
    Ok(notes)
}

/// Puts back the data of every store that the run may have rewritten: those of groups that were
/// released, for nothing runs while it is held. What is there is dumped aside first.
pub(super) fn put_back(context: &Context<'_>, state: &mut State) -> StepResult {
    let ran = |store: &PlannedStore| state.released.contains(&store.group);
    let may_be_other = |store: &&PlannedStore| {
        store.change.is_some() && (ran(store) || state.restored.contains(&store.group))
    };
    let stores = context.plan.stores.iter().filter(may_be_other);
    let rewritten: Vec<(&PlannedStore, bool)> = stores.map(|store| (store, ran(store))).collect();
    if rewritten.is_empty() {
        state.back.data = true;
        return Ok("no data were changed".to_owned());
    }
    let discovery = context.discover();
    let backup = context.dir().backup();
    let (dumps, aside) = (read(&backup.dumps())?, read(&backup.aside())?);
    let mut notes = Vec::new();
    for (store, has_run) in rewritten {
        if let Some(reason) = &store.elsewhere {
            state.notes.push(format!(
                "ATTENTION: the data of {} may have been rewritten and were not dumped, because: \
                 {reason}. Restore your own backup of {}",
                store.name, store.endpoint
            ));
            continue;
        }
        if let Ok(access) = discovery.access(&store.name, &store.endpoint) {
            context.await_store(access, store);
        }
        // One that was kept in an earlier try stays: by now there may be half of a restored dump. What
        // no service has touched is known from the dumps.
        if has_run && aside.of(&store.name).is_none() {
            let kept = PlannedStore {
                // Whatever is there is to be kept.
                may_be_empty: true,
                ..store.clone()
            };
            dump_one(context, &discovery, &kept, &backup.aside())?;
        }
        let dump = dumps
            .of(&store.name)
            .ok_or_else(|| format!("there is no dump of {}", store.name))?;
        let told = put(context, store, &backup.dumps().files, dump)?;
        state.notes.push(format!(
            "the data of {} are those of before the run",
            store.name
        ));
        if has_run {
            state.notes.push(format!(
                "what the failed attempt left in {} is kept in {}",
                store.name,
                backup.aside().files.join(&store.name).display()
            ));
        }
        state.notes.extend(told);
        notes.push(format!("{} restored", store.name));
    }
    state.back.data = true;
    Ok(notes.join(", "))
}

fn put(
    context: &Context<'_>,
    store: &PlannedStore,
    dumps: &Path,
    dump: &StoreDump,
) -> Result<Vec<String>, String> {
    let discovery = context.discover();
    let access = discovery
        .access(&store.name, &dump.endpoint)
        .map_err(|error| error.to_string())?;
    let parts = dumping::open(dumps, dump).map_err(|error| error.to_string())?;
    let restoring = Restoring {
        run: context.run,
        parts: &parts,
        items: dump.items,
    };
    context
        .host
        .store_restore(access, &restoring, context.limit())
        .map_err(|error| error.to_string())
}
