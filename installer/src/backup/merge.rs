//! What configuration should be after an undo: the state before the undone run, with the edits
//! that people made since. A three-way merge in which the state right after the run is the base.

use std::collections::BTreeSet;

use manifests::digest::Sha256;

use super::blobs::{BlobError, Blobs};
use super::snapshot::{Entry, Kind, Snapshot};

/// The merged state, and what a person should know of it.
#[derive(Debug)]
pub struct Merged {
    /// What the trees should be; every content is in the blobs.
    pub snapshot: Snapshot,
    /// Edited since, untouched by the run: kept as they are.
    pub kept: Vec<String>,
    /// Edited since and changed by the run: merged cleanly.
    pub merged: Vec<String>,
    /// Edited since and changed by the run in the same places: kept as they are.
    pub conflicts: Vec<String>,
}

/// The three states of a merge. Contents of all of them are in the same blobs.
#[derive(Debug, Clone, Copy)]
pub struct ThreeWay<'a> {
    /// Before the run that is undone.
    pub before: &'a Snapshot,
    /// Right after it.
    pub after: &'a Snapshot,
    /// Now.
    pub current: &'a Snapshot,
}

/// Merges the three states path by path.
pub fn merge(states: ThreeWay<'_>, blobs: &Blobs) -> Result<Merged, BlobError> {
    let ThreeWay {
        before,
        after,
        current,
    } = states;
    let mut merged = Merged {
        snapshot: Snapshot::new(union(states), current.excluded.clone()),
        kept: Vec::new(),
        merged: Vec::new(),
        conflicts: Vec::new(),
    };
    let paths: BTreeSet<&String> = before
        .entries
        .keys()
        .chain(current.entries.keys())
        .collect();
    for path in paths {
        let (old, base, own) = (
            before.entries.get(path),
            after.entries.get(path),
            current.entries.get(path),
        );
        let chosen = if same(own, base) || same(own, old) {
            old.cloned()
        } else if same(old, base) {
            merged.kept.push(path.clone());
            own.cloned()
        } else if let Some(entry) = merge_contents(old, base, own, blobs)? {
            merged.merged.push(path.clone());
            Some(entry)
        } else {
            merged.conflicts.push(path.clone());
            own.cloned()
        };
        if let Some(entry) = chosen {
            merged.snapshot.entries.insert(path.clone(), entry);
        }
    }
    Ok(merged)
}

fn union(states: ThreeWay<'_>) -> Vec<String> {
    let roots = [states.before, states.after, states.current].map(|state| &state.roots);
    let all: BTreeSet<&String> = roots.into_iter().flatten().collect();
    let below = |path: &&String| all.iter().any(|root| path.starts_with(&format!("{root}/")));
    all.iter()
        .filter(|path| !below(path))
        .map(|path| (*path).clone())
        .collect()
}

fn same(a: Option<&Entry>, b: Option<&Entry>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            // Programs come from packages: whatever is installed is right.
            a.equals(b) || (a.kind == Kind::Program && b.kind == Kind::Program)
        }
        _ => false,
    }
}

/// Merges three texts; the owner and mode are those of today.
fn merge_contents(
    old: Option<&Entry>,
    base: Option<&Entry>,
    own: Option<&Entry>,
    blobs: &Blobs,
) -> Result<Option<Entry>, BlobError> {
    let mut texts = Vec::new();
    for entry in [old, base, own] {
        let Some(Kind::File { sha256, .. }) = entry.map(|entry| &entry.kind) else {
            return Ok(None);
        };
        let Ok(text) = String::from_utf8(blobs.load(sha256)?) else {
            return Ok(None);
        };
        texts.push(text);
    }
    let (Some(own), [old_text, base_text, own_text]) = (own, texts.as_slice()) else {
        return Ok(None);
    };
    let Ok(result) = diffy::merge(base_text, own_text, old_text) else {
        return Ok(None);
    };
    let sha256 = Sha256::of(result.as_bytes());
    blobs.put(&sha256, result.as_bytes())?;
    let kind = Kind::File {
        size: result.len() as u64,
        sha256,
    };
    Ok(Some(Entry {
        kind,
        ..own.clone()
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Case {
        _dir: tempfile::TempDir,
        blobs: Blobs,
    }

    impl Case {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
            Self { _dir: dir, blobs }
        }

        fn state(&self, files: &[(&str, &str)]) -> Snapshot {
            let mut snapshot = Snapshot::new(vec!["/p".to_owned()], Vec::new());
            for (path, text) in files {
                let sha256 = Sha256::of(text.as_bytes());
                self.blobs.put(&sha256, text.as_bytes()).unwrap();
                let kind = Kind::File {
                    size: text.len() as u64,
                    sha256,
                };
                let xattrs = BTreeMap::new();
                let entry = Entry {
                    kind,
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    mtime_secs: 0,
                    mtime_nanos: 0,
                    xattrs,
                };
                snapshot.entries.insert((*path).to_owned(), entry);
            }
            snapshot
        }

        fn merge(
            &self,
            before: &[(&str, &str)],
            after: &[(&str, &str)],
            now: &[(&str, &str)],
        ) -> Merged {
            let (before, after, current) = (self.state(before), self.state(after), self.state(now));
            merge(
                ThreeWay {
                    before: &before,
                    after: &after,
                    current: &current,
                },
                &self.blobs,
            )
            .unwrap()
        }

        fn text(&self, merged: &Merged, path: &str) -> Option<String> {
            let Kind::File { sha256, .. } = &merged.snapshot.entries.get(path)?.kind else {
                return None;
            };
            Some(String::from_utf8(self.blobs.load(sha256).unwrap()).unwrap())
        }
    }

    #[test]
    fn without_later_edits_everything_goes_back() {
        let case = Case::new();
        let merged = case.merge(
            &[("/p/a", "1"), ("/p/gone", "g")],
            &[("/p/a", "2"), ("/p/new", "n")],
            &[("/p/a", "2"), ("/p/new", "n")],
        );
        assert_eq!(case.text(&merged, "/p/a").unwrap(), "1");
        assert_eq!(case.text(&merged, "/p/gone").unwrap(), "g");
        assert!(case.text(&merged, "/p/new").is_none());
        assert!(merged.kept.is_empty() && merged.conflicts.is_empty());
    }

    #[test]
    fn later_edits_are_kept_merged_or_named() {
        let case = Case::new();
        let merged = case.merge(
            &[
                ("/p/own", "x"),
                ("/p/both", "a\nb\nc\nd\nold\n"),
                ("/p/clash", "old\n"),
            ],
            &[
                ("/p/own", "x"),
                ("/p/both", "a\nb\nc\nd\nnew\n"),
                ("/p/clash", "new\n"),
            ],
            &[
                ("/p/own", "y"),
                ("/p/both", "A\nb\nc\nd\nnew\n"),
                ("/p/clash", "mine\n"),
                ("/p/later", "l"),
            ],
        );
        assert_eq!(case.text(&merged, "/p/own").unwrap(), "y");
        assert_eq!(case.text(&merged, "/p/both").unwrap(), "A\nb\nc\nd\nold\n");
        assert_eq!(case.text(&merged, "/p/clash").unwrap(), "mine\n");
        assert_eq!(case.text(&merged, "/p/later").unwrap(), "l");
        assert_eq!(merged.kept, ["/p/later", "/p/own"]);
        assert_eq!(
            (merged.merged, merged.conflicts),
            (vec!["/p/both".into()], vec!["/p/clash".into()])
        );
    }
}
