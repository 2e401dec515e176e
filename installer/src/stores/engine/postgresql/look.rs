//! Inspects a database before it is dumped.

use super::super::site::Site;
use super::access::PostgresqlAccess;
use super::error::POOLED_NEXT;
use super::session::{DIRECT, Session, in_transaction, literal};
use super::{DATABASE, GLOBALS};
use crate::host::cmd::tool::Tool;
use crate::problem::Problem;
use crate::stores::{StoreError, StoreLook};

/// From this version on, tools send settings that older servers do not know
/// (`transaction_timeout`).
const NOT_BACKWARDS: u32 = 17;
const MEGABYTE: u64 = 1024 * 1024;
/// Databases from which others are created and renamed: a session cannot rename its own database.
const MAINTENANCE_DATABASES: [&str; 2] = ["postgres", "template1"];

/// The tables whose data a dump holds: ordinary tables, and configuration tables of extensions. A
/// partitioned table counts by its partitions.
const TABLES: &str = "\
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
WHERE c.relkind = 'r' AND c.relpersistence <> 't' \
AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
AND (NOT EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_class'::regclass \
AND p.objid = c.oid AND p.deptype = 'e') \
OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))";

/// Objects that an ordinary user could not create again: objects of other users, and extensions
/// that need a superuser.
const FOREIGN: &str = "\
SELECT string_agg(DISTINCT o.label, ', ') FROM (\
SELECT 'objects of ' || quote_ident(pg_get_userbyid(c.relowner)) AS label \
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind <> 'i' \
AND NOT pg_has_role(c.relowner, 'MEMBER') \
AND NOT EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_class'::regclass \
AND p.objid = c.oid AND p.deptype = 'e') \
UNION ALL SELECT 'the extension ' || quote_ident(e.extname) FROM pg_extension e \
WHERE e.extname <> 'plpgsql' AND NOT EXISTS (SELECT FROM pg_available_extension_versions v \
WHERE v.name = e.extname AND v.version = e.extversion \
AND (to_jsonb(v)->>'trusted')::boolean)) o";

/// Counts the tables whose data a dump holds.
pub(super) fn tables(exclude: &[String]) -> String {
    format!("SELECT count(*) {TABLES} AND NOT {}", excluded(exclude))
}

/// The condition of a table of which nothing else is made: no foreign key of another table, no view
/// and no function. A restore can replace such a table alone.
const STANDS_ALONE: &str = "\
NOT EXISTS (SELECT FROM pg_constraint k \
WHERE k.contype = 'f' AND k.confrelid = c.oid AND k.conrelid <> c.oid) \
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'n' \
AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_class'::regclass, \
'pg_policy'::regclass) \
AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid) \
OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT c.reltype UNION ALL \
SELECT t.typarray FROM pg_type t WHERE t.oid = c.reltype))))";

/// The condition of a table whose data are not dumped. One on which others depend is dumped.
pub(super) fn excluded(exclude: &[String]) -> String {
    match exclude {
        [] => "false".to_owned(),
        exclude => format!("({} AND {STANDS_ALONE})", matching(exclude)),
    }
}

/// The condition of a table that the manifest excludes. Its check leaves no character that
/// a pattern would read otherwise. A table that shares data with others, as partitions do, is dumped.
pub(super) fn matching(exclude: &[String]) -> String {
    let pattern = |name: &String| name.replace('*', ".*");
    let patterns: Vec<String> = exclude.iter().map(pattern).collect();
    match patterns.join("|").as_str() {
        "" => "false".to_owned(),
        all => format!(
            "(c.relkind = 'r' AND NOT c.relispartition AND c.relname ~ {} \
             AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)))",
            literal(&format!("^({all})$"))
        ),
    }
}

/// Asks for everything about a database that its dump and restore depend on.
fn question(exclude: &[String]) -> String {
    let counted = tables(exclude);
    let left_out = excluded(exclude);
    format!(
        "SELECT current_setting('server_version'), current_setting('server_version_num'), \
         pg_database_size(d.oid) - (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) \
         FROM pg_class c WHERE {left_out}), ({counted}), pg_is_in_recovery(), r.rolsuper, \
         r.rolcreatedb AND pg_has_role(d.datdba, 'MEMBER'), ({FOREIGN}), r.rolname, \
         pg_get_userbyid(d.datdba), EXISTS (SELECT FROM pg_class c WHERE {left_out}), \
         EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') \
         FROM pg_database d, pg_roles r \
         WHERE d.datname = current_database() AND r.rolname = current_user;"
    )
}

pub(super) fn look(access: &PostgresqlAccess, site: &Site<'_>) -> Result<StoreLook, StoreError> {
    let session = Session::new(access, *site)?;
    let what = format!("database `{}` cannot be looked at", session.database());
    direct(&session, &what)?;
    let sql = question(&access.exclude);
    let records = session.ask(&what, &sql)?;
    let [record] = records.as_slice() else {
        return Err(unclear(&what));
    };
    let [
        version,
        number,
        bytes,
        tables,
        is_standby,
        is_super,
        may_make,
        foreign,
        user,
        owner,
        leaves_out,
        has_timescale,
    ] = record.as_slice()
    else {
        return Err(unclear(&what));
    };
    let major = major(number).ok_or_else(|| unclear(&what))?;
    for program in ["pg_dump", "pg_dumpall", "pg_restore"] {
        fitting(&session, program, major)?;
    }
    let bytes: u64 = bytes.parse().map_err(|_| unclear(&what))?;
    let rights = Rights {
        is_standby: is_standby == "t",
        is_super: is_super == "t",
        may_make: may_make == "t",
        foreign,
        user,
        owner,
    };
    Ok(StoreLook {
        version: version.clone(),
        // Text may be longer than its stored form, before and after compression.
        bytes: bytes.saturating_add(bytes / 4).saturating_add(MEGABYTE),
        raw_bytes: Some(bytes),
        leaves_out: leaves_out == "t",
        items: tables.parse().ok(),
        parts: vec![DATABASE.to_owned(), GLOBALS.to_owned()],
        not_restorable: if has_timescale == "t" {
            Some(timescale(session.database()))
        } else {
            not_restorable(&session, &rights, major)
        },
    })
}

struct Rights<'a> {
    is_standby: bool,
    is_super: bool,
    may_make: bool,
    foreign: &'a str,
    user: &'a str,
    owner: &'a str,
}

fn timescale(database: &str) -> Problem {
    Problem::new(
        format!(
            "database `{database}` uses TimescaleDB, whose tables pg_restore alone does not put back"
        ),
        "restore it by hand if need be, between timescaledb_pre_restore() and \
         timescaledb_post_restore()",
    )
}

fn not_restorable(session: &Session<'_>, rights: &Rights<'_>, major: u32) -> Option<Problem> {
    let database = session.database();
    let (user, owner) = (rights.user, rights.owner);
    if rights.is_standby {
        return Some(Problem::new(
            format!(
                "the server of database `{database}` is a standby, into which nothing can be restored"
            ),
            "let the configuration name the primary server, or add target_session_attrs=read-write",
        ));
    }
    if !rights.is_super && !rights.may_make {
        return Some(Problem::new(
            format!(
                "user `{user}` may not make databases for `{owner}`, who owns database `{database}`"
            ),
            format!(
                "ALTER ROLE \"{user}\" CREATEDB; and, if they differ, GRANT \"{owner}\" TO \"{user}\""
            ),
        ));
    }
    if !rights.is_super && !rights.foreign.is_empty() {
        return Some(Problem::new(
            format!(
                "database `{database}` holds what user `{user}` may not make again: {}",
                rights.foreign
            ),
            format!(
                "make \"{user}\" a superuser for the time of the upgrade, or restore by hand if need be"
            ),
        ));
    }
    if let Ok(tools) = tools_major(session, "pg_restore", major)
        && tools >= NOT_BACKWARDS
        && tools > major
    {
        return Some(Problem::new(
            format!("pg_restore {tools} cannot restore into a server of version {major}"),
            format!("install the tools of version {major} beside it (postgresql{major})"),
        ));
    }
    let error = maintenance(session).err()?;
    Some(error.into())
}

/// Finds a database from which others can be created and renamed.
pub(super) fn maintenance<'a>(session: &Session<'a>) -> Result<Session<'a>, StoreError> {
    let what = format!("database `{}` cannot be restored", session.database());
    let mut last = None;
    for name in MAINTENANCE_DATABASES
        .into_iter()
        .filter(|name| *name != session.database())
    {
        let other = session.to(name)?;
        match other.ask(&what, &format!("SELECT {};", literal(name))) {
            Ok(_) => return Ok(other),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(String::new, |error| error.why);
    Err(StoreError::new(
        what,
        format!("its user can connect neither to `postgres` nor to `template1`: {why}"),
        "GRANT CONNECT ON DATABASE postgres to it, and admit it in pg_hba.conf",
    ))
}

/// Refuses a session that a pooler lends: the options that it was opened with are missing, or the
/// next transaction has another process of the server.
pub(super) fn direct(session: &Session<'_>, what: &str) -> Result<(), StoreError> {
    let process = in_transaction("SELECT pg_backend_pid();");
    let option = format!("SELECT coalesce(current_setting('{DIRECT}', true), '');");
    let said = session.said(
        what,
        &[process.clone(), in_transaction(&option), process].join("\n"),
    )?;
    match said.lines().collect::<Vec<_>>().as_slice() {
        [first, "on", second] if first == second => Ok(()),
        [_, _, _] => Err(StoreError::new(
            what,
            "a pooler of connections answers at that address, not the server itself",
            POOLED_NEXT,
        )),
        _ => Err(unclear(what)),
    }
}

/// Asks for the server's major version.
pub(super) fn version(session: &Session<'_>) -> Result<u32, StoreError> {
    let what = format!(
        "the server of database `{}` cannot be asked",
        session.database()
    );
    let records = session.ask(&what, "SHOW server_version_num;")?;
    let number = records.first().and_then(|record| record.first());
    number
        .and_then(|text| major(text))
        .ok_or_else(|| unclear(&what))
}

/// Refuses tools that are older than the server: they refuse to dump it.
pub(super) fn fitting(session: &Session<'_>, program: &str, server: u32) -> Result<(), StoreError> {
    let tools = tools_major(session, program, server)?;
    if tools >= server {
        return Ok(());
    }
    Err(StoreError::new(
        format!("database `{}` cannot be dumped", session.database()),
        format!("{program} is of version {tools}, and the server of version {server}"),
        format!(
            "install the tools of version {server} (package postgresql{server}; \
             `bundle build --tool` can carry it)"
        ),
    ))
}

fn tools_major(session: &Session<'_>, program: &str, server: u32) -> Result<u32, StoreError> {
    let what = format!("database `{}` cannot be dumped", session.database());
    let tool = Tool {
        program,
        args: &["--version"],
        ..Tool::default()
    };
    let output = session.run(&what, Some(server), &tool)?.stdout;
    let mut words = output.split_whitespace();
    let number = words.find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
    let digits = number.and_then(|word| word.split(|letter: char| !letter.is_ascii_digit()).next());
    let number = digits.and_then(|text| text.parse().ok());
    number.ok_or_else(|| unclear(&what))
}

fn major(number: &str) -> Option<u32> {
    number.parse::<u32>().ok().map(|number| number / 10_000)
}

fn unclear(what: &str) -> StoreError {
    StoreError::new(
        what,
        "a tool of PostgreSQL gave an answer that is not understood",
        "run psql by hand and look at what it prints",
    )
}
