//! Redis key by key: read by type, because the bytes of a `DUMP` depend on the order in which a
//! server happens to keep a set.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};

use super::EXPIRY_TOLERANCE_MS;
use crate::isolated::Guest;
use crate::stores::Stores;

const SCRIPT: &str = include_str!("redis.lua");
const MINUTE_MS: u64 = 60_000;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    kind: String,
    value: String,
    /// In Unix milliseconds.
    expires: Option<u64>,
}

impl Key {
    pub(super) fn equals(&self, other: &Self) -> bool {
        let expiry = match (self.expires, other.expires) {
            (Some(one), Some(two)) => one.abs_diff(two) <= EXPIRY_TOLERANCE_MS,
            (one, two) => one == two,
        };
        expiry && (&self.kind, &self.value) == (&other.kind, &other.value)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.value)?;
        match self.expires {
            None => Ok(()),
            Some(moment) => write!(f, ", expires at minute {}", moment / MINUTE_MS),
        }
    }
}

pub(super) fn take(guest: &Guest, stores: &Stores) -> Result<BTreeMap<(u8, String), Key>> {
    let mut keys = BTreeMap::new();
    let keyspace = stores.redis(guest, 0, &["INFO", "keyspace"])?;
    for database in keyspace.lines().filter_map(database) {
        let lines = stores.redis(guest, database, &["EVAL", SCRIPT, "0"])?;
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let (name, key) = parse(line).with_context(|| format!("redis says {line:?}"))?;
            keys.insert((database, name), key);
        }
    }
    Ok(keys)
}

/// The number in `db1:keys=80,…`.
fn database(line: &str) -> Option<u8> {
    line.strip_prefix("db")?.split(':').next()?.parse().ok()
}

fn parse(line: &str) -> Option<(String, Key)> {
    let mut fields = line.splitn(4, '\t');
    let name = fields.next()?.to_owned();
    let kind = fields.next()?.to_owned();
    let expires: u64 = fields.next()?.parse().ok()?;
    let value = fields.next()?.to_owned();
    let expires = Some(expires).filter(|&moment| moment > 0);
    Some((
        name,
        Key {
            kind,
            value,
            expires,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::{EXPIRY_TOLERANCE_MS, database, parse};

    #[test]
    fn the_moment_of_expiry_may_be_a_little_off() {
        let at = |moment: u64| parse(&format!("k\tstring\t{moment}\tv")).unwrap().1;
        assert!(at(1_000_000).equals(&at(1_000_000 + EXPIRY_TOLERANCE_MS)));
        assert!(!at(1_000_000).equals(&at(1_000_001 + EXPIRY_TOLERANCE_MS)));
        assert!(!at(1_000_000).equals(&at(0)));
    }

    #[test]
    fn finds_the_databases_in_use() {
        let info = "# Keyspace\ndb0:keys=1,expires=0\ndb11:keys=2,expires=2";
        assert_eq!(
            info.lines().filter_map(database).collect::<Vec<_>>(),
            [0, 11]
        );
    }
}
