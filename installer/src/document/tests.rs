//! Documents of released installers, of newer installers, and damaged documents.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::backup::changes::ConfigChanges;
use crate::backup::snapshot::Snapshot;
use crate::event::Event;
use crate::history::report::RunReport;
use crate::journal::read_records;
use crate::plan::InstallPlan;
use crate::run::{Baseline, reserve::Reserves};
use crate::stores::record::Dumps;
use crate::trust::sequence::Sequences;

/// State directories as released installers left them. Their files are never changed.
fn golden() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/state-1");
    let found = walkdir::WalkDir::new(dir).into_iter();
    let files = found.map(|found| found.unwrap().into_path());
    files.filter(|path| path.is_file()).collect()
}

fn value<D: Document>(path: &Path, bytes: &[u8]) -> Result<Value, ReadError> {
    parse::<D>(path, bytes)
        .map(|document| serde_json::from_slice(&to_bytes(&document).unwrap()).unwrap())
}

/// Reads the document `bytes` that belongs at `path`, and returns what would be written.
fn read_as_named(path: &Path, bytes: &[u8]) -> Result<Value, ReadError> {
    match path.file_name().unwrap().to_str().unwrap() {
        "plan.json" => value::<InstallPlan>(path, bytes),
        "report.json" => value::<RunReport>(path, bytes),
        "before.json" | "after.json" => value::<Snapshot>(path, bytes),
        "baseline.json" => value::<Baseline>(path, bytes),
        "stores.json" | "aside.json" => value::<Dumps>(path, bytes),
        "config-changes.json" => value::<ConfigChanges>(path, bytes),
        "seal.json" => value::<crate::backup::seal::SealDocument>(path, bytes),
        "sequences.json" => value::<Sequences>(path, bytes),
        "reserves.json" => value::<Reserves>(path, bytes),
        other => panic!("{other} is read by no test"),
    }
}

/// Adds a field to every object of a document.
fn with_more_fields(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(with_more_fields);
            // Maps by path, package or component are not structures with fields.
            let is_struct = ["type", "package", "nevra", "sha256", "kind", "signers"];
            if members.len() > 1 && is_struct.iter().any(|name| members.contains_key(*name)) {
                members.insert("of_a_newer_installer".to_owned(), json!([{"a": 1}]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_more_fields),
        _ => {}
    }
}

#[test]
fn every_document_of_a_released_installer_is_read_and_keeps_its_content() {
    let mut seen = std::collections::BTreeSet::new();
    for path in golden() {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match name.as_str() {
            "journal" => assert!(!read_records(&bytes).unwrap().is_empty()),
            "events.jsonl" => {
                let text = String::from_utf8(bytes).unwrap();
                let events = text
                    .lines()
                    .map(|line| serde_json::from_str::<Event>(line).unwrap());
                assert!(events.count() > 0);
            }
            _ => {
                let mut then: Value = serde_json::from_slice(&bytes).unwrap();
                let now = read_as_named(&path, &bytes).unwrap();
                // A bare list has no type.
                if let Some(known) = now.get("type") {
                    then["type"] = known.clone();
                }
                assert_eq!(then, now, "{}", path.display());
            }
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), 13, "{seen:?}");
}

#[test]
fn fields_of_a_newer_installer_are_ignored_and_its_versions_are_named() {
    // A bare list has neither type nor fields.
    let has_type = |path: &PathBuf| {
        path.extension().is_some_and(|kind| kind == "json") && !path.ends_with("reserves.json")
    };
    for path in golden().into_iter().filter(has_type) {
        let bytes = std::fs::read(&path).unwrap();
        let mut document = read_as_named(&path, &bytes).unwrap();
        let mut more = document.clone();
        with_more_fields(&mut more);
        let read = read_as_named(&path, more.to_string().as_bytes()).unwrap();
        if path.ends_with("sequences.json") {
            assert_eq!(read["of_a_newer_installer"], json!([{"a": 1}]), "they stay");
        } else {
            assert_eq!(read, document, "{}", path.display());
        }
        let known = document["type"].as_str().unwrap().to_owned();
        document["type"] = known.replace("/1", "/2").into();
        // A document of a later version may have any content.
        let newer = json!({"type": document["type"], "all": "other"});
        let error = read_as_named(&path, newer.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, ReadError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("newer installer"), "{error}");
        let other = json!({"type": "airgap-bundle/other/1"});
        let error = read_as_named(&path, other.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, ReadError::Other { .. }), "{error}");
        let cut = &bytes[..bytes.len() / 2];
        let error = read_as_named(&path, cut).unwrap_err();
        assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is the newer installer")]
fn a_document_of_a_newer_installer_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stores.json");
    write(&path, &Dumps::default()).unwrap();
    write(&path, &Dumps::default()).unwrap();
    assert_eq!(read::<Dumps>(&path).unwrap(), Dumps::default());
    let newer = br#"{"type": "airgap-bundle/dumps/2"}"#;
    std::fs::write(&path, newer).unwrap();
    let error = write(&path, &Dumps::default()).unwrap_err();
    assert!(matches!(error, ReadError::Newer { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), newer);
}
