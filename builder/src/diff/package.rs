//! The differences between two packages of one component.

use manifests::bundle::{BundledRpm, LintFlag};
use manifests::digest::Sha256;
use manifests::nevra::Nevra;
use manifests::package_files::{Dependency, PackageFiles, Scriptlet};
use serde::Serialize;

use super::Side;
use crate::evidence::compare::{self, FileChange, Pair};

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
    /// Of a changed one: `content`, `mode`, `owner`, `link`, `capabilities`, `flags`.
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
    let (before, after) = (a.log(&old.sha256), b.log(&new.sha256));
    diff.changelog_added = only(after, before);
    diff.changelog_removed = only(before, after);
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
    for FileChange {
        path,
        file,
        aspects,
    } in compare::files(a, b)
    {
        let change = file.change();
        // Another size is another content, which has its own name here.
        let names = aspects.iter().map(|aspect| aspect.name);
        let what: Vec<_> = names.filter(|name| *name != "size").collect();
        if change == "changed" && what.is_empty() {
            continue;
        }
        let is_config = [file.before, file.after].iter().flatten().any(|f| f.config);
        let new_default = change != "changed" || what.contains(&"content");
        let found = FileDiff {
            path: path.to_owned(),
            change,
            what,
        };
        if is_config && new_default {
            diff.configs.push(found.clone());
        }
        diff.files.push(found);
    }
    diff.scriptlets = scriptlets(a, b);
    let only = |one: &[Dependency], other: &[Dependency]| {
        let found = compare::only(one, other);
        found.iter().map(ToString::to_string).collect()
    };
    diff.requires_added = only(&b.requires, &a.requires);
    diff.requires_removed = only(&a.requires, &b.requires);
    diff.provides_added = only(&b.provides, &a.provides);
    diff.provides_removed = only(&a.provides, &b.provides);
}

fn scriptlets(a: &PackageFiles, b: &PackageFiles) -> Vec<ScriptletDiff> {
    let render = |(phase, pair): (&str, Pair<'_, Scriptlet>)| {
        let body = |script: Option<&Scriptlet>| script.map_or(String::new(), |s| s.body.clone());
        let both = pair.before.zip(pair.after);
        ScriptletDiff {
            phase: phase.to_owned(),
            change: pair.change(),
            interpreter: both
                .filter(|(a, b)| a.interpreter != b.interpreter)
                .map(|(a, b)| (a.interpreter.clone(), b.interpreter.clone())),
            diff: unified(&body(pair.before), &body(pair.after)),
        }
    };
    compare::scriptlets(a, b).into_iter().map(render).collect()
}

fn unified(a: &str, b: &str) -> Option<String> {
    let fits = a.len() <= SCRIPT_MAX_BYTES && b.len() <= SCRIPT_MAX_BYTES;
    fits.then(|| diffy::create_patch(a, b).to_string())
}

fn only(one: &[LogEntry], other: &[LogEntry]) -> Vec<LogEntry> {
    let gone = one.iter().filter(|entry| !other.contains(entry));
    gone.cloned().collect()
}
