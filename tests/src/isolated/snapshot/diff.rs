//! The difference of two snapshots, for a person to read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{FileState, Snapshot};

impl Snapshot {
    /// Returns, line by line, how `later` differs from this one; nothing when they agree.
    #[must_use]
    pub fn diff(&self, later: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        diff_maps(&self.files, &later.files, &mut lines, |path, was, is| {
            format!("{}: {}", path.display(), changes(was, is).join(", "))
        });
        diff_lines("package", &self.packages, &later.packages, &mut lines);
        diff_lines("rpm -V", &self.verify, &later.verify, &mut lines);
        diff_maps(&self.units, &later.units, &mut lines, |unit, was, is| {
            format!("unit {unit}: {was} -> {is}")
        });
        lines
    }

    /// As [`Snapshot::diff`], leaving out the paths under `prefixes`.
    #[must_use]
    pub fn diff_except(&self, later: &Self, prefixes: &[&str]) -> Vec<String> {
        self.without(prefixes).diff(&later.without(prefixes))
    }

    fn without(&self, prefixes: &[&str]) -> Self {
        let mut kept = self.clone();
        kept.files
            .retain(|path, _| !prefixes.iter().any(|prefix| path.starts_with(prefix)));
        kept
    }
}

fn changes(was: &FileState, is: &FileState) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |what: &str, was: String, is: String| {
        if was != is {
            changes.push(format!("{what} {was} -> {is}"));
        }
    };
    note("kind", was.kind.to_owned(), is.kind.to_owned());
    note(
        "mode",
        format!("{:04o}", was.mode),
        format!("{:04o}", is.mode),
    );
    note(
        "owner",
        format!("{}:{}", was.uid, was.gid),
        format!("{}:{}", is.uid, is.gid),
    );
    note("content", content(was), content(is));
    note("mtime", mtime(was), mtime(is));
    changes
}

fn content(state: &FileState) -> String {
    state.content.clone().unwrap_or_else(|| "none".to_owned())
}

fn mtime(state: &FileState) -> String {
    state.mtime.map_or_else(
        || "none".to_owned(),
        |(seconds, nanoseconds)| format!("{seconds}.{nanoseconds:09}"),
    )
}

fn diff_maps<K: Ord + Describe, V: PartialEq + Display>(
    was: &BTreeMap<K, V>,
    is: &BTreeMap<K, V>,
    lines: &mut Vec<String>,
    changed: impl Fn(&K, &V, &V) -> String,
) {
    let keys: BTreeSet<&K> = was.keys().chain(is.keys()).collect();
    for key in keys {
        match (was.get(key), is.get(key)) {
            (Some(was), None) => lines.push(format!("{}: gone (was {was})", key.describe())),
            (None, Some(is)) => lines.push(format!("{}: new ({is})", key.describe())),
            (Some(was), Some(is)) if was != is => lines.push(changed(key, was, is)),
            _ => {}
        }
    }
}

/// Lines as a multiset: a package that is installed twice is two lines.
fn diff_lines<'a>(
    what: &str,
    was: impl IntoIterator<Item = &'a String>,
    is: impl IntoIterator<Item = &'a String>,
    lines: &mut Vec<String>,
) {
    let mut count: BTreeMap<&str, i32> = BTreeMap::new();
    was.into_iter()
        .for_each(|line| *count.entry(line).or_default() -= 1);
    is.into_iter()
        .for_each(|line| *count.entry(line).or_default() += 1);
    for (line, surplus) in count {
        match surplus {
            0 => {}
            1.. => lines.push(format!("{what} new: {line}")),
            _ => lines.push(format!("{what} gone: {line}")),
        }
    }
}

trait Describe {
    fn describe(&self) -> String;
}

impl Describe for std::path::PathBuf {
    fn describe(&self) -> String {
        self.display().to_string()
    }
}

impl Describe for String {
    fn describe(&self) -> String {
        format!("unit {self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        let file = FileState {
            kind: "file",
            mode: 0o660,
            uid: 0,
            gid: 0,
            mtime: Some((1, 0)),
            content: Some("aa".to_owned()),
        };
        Snapshot {
            files: [("/opt/x".into(), file)].into(),
            packages: vec!["x-0:1-1.noarch 5".to_owned()],
            verify: BTreeSet::new(),
            units: [("x.service".to_owned(), "loaded active".to_owned())].into(),
        }
    }

    #[test]
    fn equal_snapshots_have_no_difference() {
        assert!(snapshot().diff(&snapshot()).is_empty());
    }

    #[test]
    fn names_every_change() {
        let mut later = snapshot();
        later.packages.push("x-0:1-1.noarch 5".to_owned());
        later.units.clear();
        let file = later.files.values_mut().next().unwrap();
        file.mode = 0o600;
        file.content = Some("bb".to_owned());
        assert_eq!(
            snapshot().diff(&later),
            [
                "/opt/x: mode 0660 -> 0600, content aa -> bb",
                "package new: x-0:1-1.noarch 5",
                "unit x.service: gone (was loaded active)",
            ]
        );
        assert_eq!(snapshot().diff_except(&later, &["/opt"]).len(), 2);
    }
}
