//! The words of earlier configurations: a secret that was rotated may stand in an old log, and is
//! still secret where it is used elsewhere.

use std::collections::BTreeSet;

use crate::backup::blobs::Blobs;
use crate::backup::snapshot::{Kind, Snapshot};
use crate::document;
use crate::failure::chain;
use crate::history::PastRun;
use crate::layout::Layout;
use crate::redact::Secrets;

/// Larger files are no configuration.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Adds the words of the configuration that each run saved. Returns why some are not known.
pub(super) fn add(layout: &Layout, runs: &[PastRun], secrets: &mut Secrets) -> Vec<String> {
    let mut unknown = Vec::new();
    for run in runs {
        if let Err(why) = add_run(layout, run, secrets) {
            unknown.push(format!("run {}: {why}", run.id));
        }
    }
    unknown
}

fn add_run(layout: &Layout, run: &PastRun, secrets: &mut Secrets) -> Result<(), String> {
    let dir = layout.run(run.id);
    if dir.sealed().exists() {
        return Err("its backup is sealed".to_owned());
    }
    let backup = dir.backup();
    let mut saved: Vec<Snapshot> = Vec::new();
    for path in [backup.before(), backup.after()] {
        let found = document::read_if_present(&path).map_err(|error| chain(&error))?;
        saved.extend(found);
    }
    if saved.is_empty() {
        return Ok(());
    }
    let blobs = Blobs::open(&backup.blobs()).map_err(|error| chain(&error))?;
    let mut read = BTreeSet::new();
    for (path, entry) in saved.iter().flat_map(|state| &state.entries) {
        let Kind::File { size, sha256 } = &entry.kind else {
            continue;
        };
        if *size > FILE_MAX_BYTES || !is_configuration(run, path) || !read.insert(*sha256) {
            continue;
        }
        let bytes = blobs.load(sha256).map_err(|error| chain(&error))?;
        secrets.add_text(&String::from_utf8_lossy(&bytes));
    }
    Ok(())
}

/// Whether a component gets its settings from a file, or from one that rpm put beside it.
fn is_configuration(run: &PastRun, path: &str) -> bool {
    let changed = run.plan.components().flat_map(|planned| &planned.files);
    let named = run
        .plan
        .known_components()
        .flat_map(|component| component.config.iter().chain(&component.environment));
    let mut all = named.chain(changed);
    all.any(|known| path == known || path.strip_prefix(known.as_str()).is_some_and(is_beside))
}

fn is_beside(suffix: &str) -> bool {
    [".rpmsave", ".rpmnew", ".rpmorig", ".yours"].contains(&suffix)
}
