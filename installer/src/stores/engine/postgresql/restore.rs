//! Puts a dump in the place of a database's content.

use std::fs::File;

use super::super::site::Site;
use super::access::PostgresqlAccess;
use super::fresh_database::FreshDatabase;
use super::session::{SERVICE, Session};
use super::{DATABASE, excluded, look};
use crate::failure::chain;
use crate::host::cmd::inherited_path;
use crate::host::cmd::tool::Tool;
use crate::stores::StoreError;
use crate::stores::engine::{LEFT_EMPTY, Restoring};

pub(super) fn restore(
    access: &PostgresqlAccess,
    restoring: &Restoring<'_>,
    site: &Site<'_>,
) -> Result<Vec<String>, StoreError> {
    let session = Session::new(access, *site)?;
    let database = session.database();
    let what = format!("database `{database}` cannot be restored");
    let part = restoring.parts.iter().find(|part| part.name == DATABASE);
    let dump = part.ok_or_else(|| {
        let why = format!("the dump has no part {DATABASE}");
        StoreError::new(what.clone(), why, "use a whole dump")
    })?;
    let maintenance = look::maintenance(&session)?;
    look::direct(&maintenance, &what)?;
    let version = look::version(&maintenance)?;
    let fresh_database = FreshDatabase::made(&maintenance, database, restoring.run)?;
    let filled = || -> Result<Session<'_>, StoreError> {
        let fresh = session.to(fresh_database.fresh())?;
        fill(&fresh, &what, &dump.file, version)?;
        compare(&fresh, &what, restoring.items)?;
        Ok(fresh)
    };
    let put = || -> Result<Vec<String>, StoreError> {
        let fresh = filled()?;
        let mut left_empty = Vec::new();
        if fresh_database.has_old()? {
            match excluded::take_over(&session, &fresh, &what, version) {
                Ok(gone) => left_empty.extend(gone.iter().map(|table| format!("{table} is empty"))),
                // What the dump has must not wait for what it leaves out.
                Err(error) => {
                    fresh_database.renew()?;
                    filled()?;
                    left_empty.push(format!(
                        "tables that dumps leave out are empty, as they could not be taken over ({})",
                        chain(&error)
                    ));
                }
            }
        }
        let mut notes = fresh_database.copy_attributes()?;
        if let Some(kept) = fresh_database.swap()? {
            let place = |note| format!("{LEFT_EMPTY}{note}: what it held is in database `{kept}`");
            notes.extend(left_empty.into_iter().map(place));
            notes.insert(
                0,
                format!(
                    "what database `{database}` held is kept on its server as database `{kept}`"
                ),
            );
        }
        Ok(notes)
    };
    put().inspect_err(|_| {
        // The old database is untouched; the next try removes a fresh one that stays.
        let _ = fresh_database.remove_fresh();
    })
}

fn fill(fresh: &Session<'_>, what: &str, dump: &File, version: u32) -> Result<(), StoreError> {
    let path = inherited_path(dump);
    // Not in one transaction: many large objects need more locks than servers have. No client uses
    // this database yet.
    let tool = Tool {
        program: "pg_restore",
        args: &["--exit-on-error", "--no-password", "-d", SERVICE, &path],
        files: &[dump],
        ..Tool::default()
    };
    fresh.run(what, Some(version), &tool).map(drop)
}

fn compare(fresh: &Session<'_>, what: &str, items: Option<u64>) -> Result<(), StoreError> {
    let Some(expected) = items else {
        return Ok(());
    };
    let count = |exclude: &[String]| -> Result<Option<u64>, StoreError> {
        let records = fresh.ask(what, &format!("{};", look::tables(exclude)))?;
        let found = records.first().and_then(|record| record.first());
        Ok(found.and_then(|text| text.parse().ok()))
    };
    let found = count(fresh.exclude())?;
    // A table that was made while the dump began may be in it, whatever its name.
    let is_there = found.is_some_and(|found| found <= expected)
        && (found == Some(expected) || count(&[])?.is_some_and(|all| all >= expected));
    if is_there {
        return Ok(());
    }
    let found = found.map_or_else(|| "no".to_owned(), |found| found.to_string());
    Err(StoreError::new(
        what,
        format!(
            "after pg_restore there are {found} tables with data, and the dump was proven to hold \
             {expected}"
        ),
        "restore by hand as docs/stores-postgresql.md describes, and report this",
    ))
}
