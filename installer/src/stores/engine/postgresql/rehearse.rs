//! Tries out a restore: the schema of the database is dumped and restored into a database of its own,
//! which is dropped again. Owners, rights, extensions and server settings decide whether that works;
//! no look could foresee all of them.

use super::super::site::Site;
use super::access::PostgresqlAccess;
use super::fresh_database::FreshDatabase;
use super::session::{SERVICE, Session};
use super::{excluded, look};
use crate::failure::chain;
use crate::host::cmd::inherited_path;
use crate::host::cmd::tool::Tool;
use crate::secure_fs;
use crate::stores::{RehearsalMark, StoreError};

/// Tries out a restore into the server of the database.
pub(super) fn rehearse(
    access: &PostgresqlAccess,
    site: &Site<'_>,
    mark: &RehearsalMark,
) -> Result<Option<String>, StoreError> {
    let session = Session::new(access, *site)?;
    let database = session.database();
    let what = format!("a restore of database `{database}` was tried out, and failed");
    look::direct(&session, &what)?;
    let maintenance = look::maintenance(&session)?;
    let version = look::version(&maintenance)?;
    let file = secure_fs::unnamed(&site.layout.state(), b"").map_err(|error| {
        let next = "make room where dumps are kept";
        StoreError::new(what.clone(), chain(&error), next)
    })?;
    let dump = Tool {
        program: "pg_dump",
        args: &["-Fc", "--schema-only", "--no-password", "-d", SERVICE],
        output: Some(&file),
        ..Tool::default()
    };
    session.run(&what, Some(version), &dump)?;
    let scratch = FreshDatabase::scratch(&maintenance, database, mark)?;
    let tried = || -> Result<(), StoreError> {
        let into = session.to(scratch.fresh())?;
        let path = inherited_path(&file);
        // A subscription would keep the scratch database from being dropped.
        let restore = Tool {
            program: "pg_restore",
            args: &[
                "--exit-on-error",
                "--no-password",
                "--no-subscriptions",
                "-d",
                SERVICE,
                &path,
            ],
            files: &[&file],
            ..Tool::default()
        };
        into.run(&what, Some(version), &restore)?;
        excluded::remove(&into, &what)?;
        scratch.copy_attributes().map(drop)
    };
    let tried = tried();
    let removed = scratch.remove_fresh();
    tried.and(removed)?;
    Ok(Some("a restore of its schema was tried out".to_owned()))
}

/// Removes what interrupted trials of this host left on the server.
pub(super) fn clear(
    access: &PostgresqlAccess,
    site: &Site<'_>,
    mark: &RehearsalMark,
) -> Result<(), StoreError> {
    let session = Session::new(access, *site)?;
    let what = format!("the server of database `{}`", session.database());
    look::direct(&session, &what)?;
    let maintenance = look::maintenance(&session)?;
    FreshDatabase::clear_scratch(&maintenance, session.database(), mark)
}
