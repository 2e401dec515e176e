//! `PostgreSQL`, by its own tools: `psql`, `pg_dump`, `pg_dumpall` and `pg_restore`.
//!
//! A restore fills a fresh database beside the old one and renames both in one transaction. Until
//! then the product's database stays untouched; afterwards the old one is kept.

mod access;
mod clients;
mod error;
mod excluded;
mod fresh_database;
mod look;
mod rehearse;
mod restore;
mod session;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use self::session::{SERVICE, Session};
use super::site::Site;
use super::{Engine, Restoring};
use crate::host::cmd::inherited_path;
use crate::host::cmd::tool::Tool;
use crate::stores::{RehearsalMark, ServerWords, StoreError, StoreLook};

pub use access::PostgresqlAccess;
pub(super) use excluded::arguments as excluded_arguments;

const DATABASE: &str = "database.dump";
const GLOBALS: &str = "globals.sql";
/// How long a dump waits for a lock that another client holds.
const LOCK_SECONDS: u64 = 60;
const LIST_DATA: &str = "TABLE DATA";
const GLOBALS_END: &str = "-- PostgreSQL database cluster dump complete";
const GLOBALS_UNREADABLE: &str =
    "-- The user of the product's configuration may not read the server's roles and tablespaces.";
const GLOBALS_TAIL_BYTES: u64 = 4096;

impl Engine for PostgresqlAccess {
    fn endpoint(&self) -> String {
        PostgresqlAccess::endpoint(self)
    }

    fn look(&self, site: &Site<'_>) -> Result<StoreLook, StoreError> {
        look::look(self, site)
    }

    fn dump(&self, site: &Site<'_>, part: &str, into: &File) -> Result<(), StoreError> {
        let session = Session::new(self, *site)?;
        match part {
            DATABASE => dump_database(&session, into),
            GLOBALS => dump_globals(&session, into),
            _ => Err(unknown(part)),
        }
    }

    fn prove(&self, site: &Site<'_>, part: &str, file: &File) -> Result<Option<u64>, StoreError> {
        match part {
            DATABASE => prove_database(&Session::new(self, *site)?, file).map(Some),
            GLOBALS => prove_globals(file).map(|()| None),
            _ => Err(unknown(part)),
        }
    }

    fn rehearse(
        &self,
        site: &Site<'_>,
        mark: &RehearsalMark,
    ) -> Result<Option<String>, StoreError> {
        rehearse::rehearse(self, site, mark)
    }

    fn clear_rehearsal(&self, site: &Site<'_>, mark: &RehearsalMark) -> Result<(), StoreError> {
        rehearse::clear(self, site, mark)
    }

    fn restore(
        &self,
        site: &Site<'_>,
        restoring: &Restoring<'_>,
    ) -> Result<Vec<String>, StoreError> {
        restore::restore(self, restoring, site)
    }

    fn words(&self, site: &Site<'_>) -> ServerWords {
        clients::words(self, site)
    }
}

fn unknown(part: &str) -> StoreError {
    StoreError::new(
        format!("`{part}` is not part of a dump of PostgreSQL"),
        format!("its parts are {DATABASE} and {GLOBALS}"),
        "use the version of this tool that made the dump",
    )
}

fn dump_database(session: &Session<'_>, into: &File) -> Result<(), StoreError> {
    let what = format!("database `{}` cannot be dumped", session.database());
    look::direct(session, &what)?;
    let version = look::version(session)?;
    look::fitting(session, "pg_dump", version)?;
    let wait = session.limit().time.as_millis() / 2;
    let wait = wait.clamp(1000, u128::from(LOCK_SECONDS) * 1000);
    let wait = format!("--lock-wait-timeout={wait}");
    let without = excluded::without_data(session, &what)?;
    let mut args = vec!["-Fc", "--no-password", &wait, "-d", SERVICE];
    args.extend(without.iter().map(String::as_str));
    let tool = Tool {
        program: "pg_dump",
        args: &args,
        output: Some(into),
        ..Tool::default()
    };
    session.run(&what, Some(version), &tool).map(drop)
}

/// Roles and tablespaces, without passwords. They are for people: a restore does not use them. If
/// the user may not read them, the file records the reason and the dump goes on.
fn dump_globals(session: &Session<'_>, into: &File) -> Result<(), StoreError> {
    let version = look::version(session)?;
    let tool = Tool {
        program: "pg_dumpall",
        args: &[
            "--globals-only",
            "--no-role-passwords",
            "--no-password",
            "-l",
            SERVICE,
        ],
        output: Some(into),
        ..Tool::default()
    };
    let what = "the server's roles and tablespaces cannot be dumped";
    let Err(error) = session.run(what, Some(version), &tool) else {
        return Ok(());
    };
    if !error.why.contains("permission denied") {
        return Err(error);
    }
    let noted = into.set_len(0).and_then(|()| {
        let mut into = into;
        into.seek(SeekFrom::Start(0))?;
        writeln!(into, "{GLOBALS_UNREADABLE}\n\n{GLOBALS_END}")
    });
    noted.map_err(|source| {
        let next = "make room where dumps are kept";
        StoreError::new(what, source.to_string(), next)
    })
}

/// Reads the list of contents, then everything: a truncated dump still has a good list.
fn prove_database(session: &Session<'_>, file: &File) -> Result<u64, StoreError> {
    let (what, path) = ("a dump cannot be read back", inherited_path(file));
    let read = |args: &[&str]| {
        let tool = Tool {
            program: "pg_restore",
            args,
            files: &[file],
            ..Tool::default()
        };
        session.run(what, None, &tool)
    };
    let list = read(&["-l", &path])?.stdout;
    read(&["-f", "/dev/null", &path])?;
    Ok(counted(&list))
}

fn counted(list: &str) -> u64 {
    let is_data = |line: &&str| {
        let mut words = line.splitn(4, ' ');
        let number = words.next().unwrap_or_default();
        // A table of a schema named `DATA` has a catalogue number here.
        let is_loose = words.next() == Some("0");
        let rest = words.nth(1).unwrap_or_default();
        !number.starts_with(';') && is_loose && rest.starts_with(LIST_DATA)
    };
    list.lines().filter(is_data).count() as u64
}

fn prove_globals(mut file: &File) -> Result<(), StoreError> {
    let what = "the dump of roles and tablespaces cannot be read back";
    let damaged = |why: String| StoreError::new(what, why, "look for a failing disk");
    let mut tail = String::new();
    let read = file.seek(SeekFrom::End(0)).and_then(|length| {
        let from = length.saturating_sub(GLOBALS_TAIL_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(GLOBALS_TAIL_BYTES).read_to_end(&mut bytes)?;
        tail = String::from_utf8_lossy(&bytes).into_owned();
        Ok(())
    });
    read.map_err(|source| damaged(source.to_string()))?;
    // Newer tools write another line after it.
    if tail.lines().any(|line| line == GLOBALS_END) {
        return Ok(());
    }
    Err(damaged("its last line is missing".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_with_data_are_counted() {
        let list = ";\n; Archive created at x\n;     TABLE DATA\n\
                    215; 1259 16385 TABLE public t postgres\n\
                    3330; 0 16385 TABLE DATA public t postgres\n\
                    3331; 0 16390 TABLE DATA public u postgres\n\
                    216; 1259 16386 TABLE DATA t postgres\n\
                    3332; 0 0 SEQUENCE SET public s postgres\n";
        assert_eq!(counted(list), 2);
    }
}
