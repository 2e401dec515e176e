//! The differences between two packages of one component.

use std::collections::{BTreeMap, BTreeSet};

use manifests::bundle::{BundledRpm, LintFlag};
use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use manifests::package_files::{Dependency, PackageFiles, PackagedFile, Scriptlet};
use serde::Serialize;

use super::Side;

/// Longer scriptlets are not compared line by line.
const SCRIPT_MAX_BYTES: usize = 256 * 1024;

/// One component in both bundles.
#[derive(Debug, Default, Serialize)]
pub struct PackageDiff {
    /// The product's component.
    pub component: String,
    /// `same`, `added`, `removed`, `upgraded`, `downgraded`, `replaced` (same name and version, other
    /// bytes) or `renamed` (another package or architecture).
    pub change: &'static str,
    /// In the first bundle.
    pub a: Option<PackageId>,
    /// In the second bundle.
    pub b: Option<PackageId>,
    /// Config files whose default is another one, is new or is gone.
    pub configs: Vec<FileDiff>,
    /// Every file that differs, configs too.
    pub files: Vec<FileDiff>,
    /// Scripts that rpm runs as root.
    pub scriptlets: Vec<ScriptletDiff>,
    /// Capabilities needed by `b` alone.
    pub requires_added: Vec<String>,
    /// Capabilities needed by `a` alone.
    pub requires_removed: Vec<String>,
    /// Capabilities offered by `b` alone.
    pub provides_added: Vec<String>,
    /// Capabilities offered by `a` alone.
    pub provides_removed: Vec<String>,
    /// Entries of the change log that `b` alone has, newest first.
    pub changelog_added: Vec<LogEntry>,
    /// Entries that `a` alone has, as after a downgrade.
    pub changelog_removed: Vec<LogEntry>,
}

/// An RPM.
#[derive(Debug, Clone, Serialize)]
pub struct PackageId {
    /// The package.
    pub nevra: Nevra,
    /// The digest of the file.
    pub sha256: Sha256,
    /// The fingerprint of who signed it; nothing for an unsigned one.
    pub signer: Option<String>,
    /// What hosts may trip over.
    pub lint: Vec<LintFlag>,
}

/// A path that differs.
#[derive(Debug, Clone, Serialize)]
pub struct FileDiff {
    /// The path.
    pub path: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// Of a changed one: `content`, `mode`, `owner`, `link`, `flags`.
    pub what: Vec<&'static str>,
}

/// A scriptlet that differs.
#[derive(Debug, Serialize)]
pub struct ScriptletDiff {
    /// Such as `%post`.
    pub phase: String,
    /// `added`, `removed` or `changed`.
    pub change: &'static str,
    /// The interpreters, where they differ.
    pub interpreter: Option<(String, String)>,
    /// A unified diff of the texts; nothing if they are too long for one.
    pub diff: Option<String>,
}

/// An entry of a change log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Seconds since 1970.
    pub time: u64,
    /// Who wrote it, often with a version.
    pub author: String,
    /// The text.
    pub text: String,
}

/// Compares one component's packages; either may be missing.
pub(super) fn compare(
    component: &str,
    a: Option<(&Side, BundledRpm)>,
    b: Option<(&Side, BundledRpm)>,
) -> Option<PackageDiff> {
    let mut diff = PackageDiff {
        component: component.to_owned(),
        a: a.as_ref().map(|(_, rpm)| id(rpm)),
        b: b.as_ref().map(|(_, rpm)| id(rpm)),
        ..PackageDiff::default()
    };
    let ((a, old), (b, new)) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (None, None) => return None,
        (a, _) => {
            diff.change = if a.is_some() { "removed" } else { "added" };
            return Some(diff);
        }
    };
    diff.change = change(&old, &new);
    if old.sha256 == new.sha256 {
        return Some(diff);
    }
    if let (Some(before), Some(after)) = (a.files(&old.sha256), b.files(&new.sha256)) {
        fill(&mut diff, before, after);
    }
    (diff.changelog_added, diff.changelog_removed) = only(b.log(&new.sha256), a.log(&old.sha256));
    Some(diff)
}

fn id(rpm: &BundledRpm) -> PackageId {
    PackageId {
        nevra: rpm.nevra.clone(),
        sha256: rpm.sha256,
        signer: rpm.signer.clone(),
        lint: rpm.lint.clone(),
    }
}

fn change(old: &BundledRpm, new: &BundledRpm) -> &'static str {
    let (a, b) = (&old.nevra, &new.nevra);
    if old.sha256 == new.sha256 {
        "same"
    } else if a.name() != b.name() || a.arch() != b.arch() {
        "renamed"
    } else {
        match b.evr().cmp(a.evr()) {
            std::cmp::Ordering::Greater => "upgraded",
            std::cmp::Ordering::Less => "downgraded",
            std::cmp::Ordering::Equal => "replaced",
        }
    }
}

fn fill(diff: &mut PackageDiff, a: &PackageFiles, b: &PackageFiles) {
    let (old, new) = (by_path(a), by_path(b));
    let paths: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for path in paths {
        let (before, after) = (old.get(path).copied(), new.get(path).copied());
        let same_digests = a.digest_algorithm == b.digest_algorithm;
        let Some(file) = compare_file(path, before, after, same_digests) else {
            continue;
        };
        let is_config = before.is_some_and(|f| f.config) || after.is_some_and(|f| f.config);
        if is_config && (file.change != "changed" || file.what.contains(&"content")) {
            diff.configs.push(file.clone());
        }
        diff.files.push(file);
    }
    diff.scriptlets = scriptlets(&a.scriptlets, &b.scriptlets);
    (diff.requires_added, diff.requires_removed) = dependencies(&b.requires, &a.requires);
    (diff.provides_added, diff.provides_removed) = dependencies(&b.provides, &a.provides);
}

fn by_path(list: &PackageFiles) -> BTreeMap<&str, &PackagedFile> {
    list.files.iter().map(|f| (f.path.as_str(), f)).collect()
}

fn compare_file(
    path: &str,
    before: Option<&PackagedFile>,
    after: Option<&PackagedFile>,
    same_digests: bool,
) -> Option<FileDiff> {
    let (mut change, mut what) = ("changed", Vec::new());
    match (before, after) {
        (None, _) => change = "added",
        (_, None) => change = "removed",
        (Some(a), Some(b)) => {
            // Digests of two algorithms say nothing about each other.
            let content = a.digest != b.digest || (!same_digests && !a.digest.is_empty());
            let flags = (a.config, a.noreplace, a.ghost) != (b.config, b.noreplace, b.ghost);
            let aspects = [
                ("content", content),
                ("mode", a.mode != b.mode),
                ("owner", (&a.user, &a.group) != (&b.user, &b.group)),
                ("link", a.link != b.link),
                ("flags", flags),
            ];
            what.extend(aspects.iter().filter(|(_, is)| *is).map(|(name, _)| *name));
            if what.is_empty() {
                return None;
            }
        }
    }
    Some(FileDiff {
        path: path.to_owned(),
        change,
        what,
    })
}

/// A package can have several triggers of one kind: the n-th of a phase is compared with the n-th.
fn numbered(list: &[Scriptlet]) -> BTreeMap<(&str, usize), &Scriptlet> {
    let mut found: BTreeMap<(&str, usize), &Scriptlet> = BTreeMap::new();
    for script in list {
        let count = |(phase, _): &&(&str, usize)| *phase == script.phase;
        let number = found.keys().filter(count).count();
        found.insert((script.phase.as_str(), number), script);
    }
    found
}

fn scriptlets(a: &[Scriptlet], b: &[Scriptlet]) -> Vec<ScriptletDiff> {
    let (old, new) = (numbered(a), numbered(b));
    let keys: BTreeSet<&(&str, usize)> = old.keys().chain(new.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let (before, after) = (old.get(key).copied(), new.get(key).copied());
        if before == after {
            continue;
        }
        let body = |script: Option<&Scriptlet>| script.map_or(String::new(), |s| s.body.clone());
        let interpreter = before
            .zip(after)
            .filter(|(a, b)| a.interpreter != b.interpreter);
        found.push(ScriptletDiff {
            phase: key.0.to_owned(),
            change: match (before, after) {
                (None, _) => "added",
                (_, None) => "removed",
                _ => "changed",
            },
            interpreter: interpreter.map(|(a, b)| (a.interpreter.clone(), b.interpreter.clone())),
            diff: unified(&body(before), &body(after)),
        });
    }
    found
}

fn unified(a: &str, b: &str) -> Option<String> {
    let fits = a.len() <= SCRIPT_MAX_BYTES && b.len() <= SCRIPT_MAX_BYTES;
    fits.then(|| diffy::create_patch(a, b).to_string())
}

fn dependencies(b: &[Dependency], a: &[Dependency]) -> (Vec<String>, Vec<String>) {
    let text = |dependency: &Dependency| {
        let Dependency {
            name,
            comparison,
            version,
        } = dependency;
        format!("{name} {comparison} {version}")
            .trim_end()
            .to_owned()
    };
    let (b, a): (BTreeSet<String>, BTreeSet<String>) =
        (b.iter().map(text).collect(), a.iter().map(text).collect());
    let minus =
        |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
    (minus(&b, &a), minus(&a, &b))
}

fn only(b: &[LogEntry], a: &[LogEntry]) -> (Vec<LogEntry>, Vec<LogEntry>) {
    let minus = |one: &[LogEntry], other: &[LogEntry]| {
        let gone = one.iter().filter(|entry| !other.contains(entry));
        gone.cloned().collect()
    };
    (minus(b, a), minus(a, b))
}
