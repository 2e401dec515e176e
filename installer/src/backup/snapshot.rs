//! A snapshot lists every path of the backed-up trees with its metadata and the digest of its
//! content.

use std::collections::BTreeMap;

use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};

use crate::document::Document;

/// The type a stored snapshot names.
pub const SNAPSHOT_TYPE: &str = "airgap-bundle/snapshot/1";

/// The state of the trees. Paths are those of the host, also below `--root`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always [`SNAPSHOT_TYPE`].
    #[serde(rename = "type")]
    pub document: String,
    /// The captured roots, including those that did not exist.
    pub roots: Vec<String>,
    /// Paths below the roots whose content is not part of the snapshot.
    pub excluded: Vec<String>,
    /// The entries by path. Capturing refuses names that are not UTF-8.
    pub entries: BTreeMap<String, Entry>,
}

impl Document for Snapshot {
    const TYPE: &'static str = SNAPSHOT_TYPE;
}

/// One path of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The kind of path.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time, seconds since 1970.
    pub mtime_secs: i64,
    /// Nanoseconds of the modification time.
    pub mtime_nanos: u32,
    /// Extended attributes (`SELinux` label, ACL, capabilities), values in hexadecimal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
}

/// The kinds of path that a backup distinguishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file, its content in the blobs.
    File {
        /// Size in bytes.
        size: u64,
        /// Digest of the content.
        sha256: Sha256,
    },
    /// A regular file of which only the metadata are kept, because its package provides the
    /// content.
    Program,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink {
        /// Its target.
        target: String,
    },
    /// A socket, pipe or device. It is recorded and not restored.
    Special,
}

impl Snapshot {
    /// Makes an empty snapshot of these roots.
    #[must_use]
    pub fn new(roots: Vec<String>, excluded: Vec<String>) -> Self {
        Self {
            document: SNAPSHOT_TYPE.to_owned(),
            roots,
            excluded,
            entries: BTreeMap::new(),
        }
    }

    /// Returns the part of the snapshot that lies in `roots`.
    #[must_use]
    pub fn restricted(&self, roots: &[String]) -> Self {
        let inside = |path: &String| is_inside(path, roots);
        let entries = self.entries.iter().filter(|(path, _)| inside(path));
        Self {
            roots: roots.to_vec(),
            entries: entries
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect(),
            ..self.clone()
        }
    }

    /// Returns the part of the snapshot that does not lie in `roots`.
    #[must_use]
    pub fn without(mut self, roots: &[String]) -> Self {
        self.entries.retain(|path, _| !is_inside(path, roots));
        self.roots.retain(|root| !is_inside(root, roots));
        self
    }

    /// Replaces the captured trees by a newer capture of them.
    pub fn replace(&mut self, newer: Self) {
        self.entries
            .retain(|path, _| !is_inside(path, &newer.roots));
        self.entries.extend(newer.entries);
        self.excluded.retain(|path| !is_inside(path, &newer.roots));
        self.excluded.extend(newer.excluded);
        for root in newer.roots {
            if !is_inside(&root, &self.roots) {
                self.roots.push(root);
            }
        }
    }

    /// Returns the size of all contents in bytes.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        let size = |entry: &Entry| {
            if let Kind::File { size, .. } = entry.kind {
                size
            } else {
                0
            }
        };
        self.entries.values().map(size).sum()
    }

    /// Returns the paths that differ. The modification times of directories do not count, because
    /// every write below a directory changes them.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths: std::collections::BTreeSet<&String> =
            self.entries.keys().chain(other.entries.keys()).collect();
        let same = |path: &&&String| match (self.entries.get(**path), other.entries.get(**path)) {
            (Some(a), Some(b)) => a.equals(b),
            _ => false,
        };
        paths
            .iter()
            .filter(|path| !same(path))
            .map(|path| (**path).clone())
            .collect()
    }
}

/// Whether a path is one of the roots or lies below one.
fn is_inside(path: &str, roots: &[String]) -> bool {
    roots.iter().any(|root| {
        path.strip_prefix(root.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

impl Entry {
    /// Whether two entries are equal. Modification times of directories and symlinks do not count.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let timeless = matches!(
            self.kind,
            Kind::Directory | Kind::Symlink { .. } | Kind::Special
        );
        let times = (self.mtime_secs, self.mtime_nanos) == (other.mtime_secs, other.mtime_nanos);
        self.kind == other.kind
            && (self.mode, self.uid, self.gid) == (other.mode, other.uid, other.gid)
            && self.xattrs == other.xattrs
            && (timeless || times)
    }
}
