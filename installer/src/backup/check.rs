//! Checks whether a backup is complete: reads every byte that its documents name and compares it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use manifests::digest::{Sha256, of_reader};
use walkdir::WalkDir;

use super::snapshot::{Kind, Snapshot};
use crate::backup::seal::{self, Unlocked};
use crate::document::{self, Document};
use crate::failure::chain;
use crate::layout::BackupDir;
use crate::secure_fs;
use crate::stores::record::Dumps;

/// The result of a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Undamaged files.
    pub files: u64,
    /// Their sizes.
    pub bytes: u64,
    /// What is missing or different.
    pub troubles: Vec<String>,
}

/// The contents of a backup by path. Documents are kept in memory. Other files are only hashed,
/// because a dump may be larger than the memory.
#[derive(Debug, Default)]
pub(crate) struct Held {
    documents: BTreeMap<String, Vec<u8>>,
    contents: BTreeMap<String, (u64, Sha256)>,
}

impl Held {
    /// Adds one file.
    pub(crate) fn add(&mut self, name: &str, mut content: impl Read) -> std::io::Result<()> {
        if !name.contains('/') {
            let mut bytes = Vec::new();
            content.take(document::MAX_BYTES).read_to_end(&mut bytes)?;
            self.documents.insert(name.to_owned(), bytes);
            return Ok(());
        }
        self.contents
            .insert(name.to_owned(), of_reader(&mut content)?);
        Ok(())
    }

    fn document<D: Document>(&self, name: &str, checked: &mut Checked) -> Option<D> {
        let bytes = self.documents.get(name)?;
        let read = document::parse(Path::new(name), bytes);
        read.map_err(|error| checked.troubles.push(chain(&error)))
            .ok()
    }

    fn expect(&self, name: &str, size: u64, sha256: &Sha256, checked: &mut Checked) {
        match self.contents.get(name) {
            Some((found, digest)) if (*found, digest) == (size, sha256) => {
                checked.files += 1;
                checked.bytes += size;
            }
            Some(_) => checked.troubles.push(format!("{name} was changed")),
            None => checked.troubles.push(format!("{name} is missing")),
        }
    }

    fn judge(&self) -> Checked {
        let mut checked = Checked::default();
        let [before, _] = BackupDir::SNAPSHOTS;
        if !self.documents.contains_key(before) {
            checked.troubles.push(format!("{before} is missing"));
        }
        for name in BackupDir::SNAPSHOTS {
            let snapshot: Option<Snapshot> = self.document(name, &mut checked);
            for entry in snapshot
                .iter()
                .flat_map(|snapshot| snapshot.entries.values())
            {
                if let Kind::File { size, sha256 } = &entry.kind {
                    self.expect(
                        &format!("{}/{sha256}", BackupDir::BLOBS),
                        *size,
                        sha256,
                        &mut checked,
                    );
                }
            }
        }
        for dir in BackupDir::DUMPS {
            let dumps: Option<Dumps> = self.document(&format!("{dir}.json"), &mut checked);
            for dump in dumps.iter().flat_map(|dumps| &dumps.stores) {
                for part in &dump.parts {
                    let name = format!("{dir}/{}/{}", dump.name, part.name);
                    self.expect(&name, part.size, &part.sha256, &mut checked);
                }
            }
        }
        checked
    }
}

/// Checks a plain or unsealed backup.
#[must_use]
pub fn plain(dir: &Path) -> Checked {
    let mut held = Held::default();
    let mut troubles = Vec::new();
    add_below(&mut held, dir, "", &mut troubles);
    // The run may have put its dumps elsewhere.
    for name in BackupDir::DUMPS {
        let mut known = Checked::default();
        let dumps: Option<Dumps> = held.document(&format!("{name}.json"), &mut known);
        if let Some(elsewhere) = dumps.and_then(|dumps| dumps.elsewhere) {
            add_below(&mut held, &elsewhere, &format!("{name}/"), &mut troubles);
        }
    }
    let mut checked = held.judge();
    checked.troubles.extend(troubles);
    checked
}

fn add_below(held: &mut Held, dir: &Path, prefix: &str, troubles: &mut Vec<String>) {
    for found in WalkDir::new(dir) {
        let found = match found {
            Ok(found) if found.file_type().is_file() => found,
            Ok(_) => continue,
            Err(error) => {
                troubles.push(error.to_string());
                continue;
            }
        };
        let name = found.path().strip_prefix(dir).unwrap_or(found.path());
        let name = format!("{prefix}{}", name.to_string_lossy());
        let read = secure_fs::open_read(found.path())
            .map_err(|error| chain(&error))
            .and_then(|file| {
                held.add(&name, file)
                    .map_err(|error| format!("{name}: {error}"))
            });
        troubles.extend(read.err());
    }
}

/// Checks a sealed backup without writing a byte of it.
#[must_use]
pub fn sealed(unlocked: Unlocked) -> Checked {
    let mut held = Held::default();
    let read = seal::each_file(unlocked, &mut |name, content| held.add(name, content));
    let mut checked = held.judge();
    checked.troubles.extend(read.err());
    checked
}
