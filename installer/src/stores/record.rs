//! What a run records about its dumps: a document beside them.

use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use manifests::product::Engine;
use serde::{Deserialize, Serialize};

use crate::document::Document;

/// The type a stored list of dumps names.
pub const DUMPS_TYPE: &str = "airgap-bundle/dumps/1";

/// The dumps in a directory: `<store>/<part>`, beside it this document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dumps {
    /// Always [`DUMPS_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// One for each store.
    pub stores: Vec<StoreDump>,
    /// Where their files are, if not beside this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<PathBuf>,
}

impl Default for Dumps {
    fn default() -> Self {
        Self {
            document: DUMPS_TYPE.to_owned(),
            stores: Vec::new(),
            elsewhere: None,
        }
    }
}

impl Document for Dumps {
    const TYPE: &'static str = DUMPS_TYPE;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreDump {
    /// The store's name.
    pub name: String,
    /// What it is, for people.
    pub title: String,
    /// Which kind.
    pub engine: Engine,
    /// Where it was, without secrets.
    pub endpoint: String,
    /// When the dump was begun, seconds since 1970.
    pub taken: u64,
    /// The server's version.
    pub server: String,
    /// How many keys, tables or collections it holds, as far as the proof counted them.
    pub items: Option<u64>,
    /// How many bytes the server kept for these data when they were dumped, if it reported that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_bytes: Option<u64>,
    /// How long the dump and its proof took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Tables or collections whose data it does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Its files, in order.
    pub parts: Vec<DumpFile>,
}

/// A file of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpFile {
    /// Its name in the store's directory.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl Dumps {
    /// Returns the dump of a store.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&StoreDump> {
        self.stores.iter().find(|dump| dump.name == name)
    }

    /// Returns the directory of the files, if those of an unmoved list are in `own`.
    #[must_use]
    pub fn files<'a>(&'a self, own: &'a Path) -> &'a Path {
        self.elsewhere.as_deref().unwrap_or(own)
    }

    /// Adds a dump. It replaces an earlier one of the same store.
    pub fn add(&mut self, dump: StoreDump) {
        self.stores.retain(|known| known.name != dump.name);
        self.stores.push(dump);
    }
}

impl StoreDump {
    /// Returns its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// Returns where a part is, in a directory of dumps.
    #[must_use]
    pub fn path(&self, dumps: &Path, part: &str) -> PathBuf {
        dumps.join(&self.name).join(part)
    }
}

/// Whether a word can name a store or a part: a plain file name.
#[must_use]
pub fn is_name(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.len() <= 128
        && word.chars().all(is_plain)
}
