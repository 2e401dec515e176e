//! Writes a product manifest as TOML, as people would: a setting on one line.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::ProductManifest;

/// The fields that come first in their table.
const FIRST: [&str; 6] = ["type", "id", "name", "title", "lead", "component"];

/// The fields that are written as tables of their own, in this order.
const TABLES: [&str; 14] = [
    "distro",
    "repository",
    "package_key",
    "component",
    "backup",
    "reference",
    "health",
    "store",
    "redis",
    "database",
    "migration",
    "extra",
    "trial",
    "pin",
];

impl ProductManifest {
    /// Returns the manifest in TOML, without templates; [`Self::from_toml`] reads it.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        let mut text = String::new();
        write(&mut text, "", &Table::try_from(self)?);
        Ok(text)
    }
}

fn write(text: &mut String, path: &str, table: &Table) {
    let place = |list: &[&str], name: &str| list.iter().position(|one| *one == name);
    // One of Redis's settings has the name of a table.
    let fits_on_a_line = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Table(table) => table.contains_key("default"),
        _ => true,
    };
    let (mut tables, mut lines): (Vec<_>, Vec<_>) = table
        .iter()
        .partition(|(name, value)| place(&TABLES, name).is_some() && !fits_on_a_line(value));
    lines.sort_by_key(|(name, _)| place(&FIRST, name).unwrap_or(FIRST.len()));
    tables.sort_by_key(|(name, _)| place(&TABLES, name));
    // Writing to a string cannot fail.
    for (name, value) in lines {
        let _ = writeln!(text, "{name} = {value}");
    }
    for (name, value) in tables {
        let path = format!("{path}{name}");
        let (items, open, close) = match value {
            Value::Array(items) => (&items[..], "[[", "]]"),
            one => (std::slice::from_ref(one), "[", "]"),
        };
        for item in items.iter().filter_map(Value::as_table) {
            let _ = writeln!(text, "\n{open}{path}{close}");
            write(text, &format!("{path}."), item);
        }
    }
}
