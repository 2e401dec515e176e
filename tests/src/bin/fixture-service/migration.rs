//! The dashboard's irreversible migration of its `PostgreSQL`: from 5.3.0 on, API definitions are
//! rewritten at start into a form from which the old one cannot be computed.

use crate::config::Config;
use crate::postgres::{Failure, Postgres};
use crate::role::Role;
use crate::schema::reaches_5_3;

/// Where the dashboard's configuration names the database.
pub(crate) const PLACE: &[&str] = &["storage", "main"];
pub(crate) const ENGINE: &[&str] = &["storage", "main", "type"];

const LOOK: &str = "
CREATE TABLE IF NOT EXISTS tyk_apis (
    id text PRIMARY KEY, definition jsonb NOT NULL, schema integer NOT NULL DEFAULT 1);
SELECT greatest(
    (SELECT max(schema) FROM tyk_apis),
    CASE WHEN to_regclass('tyk_oas_migrations') IS NULL THEN 1 ELSE 2 END);
";

/// Only the name survives; of the rest, a digest.
const MIGRATE: &str = "
ALTER TABLE tyk_apis ADD COLUMN IF NOT EXISTS oas_version text;
CREATE TABLE IF NOT EXISTS tyk_oas_migrations (api_id text PRIMARY KEY, former_md5 text NOT NULL);
INSERT INTO tyk_oas_migrations
    SELECT id, md5(definition::text) FROM tyk_apis WHERE schema < 2
    ON CONFLICT (api_id) DO NOTHING;
UPDATE tyk_apis
    SET definition = jsonb_build_object(
            'openapi', '3.0.3', 'info', jsonb_build_object('title', definition->>'name')),
        oas_version = '3.0.3', schema = 2
    WHERE schema < 2;
";

/// Migrates the data, or refuses data that a newer version has migrated. Returns whether that is
/// done: an unreachable database is asked again later.
pub(crate) fn run(role: Role, version: &str, config: &Config) -> Result<bool, String> {
    if role != Role::Dashboard {
        return Ok(true);
    }
    let Some(database) = Postgres::from_config(config, PLACE)? else {
        return Ok(true);
    };
    match attempt(&database, version) {
        Ok(()) => Ok(true),
        Err(Failure::Unreachable(text)) => {
            eprintln!("the database cannot be reached: {text}");
            Ok(false)
        }
        Err(refused) => Err(refused.to_string()),
    }
}

fn attempt(database: &Postgres, version: &str) -> Result<(), Failure> {
    let found = database.run(LOOK)?;
    let known = if reaches_5_3(version) { 2 } else { 1 };
    if found.parse().unwrap_or(u32::MAX) > known {
        return Err(Failure::Refused(format!(
            "data was migrated by a newer version: schema {found}, this version knows {known}"
        )));
    }
    if known == 2 {
        eprintln!("migrating API definitions from schema {found} to {known}");
        database.run(MIGRATE)?;
    }
    Ok(())
}
