//! `MongoDB`, by its database tools, `mongodump` and `mongorestore`.
//!
//! The version of a server stays unknown. Its size is known where a shell of `MongoDB` is on the host.

mod access;
mod archive;
mod shell;
mod tools;

use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::thread;

use self::tools::Tools;
use super::site::Site;
use super::{Engine, Restoring};
use crate::host::cmd::inherited_path;
use crate::host::cmd::tool::Tool;
use crate::stores::{Limit, StoreError, StoreLook};

pub use access::MongodbAccess;

const ARCHIVE: &str = "database.archive.gz";
/// A collection that does not exist: asking for it needs the server, the password and the right to
/// read.
const ABSENT_COLLECTION: &str = "airgap_bundle.nobody_has_this";

impl Engine for MongodbAccess {
    fn endpoint(&self) -> String {
        MongodbAccess::endpoint(self)
    }

    fn look(&self, site: &Site<'_>) -> Result<StoreLook, StoreError> {
        let tools = Tools::new(self, site.left())?;
        for program in ["mongodump", "mongorestore"] {
            tools.fit(program)?;
        }
        tools.reach()?;
        let what = format!("database `{}` cannot be looked at", self.database);
        let (database, collection) = (of(self), format!("--collection={ABSENT_COLLECTION}"));
        let args = ["--archive", database.as_str(), collection.as_str()];
        tools.run(&what, "mongodump", &args, &[], None)?;
        let raw = shell::size(self, site.left());
        Ok(StoreLook {
            version: "unknown".to_owned(),
            bytes: raw.map_or(0, |raw| raw.saturating_add(raw / 4)),
            raw_bytes: raw,
            leaves_out: !self.exclude.is_empty(),
            items: None,
            parts: vec![ARCHIVE.to_owned()],
            not_restorable: None,
        })
    }

    fn dump(&self, site: &Site<'_>, part: &str, into: &File) -> Result<(), StoreError> {
        known(part)?;
        let tools = Tools::new(self, site.left())?;
        let what = format!("database `{}` cannot be dumped", self.database);
        let database = of(self);
        let without = without(self);
        let mut args = vec!["--archive", "--gzip", database.as_str()];
        args.extend(without.iter().map(String::as_str));
        tools
            .run(&what, "mongodump", &args, &[], Some(into))
            .map(drop)
    }

    fn prove(&self, site: &Site<'_>, part: &str, file: &File) -> Result<Option<u64>, StoreError> {
        known(part)?;
        prove(file, site.left())
    }

    fn restore(
        &self,
        site: &Site<'_>,
        restoring: &Restoring<'_>,
    ) -> Result<Vec<String>, StoreError> {
        restore(self, restoring, site.left())
    }
}

/// Unpacks the archive and reads it to its end. `mongorestore --dryRun` would read only the list of
/// contents.
fn prove(file: &File, limit: Limit<'_>) -> Result<Option<u64>, StoreError> {
    let what = "a dump cannot be read back";
    let damaged = |why: String| {
        let next = "use another dump; look for a failing disk";
        StoreError::new(what, why, next)
    };
    let (read, write) = std::io::pipe().map_err(|error| damaged(error.to_string()))?;
    let write = File::from(OwnedFd::from(write));
    let path = inherited_path(file);
    thread::scope(|scope| {
        let reader = scope.spawn(move || archive::documents(BufReader::new(read)));
        let tool = Tool {
            program: "gzip",
            args: &["-dc", &path],
            files: &[file],
            output: Some(&write),
            ..Tool::default()
        };
        let unpacked = tool.run(limit);
        // The reader waits for the end until the last writer is closed.
        drop(write);
        let counted = reader
            .join()
            .unwrap_or_else(|_| Err("it cannot be read".to_owned()));
        let unpacked = unpacked.map_err(|error| tools::of_tool(what, "gzip", &error))?;
        let count = counted.map_err(|why| damaged(format!("the dump is damaged: {why}")))?;
        match unpacked.success() {
            Ok(_) => Ok(Some(count)),
            Err(error) => Err(damaged(format!("the dump is damaged: {error}"))),
        }
    })
}

fn restore(
    access: &MongodbAccess,
    restoring: &Restoring<'_>,
    limit: Limit<'_>,
) -> Result<Vec<String>, StoreError> {
    let database = &access.database;
    let what = format!("database `{database}` cannot be restored");
    let part = restoring.parts.iter().find(|part| part.name == ARCHIVE);
    let dump = part.ok_or_else(|| {
        let why = format!("the dump has no part {ARCHIVE}");
        StoreError::new(what.clone(), why, "use a whole dump")
    })?;
    let tools = Tools::new(access, limit)?;
    let (include, from) = (
        format!("--nsInclude={database}.*"),
        format!("--archive={}", inherited_path(&dump.file)),
    );
    let args = ["--drop", "--gzip", include.as_str(), from.as_str()];
    let finished = tools.run(&what, "mongorestore", &args, &[&dump.file], None)?;
    let unclear = |why: String| {
        let next = "restore by hand as docs/stores-mongodb.md describes, and report this";
        StoreError::new(what.clone(), why, next)
    };
    let counts = counts(&finished.stderr);
    let (good, bad) = counts.ok_or_else(|| {
        unclear("mongorestore does not report how many documents it restored".to_owned())
    })?;
    if bad > 0 {
        return Err(unclear(format!(
            "{bad} documents could not be restored, {good} were"
        )));
    }
    match restoring.items {
        Some(expected) if expected != good => Err(unclear(format!(
            "mongorestore restored {good} documents, and the dump was proven to hold {expected}"
        ))),
        _ => Ok(vec![format!(
            "collections of database `{database}` that the dump does not have were left as they are"
        )]),
    }
}

fn of(access: &MongodbAccess) -> String {
    format!("--db={}", access.database)
}

/// Returns the arguments that leave collections out. A restore leaves them as they are.
fn without(access: &MongodbAccess) -> Vec<String> {
    let argument = |name: &String| match name.strip_suffix('*') {
        Some(start) => format!("--excludeCollectionsWithPrefix={start}"),
        None => format!("--excludeCollection={name}"),
    };
    access.exclude.iter().map(argument).collect()
}

fn known(part: &str) -> Result<(), StoreError> {
    if part == ARCHIVE {
        return Ok(());
    }
    Err(StoreError::new(
        format!("`{part}` is not part of a dump of MongoDB"),
        format!("its part is {ARCHIVE}"),
        "use the version of this tool that made the dump",
    ))
}

/// Reads from the tool's last words how many documents were restored and how many failed.
fn counts(stderr: &str) -> Option<(u64, u64)> {
    let mut lines = stderr.lines().rev();
    let line = lines.find(|line| line.contains("document(s) restored successfully"))?;
    let mut numbers = line.split("document(s)").filter_map(|text| {
        let word = text.split_whitespace().last()?;
        word.parse().ok()
    });
    Some((numbers.next()?, numbers.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_last_words_are_read() {
        let output = "2026-08-08T16:59:03.814+0000\tfinished restoring shop.a (5 documents, 1 failure)\n\
                    2026-08-08T16:59:03.814+0000\t5 document(s) restored successfully. 1 document(s) \
                    failed to restore.\n";
        assert_eq!(counts(output), Some((5, 1)));
        assert_eq!(counts("2026-08-08T16:59:03.814+0000\tdone\n"), None);
    }
}
