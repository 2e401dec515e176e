//! Tables whose data are not in a dump. A restore leaves them as they are: it takes them over from the
//! old database, with their definition, before the databases change places.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;

use super::error;
use super::look;
use super::session::{SERVICE, Session, identifier};
use crate::host::cmd::inherited_path;
use crate::host::cmd::tool::Tool;
use crate::stores::{Limit, StoreError};

/// Returns the arguments of `pg_dump` that leave the data out.
pub(super) fn without_data(session: &Session<'_>, what: &str) -> Result<Vec<String>, StoreError> {
    let tables = named(session, what, &look::excluded(session.exclude()))?;
    Ok(tables
        .into_iter()
        .map(|table| format!("--exclude-table-data={table}"))
        .collect())
}

/// Removes the tables, which are empty, from a database in which a restore is tried out.
pub(super) fn remove(fresh: &Session<'_>, what: &str) -> Result<(), StoreError> {
    let tables = named(fresh, what, &look::excluded(fresh.exclude()))?;
    drop_all(fresh, what, tables.iter())
}

fn drop_all<'t>(
    fresh: &Session<'_>,
    what: &str,
    mut tables: impl Iterator<Item = &'t String>,
) -> Result<(), StoreError> {
    let drop_one = |table: &String| fresh.change(what, &format!("DROP TABLE {table};"));
    tables.try_for_each(|table| drop_one(table).map(drop))
}

/// Returns the tables to take over, and those of them that the fresh database has, empty. A table
/// that the dump has with its data stays, and so does one that the old database has no more.
fn to_take<'t>(
    of_old: &'t [String],
    of_fresh: &[String],
    left_out: &[String],
) -> (Vec<&'t String>, Vec<&'t String>) {
    let comes = |table: &&String| left_out.contains(table) || !of_fresh.contains(table);
    let taken: Vec<&String> = of_old.iter().filter(comes).collect();
    let replaced = taken.iter().filter(|table| of_fresh.contains(table));
    let replaced = replaced.copied().collect();
    (taken, replaced)
}

/// Takes the tables over from the old database into the fresh one. Another version may have changed
/// their definition: that comes along. Returns the tables that stay empty, as the old database has
/// them no more.
pub(super) fn take_over(
    old: &Session<'_>,
    fresh: &Session<'_>,
    what: &str,
    version: u32,
) -> Result<Vec<String>, StoreError> {
    let matching = look::matching(old.exclude());
    let of_old = named(old, what, &matching)?;
    let of_fresh = named(fresh, what, "c.relkind IN ('r', 'p')")?;
    let left_out = named(fresh, what, &look::excluded(fresh.exclude()))?;
    let (tables, replaced) = to_take(&of_old, &of_fresh, &left_out);
    let stays_empty = |table: &&String| !of_old.contains(table);
    let empty: Vec<String> = left_out.iter().filter(stays_empty).cloned().collect();
    if tables.is_empty() {
        return Ok(empty);
    }
    drop_all(fresh, what, replaced.into_iter())?;
    let tables = tables.iter().map(|table| format!("--table={table}"));
    copy(old, fresh, what, version, &tables.collect::<Vec<_>>())?;
    Ok(empty)
}

/// Copies tables, by one `pg_dump` into one `pg_restore`.
fn copy(
    old: &Session<'_>,
    fresh: &Session<'_>,
    what: &str,
    version: u32,
    tables: &[String],
) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| {
        StoreError::new(what, error.to_string(), "look into the system's log")
    };
    let (read, write) = std::io::pipe().map_err(failed)?;
    let (read, write) = (
        File::from(OwnedFd::from(read)),
        File::from(OwnedFd::from(write)),
    );
    let time = fresh.limit().time;
    let (environment, service) = old.connection();
    thread::scope(|scope| {
        let giver = scope.spawn(move || {
            let mut args = vec!["-Fc", "--compress=0", "--no-password", "-d", SERVICE];
            args.extend(tables.iter().map(String::as_str));
            let tool = Tool {
                program: "pg_dump",
                args: &args,
                environment: &environment,
                files: &[service],
                output: Some(&write),
                ..Tool::default()
            };
            let limit = Limit {
                time,
                stopped: &|| false,
            };
            tool.run_of(Some(version), limit)
        });
        let path = inherited_path(&read);
        // With the format it reads a pipe once. Without it, it would look into it first.
        let tool = Tool {
            program: "pg_restore",
            args: &[
                "-Fc",
                "--exit-on-error",
                "--no-password",
                "-d",
                SERVICE,
                &path,
            ],
            files: &[&read],
            ..Tool::default()
        };
        let taken = fresh.run(what, Some(version), &tool);
        // The giver ends when there is no reader any more.
        drop(read);
        let handed = giver.join();
        taken?;
        match handed {
            Ok(Ok(finished)) if finished.succeeded() => Ok(()),
            Ok(Ok(finished)) => Err(error::of_failure(what, old.database(), &finished)),
            Ok(Err(failure)) => Err(error::of_tool(what, "pg_dump", &failure)),
            Err(_) => Err(StoreError::new(what, "pg_dump was not run", "report this")),
        }
    })
}

/// Returns the query for the exact names of the tables whose data a dump left out, each as an
/// argument of `pg_dump`.
pub(in crate::stores::engine) fn arguments(exclude: &[String]) -> String {
    format!(
        "SELECT format('--table=%I.%I', n.nspname, c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND {}",
        look::excluded(exclude)
    )
}

/// Names the tables of a database for which a condition holds, as SQL and patterns of the tools do.
fn named(session: &Session<'_>, what: &str, condition: &str) -> Result<Vec<String>, StoreError> {
    if session.exclude().is_empty() {
        return Ok(Vec::new());
    }
    let records = session.ask(
        what,
        &format!(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n \
             ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') \
             AND {condition};"
        ),
    )?;
    let name = |record: &Vec<String>| match record.as_slice() {
        [schema, table] => Some(format!("{}.{}", identifier(schema), identifier(table))),
        _ => None,
    };
    Ok(records.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::to_take;

    /// A table that the newer version had dropped was missing after a restore; one with data in the
    /// dump would have been replaced.
    #[test]
    fn only_tables_that_the_dump_left_out_are_replaced() {
        let names = |all: &[&str]| -> Vec<String> { all.iter().map(|&one| one.into()).collect() };
        let of_old = names(&["both", "with_view", "new"]);
        let of_fresh = names(&["both", "with_view", "dropped"]);
        let left_out = names(&["both", "dropped"]);
        let (taken, replaced) = to_take(&of_old, &of_fresh, &left_out);
        assert_eq!(taken, ["both", "new"]);
        assert_eq!(replaced, ["both"]);
    }
}
