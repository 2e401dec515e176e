//! What a killed process leaves: the machine and every file below the root.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use installer::layout::Layout;

use super::disk;
use super::machine::Machine;

/// A file, directory or symlink.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Directory {
        mode: u32,
    },
    File {
        mode: u32,
        mtime: Duration,
        content: Arc<[u8]>,
    },
    Symlink {
        target: String,
    },
}

/// Contents that were read before, by inode, size and time of the last change: most files of an image
/// are those of the one before.
pub(crate) type Contents = HashMap<(u64, u64, i64), Arc<[u8]>>;

/// All paths below a root, as the host names them.
pub(crate) type Tree = BTreeMap<String, Node>;

/// A host at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) machine: Machine,
    tree: Tree,
    fingerprint: u64,
}

impl Image {
    pub(crate) fn take(
        layout: &Layout,
        machine: &Machine,
        name: String,
        known: &mut Contents,
    ) -> Self {
        let tree = tree(layout, |_| true, known);
        let mut hasher = DefaultHasher::new();
        tree.hash(&mut hasher);
        machine.fingerprint(layout).hash(&mut hasher);
        let mut machine = machine.clone();
        if let Some(rpm) = &mut machine.surviving {
            // An image must not keep the file open: that would hold the lock as long as the image.
            rpm.mark = None;
        }
        Self {
            name,
            machine,
            tree,
            fingerprint: hasher.finish(),
        }
    }

    /// Returns a number that differs between hosts that an installer could distinguish.
    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Builds the files below an empty root.
    pub(crate) fn unfold(&self, layout: &Layout) {
        for (path, node) in &self.tree {
            let at = layout.at(path);
            match node {
                Node::Directory { mode } => {
                    disk::make_dir(&at);
                    fs::set_permissions(&at, fs::Permissions::from_mode(*mode)).expect("ours");
                }
                Node::File {
                    mode,
                    mtime,
                    content,
                } => disk::write_in_place(&at, content, *mode, *mtime),
                Node::Symlink { target } => disk::symlink(target, &at),
            }
        }
    }
}

/// Reads everything below a root that `is_wanted` accepts. It is asked about a directory before its
/// entries, and a directory that it rejects is skipped whole.
pub(crate) fn tree(
    layout: &Layout,
    is_wanted: impl Fn(&str) -> bool,
    known: &mut Contents,
) -> Tree {
    let mut found = Tree::new();
    let mut open = vec![String::new()];
    while let Some(parent) = open.pop() {
        for name in disk::names(&layout.at(&parent)) {
            let path = format!("{parent}/{name}");
            if !is_wanted(&path) {
                continue;
            }
            let node = read(&layout.at(&path), known);
            if matches!(node, Node::Directory { .. }) {
                open.push(path.clone());
            }
            found.insert(path, node);
        }
    }
    found
}

fn read(path: &Path, known: &mut Contents) -> Node {
    let metadata = path.symlink_metadata().expect("just listed");
    let mode = metadata.mode() & 0o7777;
    if metadata.is_dir() {
        Node::Directory { mode }
    } else if metadata.is_symlink() {
        let target = fs::read_link(path).expect("just listed");
        let target = target.to_string_lossy().into_owned();
        Node::Symlink { target }
    } else {
        let stamp = (metadata.ino(), metadata.size(), metadata.ctime_nsec());
        let content = known
            .entry(stamp)
            .or_insert_with(|| disk::read(path).expect("just listed").into());
        let content = Arc::clone(content);
        let modified = metadata.modified().expect("a time");
        let mtime = modified.duration_since(UNIX_EPOCH).expect("after 1970");
        Node::File {
            mode,
            mtime,
            content,
        }
    }
}
