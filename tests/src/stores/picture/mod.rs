//! What is in the stores, in a form that can be compared and read.

mod postgres;
mod redis;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use super::Stores;
use crate::isolated::Guest;
use redis::Key;

/// How far apart two pictures may see the same moment of expiry: a `RESTORE` counts in milliseconds
/// from when it runs, and the server's clock is asked beside the keys.
const EXPIRY_TOLERANCE_MS: u64 = 30_000;

const LONGEST_CHARS: usize = 160;

/// Both stores as they were at one moment. What is written while it is taken may be in it or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoresPicture {
    /// By database and key.
    redis: BTreeMap<(u8, String), Key>,
    /// By table: its rows, sorted.
    tables: BTreeMap<String, Vec<String>>,
    /// Every other statement of a dump: definitions of tables and the like, the state of sequences,
    /// large objects.
    statements: Vec<String>,
}

pub(super) fn take(guest: &Guest, stores: &Stores) -> Result<StoresPicture> {
    let (tables, statements) = postgres::take(guest, stores)?;
    Ok(StoresPicture {
        redis: redis::take(guest, stores)?,
        tables,
        statements,
    })
}

impl StoresPicture {
    /// How `later` differs, a line each; nothing where both are the same.
    #[must_use]
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let mut lines = keys_apart(&self.redis, &later.redis);
        let none = Vec::new();
        for table in union(&self.tables, &later.tables) {
            let of = |picture: &'_ Self| picture.tables.get(table).unwrap_or(&none).clone();
            lines.extend(lists_apart(
                &format!("table {table}, row"),
                &of(self),
                &of(later),
            ));
        }
        lines.extend(lists_apart("schema", &self.statements, &later.statements));
        lines
    }

    /// The same without a table, in any schema, and without what is named after it, such as its
    /// sequences: for a table that is always written.
    #[must_use]
    pub fn without_table(&self, table: &str) -> Self {
        let mut rest = self.clone();
        let its = format!(".{table}");
        rest.tables.retain(|name, _| !name.ends_with(&its));
        rest.statements.retain(|text| !text.contains(&its));
        rest
    }

    /// The rows of a table such as `public.tyk_apis`, as a dump writes them.
    #[must_use]
    pub fn rows(&self, table: &str) -> &[String] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// The names of all tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// How many keys a database of Redis has.
    #[must_use]
    pub fn keys(&self, database: u8) -> usize {
        self.redis.keys().filter(|(of, _)| *of == database).count()
    }
}

/// All of it, sorted, for `diff`; moments of expiry in whole minutes.
impl fmt::Display for StoresPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((database, name), key) in &self.redis {
            writeln!(f, "redis {database} {name}: {key}")?;
        }
        for (table, rows) in &self.tables {
            for row in rows {
                writeln!(f, "table {table}: {row}")?;
            }
        }
        self.statements
            .iter()
            .try_for_each(|text| writeln!(f, "schema: {text}"))
    }
}

fn keys_apart(
    before: &BTreeMap<(u8, String), Key>,
    after: &BTreeMap<(u8, String), Key>,
) -> Vec<String> {
    let apart = union(before, after).into_iter().filter_map(|id| {
        let place = format!("redis database {} key {}", id.0, id.1);
        match (before.get(id), after.get(id)) {
            (Some(was), Some(is)) if was.equals(is) => None,
            (Some(was), Some(is)) => Some(format!("{place}: {was} -> {is}")),
            (Some(was), None) => Some(format!("{place}: gone ({was})")),
            (None, is) => is.map(|is| format!("{place}: new ({is})")),
        }
    });
    apart.collect()
}

fn union<'a, K: Ord, V>(one: &'a BTreeMap<K, V>, other: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let mut keys: Vec<&K> = one.keys().chain(other.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The items that only one of two sorted lists has, duplicates counted.
fn lists_apart(what: &str, before: &[String], after: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let (gone, text) = match (old.peek(), new.peek()) {
            (None, None) => return lines,
            (Some(was), Some(is)) if was == is => {
                old.next();
                new.next();
                continue;
            }
            (Some(was), Some(is)) if was < is => (true, old.next()),
            (Some(_), None) => (true, old.next()),
            _ => (false, new.next()),
        };
        let verb = if gone { "gone" } else { "new" };
        lines.extend(text.map(|text| format!("{what} {verb}: {}", shortened(text))));
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST_CHARS).collect();
    if short.len() < text.len() {
        short += &format!("… ({} bytes)", text.len());
    }
    short
}

#[cfg(test)]
mod tests {
    use super::lists_apart;

    #[test]
    fn lists_are_compared_with_their_duplicates() {
        let list = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let apart = lists_apart("row", &list("a b b d"), &list("a b c d"));
        assert_eq!(apart, ["row gone: b", "row new: c"]);
        assert!(lists_apart("row", &list("a b"), &list("a b")).is_empty());
    }
}
