//! What differs between the contents of two packages. `bundle diff` and the review page show the same
//! comparison.

use std::collections::{BTreeMap, BTreeSet};

use manifests::package_files::{Dependency, PackageFiles, PackagedFile, Scriptlet};

/// Something that at least one of two packages has.
#[derive(Debug)]
pub(crate) struct Pair<'a, T> {
    pub(crate) before: Option<&'a T>,
    pub(crate) after: Option<&'a T>,
}

/// A file that differs.
#[derive(Debug)]
pub(crate) struct FileChange<'a> {
    pub(crate) path: &'a str,
    pub(crate) file: Pair<'a, PackagedFile>,
    /// Empty unless both packages have the file.
    pub(crate) aspects: Vec<Aspect>,
}

/// Whether contents can be compared: both packages have digests of one algorithm.
pub(crate) fn are_comparable(old: &PackageFiles, new: &PackageFiles) -> bool {
    old.digest_algorithm == new.digest_algorithm
}

/// What differs in a file: `content`, `mode`, `owner`, `size`, `link`, `capabilities` or `flags`.
#[derive(Debug)]
pub(crate) struct Aspect {
    pub(crate) name: &'static str,
    pub(crate) before: String,
    pub(crate) after: String,
}

impl<T> Pair<'_, T> {
    /// Returns `added`, `removed` or `changed`.
    pub(crate) const fn change(&self) -> &'static str {
        match (self.before, self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

fn paired<'a, K: Ord, T>(
    before: impl Iterator<Item = (K, &'a T)>,
    after: impl Iterator<Item = (K, &'a T)>,
) -> BTreeMap<K, Pair<'a, T>> {
    let one = |before| Pair {
        before: Some(before),
        after: None,
    };
    let mut pairs: BTreeMap<K, Pair<'a, T>> = before.map(|(key, b)| (key, one(b))).collect();
    for (key, value) in after {
        let new = Pair {
            before: None,
            after: None,
        };
        pairs.entry(key).or_insert(new).after = Some(value);
    }
    pairs
}

/// Returns the files that differ, by path.
pub(crate) fn files<'a>(old: &'a PackageFiles, new: &'a PackageFiles) -> Vec<FileChange<'a>> {
    let by_path = |list: &'a PackageFiles| list.files.iter().map(|f| (f.path.as_str(), f));
    let same_digests = are_comparable(old, new);
    let change = |(path, file): (&'a str, Pair<'a, PackagedFile>)| {
        let aspects = match file.before.zip(file.after) {
            Some((before, after)) => {
                let aspects = aspects(before, after, same_digests);
                (!aspects.is_empty()).then_some(aspects)?
            }
            None => Vec::new(),
        };
        Some(FileChange {
            path,
            file,
            aspects,
        })
    };
    let pairs = paired(by_path(old), by_path(new));
    pairs.into_iter().filter_map(change).collect()
}

type Text<'a> = &'a dyn Fn(&PackagedFile) -> String;

/// Digests of two algorithms cannot be compared: such content counts as changed.
fn aspects(old: &PackagedFile, new: &PackagedFile, same_digests: bool) -> Vec<Aspect> {
    let is_other = old.digest != new.digest || (!same_digests && !old.digest.is_empty());
    let mut aspects = Vec::new();
    let mut add = |name, before, after| {
        aspects.push(Aspect {
            name,
            before,
            after,
        });
    };
    if is_other {
        add("content", old.digest.clone(), new.digest.clone());
    }
    let size = |f: &PackagedFile| f.is_regular().then(|| format!("{} bytes", f.size));
    let texts: [(_, Text<'_>); 6] = [
        ("mode", &|f| mode(f.mode)),
        ("owner", &|f| format!("{}:{}", f.user, f.group)),
        ("size", &|f| size(f).unwrap_or_default()),
        ("link", &|f| f.link.clone()),
        ("capabilities", &|f| f.capabilities.clone()),
        ("flags", &flags),
    ];
    for (name, text) in texts {
        let (before, after) = (text(old), text(new));
        if before != after {
            add(name, before, after);
        }
    }
    aspects
}

fn flags(file: &PackagedFile) -> String {
    let config = match (file.config, file.noreplace) {
        (true, true) => "%config(noreplace)",
        (true, false) => "%config",
        _ => "plain",
    };
    match (file.ghost, file.config) {
        (true, true) => format!("%ghost {config}"),
        (true, false) => "%ghost".to_owned(),
        _ => config.to_owned(),
    }
}

/// Returns the scriptlets that differ, with their phases. A package can have several triggers of one
/// kind: the n-th of a phase is compared with the n-th.
pub(crate) fn scriptlets<'a>(
    old: &'a PackageFiles,
    new: &'a PackageFiles,
) -> Vec<(&'a str, Pair<'a, Scriptlet>)> {
    let numbered = |list: &'a PackageFiles| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        list.scriptlets.iter().map(move |script| {
            let count = counts.entry(&script.phase).or_default();
            *count += 1;
            ((script.phase.as_str(), *count), script)
        })
    };
    paired(numbered(old), numbered(new))
        .into_iter()
        .filter(|(_, pair)| pair.before != pair.after)
        .map(|((phase, _), pair)| (phase, pair))
        .collect()
}

/// Returns the dependencies that only `one` has, sorted.
pub(crate) fn only<'a>(one: &'a [Dependency], other: &'a [Dependency]) -> Vec<&'a Dependency> {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (one.iter().collect(), other.iter().collect());
    one.difference(&other).copied().collect()
}

/// Returns type and permissions as `ls` writes them.
pub(crate) fn mode(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_writes_them() {
        assert_eq!(mode(0o104_755), "-rwsr-xr-x");
        assert_eq!(mode(0o102_640), "-rw-r-S---");
        assert_eq!(mode(0o041_777), "drwxrwxrwt");
        assert_eq!(mode(0o120_777), "lrwxrwxrwx");
    }

    #[test]
    fn flags_are_written_as_in_a_spec_file() {
        let mut file = PackagedFile {
            path: "/etc/x".to_owned(),
            mode: 0o100_644,
            user: "root".to_owned(),
            group: "root".to_owned(),
            size: 1,
            digest: "aa".to_owned(),
            link: String::new(),
            capabilities: String::new(),
            config: false,
            noreplace: false,
            ghost: false,
        };
        assert_eq!(flags(&file), "plain");
        (file.config, file.noreplace) = (true, true);
        assert_eq!(flags(&file), "%config(noreplace)");
        file.ghost = true;
        assert_eq!(flags(&file), "%ghost %config(noreplace)");
        let capable = PackagedFile {
            capabilities: "cap_net_raw=ep".to_owned(),
            ..file.clone()
        };
        let names = |same| -> Vec<&str> {
            let found = aspects(&file, &capable, same);
            found.iter().map(|aspect| aspect.name).collect()
        };
        assert_eq!(names(true), ["capabilities"]);
        assert_eq!(
            names(false),
            ["content", "capabilities"],
            "other algorithms"
        );
    }
}
