//! `PostgreSQL` as `pg_dump` writes it, with the rows sorted: where a row lies is not data.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::isolated::Guest;
use crate::stores::Stores;

type Tables = BTreeMap<String, Vec<String>>;

/// The tables and every other statement.
pub(super) fn take(guest: &Guest, stores: &Stores) -> Result<(Tables, Vec<String>)> {
    let dump = ["pg_dump", "--no-owner", "--no-password"];
    let dump = stores.postgres_client(guest, &dump).run()?.ok()?.stdout;
    Ok(parse(&dump))
}

fn parse(dump: &str) -> (Tables, Vec<String>) {
    let (mut tables, mut statements) = (Tables::new(), Vec::new());
    let mut lines = dump.lines();
    let mut statement = Vec::new();
    let mut together = false;
    while let Some(line) = lines.next() {
        if let Some(table) = copied_table(line) {
            let rows = lines.by_ref().take_while(|row| *row != "\\.");
            let mut rows: Vec<String> = rows.map(str::to_owned).collect();
            rows.sort_unstable();
            tables.insert(table.to_owned(), rows);
            continue;
        }
        if statement.is_empty() && is_noise(line) {
            continue;
        }
        together |= line == "BEGIN;";
        statement.push(line);
        // A large object is written by many statements, from BEGIN to COMMIT.
        let ends = line == "COMMIT;" || !together && line.ends_with(';');
        if ends {
            statements.push(statement.join("\n"));
            statement.clear();
            together = false;
        }
    }
    if !statement.is_empty() {
        statements.push(statement.join("\n"));
    }
    statements.sort_unstable();
    (tables, statements)
}

/// The table of `COPY public.users (id, …) FROM stdin;`.
fn copied_table(line: &str) -> Option<&str> {
    let line = line.strip_prefix("COPY ")?;
    let columns = line.strip_suffix(" FROM stdin;")?;
    columns.split(" (").next()
}

/// Comments, settings of the session, and the random mark that fences a dump.
fn is_noise(line: &str) -> bool {
    let noise = [
        "--",
        "SET ",
        "SELECT pg_catalog.set_config",
        "\\restrict",
        "\\unrestrict",
    ];
    line.is_empty() || noise.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn rows_are_sorted_and_noise_is_dropped() {
        let dump = "\
--\n-- PostgreSQL database dump\n--\n\\restrict abc\nSET lock_timeout = 0;\n
CREATE TABLE public.t (\n    id integer\n);\n
COPY public.t (id) FROM stdin;\n2\n1\n\\.\n
BEGIN;\nSELECT pg_catalog.lo_open('5', 131072);\nCOMMIT;\n\\unrestrict abc\n";
        let (tables, statements) = parse(dump);
        assert_eq!(tables["public.t"], ["1", "2"]);
        assert_eq!(
            statements,
            [
                "BEGIN;\nSELECT pg_catalog.lo_open('5', 131072);\nCOMMIT;",
                "CREATE TABLE public.t (\n    id integer\n);"
            ]
        );
    }
}
