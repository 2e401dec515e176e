//! The data stores of a run. They are dumped before rpm starts. An undo restores the earlier dumps
//! if it was asked to, and a revert puts back the data of each store that the run rewrote.

use std::path::Path;
use std::time::Duration;

use super::error::StepError;
use super::state::{Note, State};
use super::{Context, StepResult, reserve};
use crate::document;
use crate::event::Event;
use crate::history::report::{DataReport, DumpReport};
use crate::layout::{BackupDir, DumpDir};
use crate::plan::PlannedStore;
use crate::stores::dumping::{self, dump_store};
use crate::stores::record::{Dumps, StoreDump};
use crate::stores::{self, Access, Discovery, Limit, Restoring};

/// How long a revert waits for a store that does not answer. After a boot its server may start
/// later than the recovery and replay its log first.
const COMES_UP_SECS: u64 = 120;
/// How often that wait is reported.
const REPORTED_EVERY_SECS: u64 = 10;

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
        }),
        elsewhere: store.elsewhere.clone(),
    };
    context.plan.stores.iter().map(report).collect()
}

impl Context<'_> {
    fn limit(&self) -> Limit<'_> {
        Limit {
            time: Duration::from_secs(self.plan.dump_limit_secs),
            stopped: self.stopped,
        }
    }

    /// Finds the access to the stores again, because a plan holds no secrets.
    fn discover(&self) -> Discovery {
        let components: Vec<_> = self.plan.known_components().collect();
        stores::discover(self.host, self.layout, &components)
    }

    /// Waits while a store does not answer. If it never answers, the next call that needs it fails
    /// with the reason.
    fn await_store(&self, access: &Access, store: &PlannedStore) {
        // A single try may also take long.
        let until = self.host.now().saturating_add(COMES_UP_SECS);
        for waited in 0..COMES_UP_SECS {
            let gives_up = (self.stopped)() || self.host.now() >= until;
            if gives_up || self.stores.look(access, self.limit()).is_ok() {
                return;
            }
            if waited % REPORTED_EVERY_SECS == 0 {
                (self.listener)(&Event::Waiting {
                    what: format!("{} ({}) to answer", store.name, store.endpoint),
                });
            }
            self.host.sleep(Duration::from_secs(1));
        }
    }
}

/// Dumps the stores of a group. The group's services are held, and so are all services that write
/// to a store whose data will change.
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
    // A revert also dumps the current data before it replaces them: the space for that is reserved
    // now.
    reserve::add(context.layout, to_restore)?;
    Ok(notes.join(", "))
}

fn dump_one(
    context: &Context<'_>,
    discovery: &Discovery,
    store: &PlannedStore,
    dir: &DumpDir,
) -> Result<StoreDump, StepError> {
    let access = discovery.access(&store.name, &store.endpoint);
    let (now, limit) = (context.host.now(), context.limit());
    let dump = access.and_then(|access| {
        dump_store(
            context.stores,
            access,
            &store.label(),
            &dir.files,
            now,
            limit,
        )
    })?;
    let mut dumps = read(dir)?;
    dumps.add(dump.clone());
    super::write_document(&dir.document, &dumps)?;
    Ok(dump)
}

/// Restores the dumps of the undone run. Its packages and configuration are back already.
pub(super) fn restore(context: &Context<'_>, group: &str) -> Result<Vec<String>, StepError> {
    let mut notes = Vec::new();
    for store in context.plan.stores_of(group) {
        if store.restored_run().is_none() {
            continue;
        }
        let undone = context.undone()?;
        let dumps = undone.dumps_dir.clone();
        let dump = undone
            .dumps
            .of(&store.name)
            .ok_or_else(|| no_dump("the undone run has no dump of", store))?;
        notes.extend(put(context, store, &dumps, dump)?);
    }
    Ok(notes)
}

/// Puts back the data of every store that the run may have rewritten: the stores of groups whose
/// services ran again. The current data are dumped aside first.
pub(super) fn put_back(context: &Context<'_>, state: &mut State) -> StepResult {
    // A start behind the run's back inside the transaction migrates too.
    let reached = &state.reached;
    let ran = |store: &PlannedStore| {
        [&reached.released, &reached.changed]
            .iter()
            .any(|groups| groups.contains(&store.group))
    };
    let may_be_other = |store: &&PlannedStore| {
        store.change.is_some() && (ran(store) || state.reached.restored.contains(&store.group))
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
            state.findings.notes.push(Note::Attention(format!(
                "the data of {} may have been rewritten and were not dumped, because: \
                 {reason}. Restore your own backup of {}",
                store.name, store.endpoint
            )));
            continue;
        }
        if let Ok(access) = discovery.access(&store.name, &store.endpoint) {
            context.await_store(access, store);
        }
        // A dump from an earlier try stays: the store may hold half of a restored dump by now. Data
        // that no service touched are in the run's own dump.
        if has_run && aside.of(&store.name).is_none() {
            let kept = PlannedStore {
                // The current data are kept, even if there are none.
                may_be_empty: true,
                ..store.clone()
            };
            dump_one(context, &discovery, &kept, &backup.aside())?;
        }
        let dump = dumps
            .of(&store.name)
            .ok_or_else(|| no_dump("there is no dump of", store))?;
        let put_notes = put(context, store, &backup.dumps().files, dump)?;
        let restored = format!("the data of {} are those of before the run", store.name);
        state.findings.notes.push(Note::Info(restored));
        if has_run {
            state.findings.notes.push(Note::Info(format!(
                "what the failed attempt left in {} is kept in {}",
                store.name,
                backup.aside().files.join(&store.name).display()
            )));
        }
        state
            .findings
            .notes
            .extend(put_notes.into_iter().map(Note::Info));
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
) -> Result<Vec<String>, StepError> {
    let discovery = context.discover();
    let access = discovery.access(&store.name, &dump.endpoint)?;
    let parts = dumping::open(dumps, dump)?;
    let restoring = Restoring {
        run: context.run,
        parts: &parts,
        items: dump.items,
    };
    context
        .stores
        .restore(access, &restoring, context.limit())
        .map_err(StepError::from)
}

fn no_dump(what: &str, store: &PlannedStore) -> StepError {
    StepError::Missing(format!("{what} {}", store.name))
}
