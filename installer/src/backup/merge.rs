//! Computes what configuration should be after an undo: the state before the undone run, with the
//! edits that people made since. This is a three-way merge whose base is the state right after the
//! run.

use std::collections::{BTreeMap, BTreeSet};

use manifests::digest::Sha256;

use super::blobs::{BlobError, Blobs, TOO_LARGE};
use super::changes::{YOURS, carry_over};
use super::snapshot::{Entry, Kind, Snapshot};

/// The merged state, and the decisions that a report lists.
#[derive(Debug)]
pub struct Merged {
    /// What the trees should be. Every content is in the blobs.
    pub snapshot: Snapshot,
    /// Files that were edited since and that the run had not changed. They are kept.
    pub kept: Vec<String>,
    /// Files that were edited since and that the run had changed. Both merged without conflict.
    pub merged: Vec<String>,
    /// Files whose later edit does not fit into the state before the run. That state is restored,
    /// and the edit is beside it in `.yours`. The reason follows the path.
    pub beside: Vec<(String, String)>,
    /// Files as in `beside` whose edit cannot be put beside them. They are kept as they are.
    pub conflicts: Vec<String>,
}

/// The three states of a merge. The same blobs hold the contents of all three.
#[derive(Debug, Clone, Copy)]
pub struct ThreeWay<'a> {
    /// The state before the run that is undone.
    pub before: &'a Snapshot,
    /// The state right after that run.
    pub after: &'a Snapshot,
    /// The state now.
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
        beside: Vec::new(),
        conflicts: Vec::new(),
    };
    let mut edits = BTreeMap::new();
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
        } else {
            match merge_contents(old, base, own, blobs)? {
                Ok(entry) => {
                    merged.merged.push(path.clone());
                    Some(entry)
                }
                Err(why) if can_be_beside(path, old, own, current) => {
                    merged.beside.push((path.clone(), why));
                    edits.extend(own.map(|own| (format!("{path}{YOURS}"), own.clone())));
                    old.cloned()
                }
                Err(_) => {
                    merged.conflicts.push(path.clone());
                    own.cloned()
                }
            }
        };
        if let Some(entry) = chosen {
            merged.snapshot.entries.insert(path.clone(), entry);
        }
    }
    merged.snapshot.entries.extend(edits);
    Ok(merged)
}

/// Whether an edit can be put beside the file from before the run. Both must be files. The name for
/// the edit must be free, or be that of a file or symlink in a captured tree.
fn can_be_beside(path: &str, old: Option<&Entry>, own: Option<&Entry>, current: &Snapshot) -> bool {
    let is_file = |entry: &Entry| matches!(entry.kind, Kind::File { .. });
    let aside = format!("{path}{YOURS}");
    let is_below = |root: &String| aside == *root || aside.starts_with(&format!("{root}/"));
    let is_free = current
        .entries
        .get(&aside)
        .is_none_or(|entry| matches!(entry.kind, Kind::File { .. } | Kind::Symlink { .. }));
    old.is_some_and(is_file)
        && own.is_some_and(is_file)
        && is_free
        && current.roots.iter().any(is_below)
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
            // Packages provide programs, so the installed program is the right one.
            a.equals(b) || (a.kind == Kind::Program && b.kind == Kind::Program)
        }
        _ => false,
    }
}

/// Merges three texts, or returns why that is impossible. Owner and mode stay those of today.
fn merge_contents(
    old: Option<&Entry>,
    base: Option<&Entry>,
    own: Option<&Entry>,
    blobs: &Blobs,
) -> Result<Result<Entry, String>, BlobError> {
    let mut contents = Vec::new();
    for entry in [old, base, own] {
        let Some(Kind::File { sha256, .. }) = entry.map(|entry| &entry.kind) else {
            return Ok(Err("it is not a regular file".to_owned()));
        };
        let Some(text) = blobs.load_text(sha256)? else {
            return Ok(Err(TOO_LARGE.to_owned()));
        };
        contents.push(text);
    }
    let (Some(own), [before, after, now]) = (own, contents.as_slice()) else {
        return Ok(Err("it is not a regular file".to_owned()));
    };
    let result = match carry_over(after, now, before) {
        Ok(result) => result,
        Err(why) => return Ok(Err(why)),
    };
    let sha256 = Sha256::of(result.as_bytes());
    blobs.put(&sha256, result.as_bytes())?;
    let kind = Kind::File {
        size: result.len() as u64,
        sha256,
    };
    Ok(Ok(Entry {
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
        assert_eq!(case.text(&merged, "/p/clash").unwrap(), "old\n");
        assert_eq!(case.text(&merged, "/p/clash.yours").unwrap(), "mine\n");
        assert_eq!(case.text(&merged, "/p/later").unwrap(), "l");
        assert_eq!(merged.kept, ["/p/later", "/p/own"]);
        assert_eq!(
            (merged.merged, merged.conflicts),
            (vec!["/p/both".into()], Vec::new())
        );
        let (path, why) = &merged.beside[0];
        assert_eq!(path, "/p/clash");
        assert!(why.contains("same lines"), "{why}");
    }

    #[test]
    fn an_undo_never_writes_json_with_a_member_twice() {
        let case = Case::new();
        let after = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3,\n  \"d\": 4\n}\n";
        let before = after.replace("\"d\": 4\n", "\"d\": 4,\n  \"new\": 2\n");
        let edited = after.replace("{\n", "{\n  \"new\": 1,\n");
        let merged = case.merge(
            &[("/p/tyk.conf", &before)],
            &[("/p/tyk.conf", after)],
            &[("/p/tyk.conf", &edited)],
        );
        assert_eq!(case.text(&merged, "/p/tyk.conf").unwrap(), before);
        assert_eq!(case.text(&merged, "/p/tyk.conf.yours").unwrap(), edited);
    }

    /// H-25: each of three contents was read into memory, of whatever size.
    #[test]
    fn a_file_that_is_too_large_to_merge_is_put_beside() {
        let case = Case::new();
        let large = "x\n".repeat(5 << 20);
        let merged = case.merge(
            &[("/p/f", "old\n")],
            &[("/p/f", "new\n")],
            &[("/p/f", &large)],
        );
        assert_eq!(merged.beside, [("/p/f".to_owned(), TOO_LARGE.to_owned())]);
        let kept = merged.snapshot.entries.get("/p/f.yours").unwrap();
        assert!(matches!(kept.kind, Kind::File { size, .. } if size == 10 << 20));
    }
}
