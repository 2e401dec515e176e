//! The fake host's data store: a file that a server would keep. Services of a new version rewrite
//! it when they start, and those of the old version then cannot read it.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use installer::layout::Layout;
use installer::stores::{StoreError, StoreLook};
use serde_json::{Value, json};

use super::disk;

/// Where the server keeps its data, and its address in configuration.
const PATH: &str = "/srv/store/data.json";
/// What the server keeps while a restore is tried out.
pub(crate) const SCRATCH: &str = "/srv/store/scratch.json";
pub(crate) const HOST: &str = "127.0.0.1";
pub(crate) const PORT: &str = "6379";
/// The port of a store that no version rewrites.
pub(crate) const OTHER_PORT: &str = "6380";
/// A constant time: the time of the data does not matter.
const TIME: Duration = Duration::from_secs(1_700_000_000);

/// Lays down what the old version knows.
pub(crate) fn install(layout: &Layout) {
    write(
        layout,
        &json!({"schema": 1, "rows": ["one", "two"]}).to_string(),
    );
}

/// Writes data that a fault of the new version has spoilt.
pub(crate) fn spoil(layout: &Layout) {
    write(layout, &json!({"schema": 2, "rows": "spoilt"}).to_string());
}

/// Writes what a service of the old version adds to its data.
pub(crate) fn add(layout: &Layout) {
    let rows = ["one", "two", "three"];
    write(layout, &json!({"schema": 1, "rows": rows}).to_string());
}

pub(crate) fn put_scratch(layout: &Layout) {
    disk::write(&layout.at(SCRATCH), b"{}", 0o600, TIME);
}

pub(crate) fn drop_scratch(layout: &Layout) {
    disk::remove(&layout.at(SCRATCH));
}

fn write(layout: &Layout, text: &str) {
    disk::write(&layout.at(PATH), text.as_bytes(), 0o600, TIME);
}

fn read(layout: &Layout) -> Option<Value> {
    serde_json::from_slice(&disk::read(&layout.at(PATH))?).ok()
}

/// What a service does with the data when it starts; nothing if it cannot read them.
pub(crate) fn migrate(layout: &Layout, known: u64) -> Option<()> {
    let data = read(layout)?;
    let schema = data["schema"].as_u64()?;
    if schema < known {
        // The migration loses data that cannot be computed back.
        write(layout, &json!({"schema": known, "rows": 2}).to_string());
    }
    (schema <= known).then_some(())
}

pub(crate) fn look(layout: &Layout) -> Result<StoreLook, StoreError> {
    let data = read(layout).ok_or_else(|| error("it does not answer"))?;
    Ok(StoreLook {
        version: "fake".to_owned(),
        bytes: data.to_string().len() as u64,
        raw_bytes: None,
        leaves_out: false,
        items: Some(1),
        parts: vec!["dump.rdb".to_owned()],
        not_restorable: None,
    })
}

pub(crate) fn dump(layout: &Layout, mut into: &File) -> Result<(), StoreError> {
    let data = disk::read(&layout.at(PATH)).ok_or_else(|| error("it does not answer"))?;
    into.write_all(&data).map_err(|e| error(&e.to_string()))
}

pub(crate) fn prove(mut file: &File) -> Result<Option<u64>, StoreError> {
    parse(&mut file).map(|_| Some(1))
}

/// Restores a dump. In between, the data are neither old nor new; `moment` is called then.
pub(crate) fn restore(
    layout: &Layout,
    mut file: &File,
    moment: impl FnOnce(),
) -> Result<(), StoreError> {
    let text = parse(&mut file)?;
    write(layout, "{}");
    moment();
    write(layout, &text);
    Ok(())
}

fn parse(file: &mut &File) -> Result<String, StoreError> {
    let mut text = String::new();
    file.rewind().map_err(|e| error(&e.to_string()))?;
    file.read_to_string(&mut text)
        .map_err(|e| error(&e.to_string()))?;
    match serde_json::from_str::<Value>(&text) {
        Ok(data) if data["schema"].is_u64() => Ok(text),
        _ => Err(error("the dump is damaged")),
    }
}

pub(crate) fn error(why: &str) -> StoreError {
    StoreError::new("the fake store", why, "look at the fake store")
}
