//! The dashboard's irreversible migration: from 5.3.0 on, data written at start can no longer be
//! used by an older dashboard.
//!
//! Only where the configuration names the place, in `lab_schema_store`: `redis`, or a file. What
//! [`crate::migration`] does to a database is another matter.

use std::fs;
use std::path::Path;

use crate::config::Config;
use crate::role::{self, Role};

const KEY: &str = "lab-dashboard-schema";

/// Migrates the data, or refuses data that a newer version has migrated.
pub(crate) fn migrate(role: Role, version: &str, config: &Config) -> Result<(), String> {
    let (Role::Dashboard, Some(store)) = (role, config.word(&["lab_schema_store"])) else {
        return Ok(());
    };
    let known = if reaches_5_3(version) { 2 } else { 1 };
    let found = read(&store, config)?
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1_u32);
    if found > known {
        return Err(format!(
            "the data has schema {found}, this version knows {known}"
        ));
    }
    eprintln!("migrating data from schema {found} to {known}");
    write(&store, config, &known.to_string())
}

pub(crate) fn reaches_5_3(version: &str) -> bool {
    let mut numbers = version
        .split('.')
        .map(|word| word.parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(5), Some(3))
}

fn read(store: &str, config: &Config) -> Result<Option<String>, String> {
    if store == "redis" {
        return redis(config)?.run(&["GET", KEY]);
    }
    let path = Path::new(store);
    if !path.exists() {
        return Ok(None);
    }
    fs::read_to_string(path)
        .map(Some)
        .map_err(|error| format!("cannot read {store}: {error}"))
}

#[expect(clippy::disallowed_methods, reason = "a service writes its own data")]
fn write(store: &str, config: &Config, schema: &str) -> Result<(), String> {
    if store == "redis" {
        return redis(config)?.run(&["SET", KEY, schema]).map(drop);
    }
    fs::write(store, schema).map_err(|error| format!("cannot write {store}: {error}"))
}

fn redis(config: &Config) -> Result<crate::redis::Redis, String> {
    role::dashboard_redis(config)?.ok_or("lab_schema_store is redis, but no redis_host".to_owned())
}

#[cfg(test)]
mod tests {
    use super::reaches_5_3;

    #[test]
    fn knows_which_versions_migrate() {
        assert!(!reaches_5_3("5.2.5") && !reaches_5_3("5.0.11"));
        assert!(reaches_5_3("5.3.0") && reaches_5_3("5.10.1"));
    }
}
