//! Making a dump that can be trusted, and opening one again.
//!
//! A part keeps a name that ends in `.partial` until three things hold: the tool ended well, the
//! bytes are on the disk and not empty, and the store's own tool could read them back.

use std::path::Path;

use super::engine::DumpedPart;
use super::record::{DumpFile, StoreDump, is_name};
use super::{Access, Limit, StoreError, StoreLook, Stores};
use crate::failure::chain;
use crate::secure_fs::{self, FsError};

/// A store as messages and records name it.
#[derive(Debug, Clone, Copy)]
pub struct StoreLabel<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, for people.
    pub title: &'a str,
    /// Where it is, without secrets.
    pub endpoint: &'a str,
    /// Whether it may be empty.
    pub may_be_empty: bool,
}

/// Inspects a store, dumps it into the directory of its name below `dumps`, and proves the dump.
pub fn dump_store(
    stores: &dyn Stores,
    access: &Access,
    store: &StoreLabel<'_>,
    dumps: &Path,
    taken: u64,
    limit: Limit<'_>,
) -> Result<StoreDump, StoreError> {
    let look = stores.look(access, limit)?;
    refuse_empty(store, look.items)?;
    let dir = dumps.join(store.name);
    secure_fs::ensure_dir(dumps, 0o700)
        .and_then(|()| secure_fs::ensure_dir(&dir, 0o700))
        .map_err(|error| unwritten(store, &error))?;
    let (mut parts, mut items) = (Vec::new(), None);
    for name in &look.parts {
        let (part, counted) = dump_part(stores, access, store, &dir, name, limit)?;
        parts.push(part);
        items = match (items, counted) {
            (Some(known), Some(more)) => Some(known + more),
            (known, more) => known.or(more),
        };
    }
    if parts.is_empty() {
        let next = "report this: the inspection listed nothing to dump";
        return Err(StoreError::new(
            failed(store),
            "there is nothing to dump",
            next,
        ));
    }
    refuse_empty(store, items)?;
    refuse_less(access, store, &look, items)?;
    let left_out = if look.leaves_out {
        access.exclude().to_vec()
    } else {
        Vec::new()
    };
    Ok(StoreDump {
        name: store.name.to_owned(),
        title: store.title.to_owned(),
        engine: access.kind(),
        endpoint: store.endpoint.to_owned(),
        taken,
        server: look.version,
        items,
        raw_bytes: look.raw_bytes,
        seconds: None,
        exclude: left_out,
        parts,
    })
}

fn failed(store: &StoreLabel<'_>) -> String {
    format!("the dump of {} ({}) failed", store.name, store.endpoint)
}

/// Refuses an empty store where data are expected: it is most likely not the store that the product
/// uses.
pub fn refuse_empty(store: &StoreLabel<'_>, items: Option<u64>) -> Result<(), StoreError> {
    if store.may_be_empty || items != Some(0) {
        return Ok(());
    }
    Err(StoreError::new(
        failed(store),
        "it is empty, although the product keeps data there",
        format!(
            "check that the configuration names the right store; if it is right, confirm it with \
             --backed-up-elsewhere {}=REASON",
            store.name
        ),
    ))
}

/// Refuses a dump that holds fewer items than the store held before.
fn refuse_less(
    access: &Access,
    store: &StoreLabel<'_>,
    look: &StoreLook,
    items: Option<u64>,
) -> Result<(), StoreError> {
    let (Some(before), Some(dumped)) = (look.items, items) else {
        return Ok(());
    };
    if !access.engine().misses(before, dumped) {
        return Ok(());
    }
    let why = format!("{before} were there, and the dump holds {dumped}");
    let next = "look at the server's log, then start again";
    Err(StoreError::new(failed(store), why, next))
}

fn dump_part(
    stores: &dyn Stores,
    access: &Access,
    store: &StoreLabel<'_>,
    dir: &Path,
    name: &str,
    limit: Limit<'_>,
) -> Result<(DumpFile, Option<u64>), StoreError> {
    if !is_name(name) {
        let why = format!("{name:?} is not a file name");
        return Err(StoreError::new(failed(store), why, "report this"));
    }
    let partial = dir.join(format!("{name}.partial"));
    let unwritten = |error: FsError| unwritten(store, &error);
    secure_fs::remove_if_present(&partial).map_err(unwritten)?;
    let file = secure_fs::create_new(&partial, 0o600).map_err(unwritten)?;
    let made = stores.dump(access, name, &file, limit).and_then(|()| {
        file.sync_all()
            .map_err(|error| unwritten(FsError::new("sync", &partial, error)))?;
        let (size, sha256) = secure_fs::hash_whole(&file)
            .map_err(|error| unwritten(FsError::new("read back", &partial, error)))?;
        if size == 0 {
            let next = "look at the server's log, then start again";
            return Err(StoreError::new(
                failed(store),
                "the dump has no content",
                next,
            ));
        }
        let items = stores.prove(access, name, &file, limit)?;
        secure_fs::rename(&partial, &dir.join(name)).map_err(unwritten)?;
        let name = name.to_owned();
        Ok((DumpFile { name, size, sha256 }, items))
    });
    if made.is_err() {
        // The report names what is wrong with the dump; a leftover file matters less.
        let _ = secure_fs::remove_if_present(&partial);
    }
    made
}

fn unwritten(store: &StoreLabel<'_>, error: &FsError) -> StoreError {
    let next = "free some space below /var/lib/airgap-bundle, then start again";
    StoreError::new(failed(store), chain(error), next)
}

/// Checks every byte of a dump, then opens its parts.
pub fn open(dumps: &Path, dump: &StoreDump) -> Result<Vec<DumpedPart>, StoreError> {
    let what = || {
        format!(
            "the dump of {} in {} is not usable",
            dump.name,
            dumps.display()
        )
    };
    let next = "the dump cannot be restored; look for a backup of your own";
    let mut parts = Vec::new();
    for part in &dump.parts {
        if !is_name(&dump.name) || !is_name(&part.name) {
            return Err(StoreError::new(
                what(),
                "a name in it is not a file name",
                next,
            ));
        }
        let path = dump.path(dumps, &part.name);
        let file =
            secure_fs::open_read(&path).map_err(|e| StoreError::new(what(), chain(&e), next))?;
        let found = secure_fs::hash_whole(&file)
            .map_err(|e| StoreError::new(what(), e.to_string(), next))?;
        if found != (part.size, part.sha256) {
            let why = format!("{} is not what was dumped", part.name);
            return Err(StoreError::new(what(), why, next));
        }
        let name = part.name.clone();
        parts.push(DumpedPart { name, file });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::stores::{MongodbAccess, Restoring};

    /// A server that cannot count, and whose dump is proven to hold nothing.
    struct Hollow;

    impl Stores for Hollow {
        fn look(&self, _: &Access, _: Limit<'_>) -> Result<StoreLook, StoreError> {
            Ok(StoreLook {
                version: "1".to_owned(),
                bytes: 0,
                raw_bytes: None,
                leaves_out: false,
                items: None,
                parts: vec!["all".to_owned()],
                not_restorable: None,
            })
        }

        fn dump(
            &self,
            _: &Access,
            _: &str,
            mut into: &File,
            _: Limit<'_>,
        ) -> Result<(), StoreError> {
            into.write_all(b"an archive").unwrap();
            Ok(())
        }

        fn prove(
            &self,
            _: &Access,
            _: &str,
            _: &File,
            _: Limit<'_>,
        ) -> Result<Option<u64>, StoreError> {
            Ok(Some(0))
        }

        fn restore(
            &self,
            _: &Access,
            _: &Restoring<'_>,
            _: Limit<'_>,
        ) -> Result<Vec<String>, StoreError> {
            Ok(Vec::new())
        }
    }

    /// H-10: a misspelt database was dumped and restored as if it were data.
    #[test]
    fn a_dump_that_is_proven_to_hold_nothing_is_refused_unless_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let uri = "mongodb://127.0.0.1/misspelt";
        let access = Access::Mongodb(MongodbAccess::parse(uri, None).unwrap());
        let limit = Limit {
            time: Duration::from_secs(1),
            stopped: &|| false,
        };
        for may_be_empty in [false, true] {
            let label = StoreLabel {
                name: "main",
                title: "data",
                endpoint: "mongodb",
                may_be_empty,
            };
            let dumped = dump_store(&Hollow, &access, &label, dir.path(), 0, limit);
            assert_eq!(dumped.is_ok(), may_be_empty, "{dumped:?}");
        }
    }
}
