//! What each target changes against each previous version that the bundle carries.

use manifests::bundle::{Role, Use};
use manifests::package_files::{Dependency, PackageFiles, PackagedFile, Scriptlet};
use serde::Serialize;

use super::ROWS_MAX;
use super::diff::{self, Line};
use super::shown::{Shown, size};
use crate::evidence::compare::{self, Aspect, Pair, mode};
use crate::evidence::{Facts, Part};

/// One step from a previous package to a target.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) component: Shown,
    pub(super) from: Shown,
    pub(super) to: Shown,
    pub(super) hosts: Vec<Shown>,
    /// Size of the RPM, then of the files it installs: before and after.
    pub(super) package_sizes: (Shown, Shown),
    pub(super) installed_sizes: (Shown, Shown),
    /// Licence, vendor, signer and such, where they differ.
    pub(super) identity: Vec<Statement>,
    pub(super) added: List,
    pub(super) removed: List,
    pub(super) changed: List,
    pub(super) config: List,
    pub(super) scriptlets: Vec<ScriptletChange>,
    pub(super) dependencies: Vec<Delta>,
}

/// A statement about a package that is another one now.
#[derive(Debug, Serialize)]
pub(super) struct Statement {
    pub(super) name: &'static str,
    pub(super) before: Shown,
    pub(super) after: Shown,
}

/// Paths, as many as a page can hold.
#[derive(Debug, Default, Serialize)]
pub(super) struct List {
    pub(super) rows: Vec<FileRow>,
    pub(super) more: usize,
    pub(super) count: usize,
}

/// A path and a remark about it.
#[derive(Debug, Serialize)]
pub(super) struct FileRow {
    pub(super) path: Shown,
    pub(super) detail: Shown,
}

/// A scriptlet that is not what it was.
#[derive(Debug, Serialize)]
pub(super) struct ScriptletChange {
    pub(super) phase: Shown,
    pub(super) how: &'static str,
    /// Who ran it and who runs it, if that changed.
    pub(super) interpreters: Option<(Shown, Shown)>,
    pub(super) lines: Vec<Line>,
}

/// Dependencies of one kind that came or went.
#[derive(Debug, Serialize)]
pub(super) struct Delta {
    pub(super) name: &'static str,
    pub(super) added: Vec<Shown>,
    pub(super) removed: Vec<Shown>,
}

/// Compares every target with every previous package of its component, newest first.
pub(super) fn all(facts: &Facts<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for to in facts.parts.iter().filter(|part| part.is_target()) {
        let mut earlier: Vec<(&Part<'_>, Vec<&Use>)> = facts
            .parts
            .iter()
            .map(|from| (from, hosts(from, to)))
            .filter(|(_, hosts)| !hosts.is_empty())
            .collect();
        earlier.sort_by(|a, b| b.0.rpm.nevra.evr().cmp(a.0.rpm.nevra.evr()));
        for (from, hosts) in earlier {
            let id = format!("change-{}", changes.len() + 1);
            changes.push(change(id, from, to, &hosts));
        }
    }
    changes
}

/// Where `from` is replaced by `to`.
fn hosts<'a>(from: &Part<'_>, to: &'a Part<'_>) -> Vec<&'a Use> {
    let is_renewed = from.rpm.nevra.name() == to.rpm.nevra.name();
    let replaced = |target: &&Use| {
        from.rpm.uses.iter().any(|previous| {
            let corresponds = match (previous.role, target.role) {
                (Role::Previous, Role::Target) => previous.component == target.component,
                (Role::PreviousDependency, Role::Dependency) => is_renewed,
                _ => false,
            };
            corresponds && previous.distro == target.distro && previous.arch == target.arch
        })
    };
    to.rpm.uses.iter().filter(replaced).collect()
}

fn change(id: String, from: &Part<'_>, to: &Part<'_>, hosts: &[&Use]) -> Change {
    let (old, new) = (from.files, to.files);
    let files = Files::compare(old, new);
    let component = hosts.first().map_or("", |purpose| &purpose.component);
    Change {
        id,
        component: Shown::new(component),
        from: Shown::new(&from.rpm.nevra),
        to: Shown::new(&to.rpm.nevra),
        hosts: hosts
            .iter()
            .map(|u| Shown::new(&format!("{} {}", u.distro, u.arch)))
            .collect(),
        package_sizes: (size(from.size()), size(to.size())),
        installed_sizes: (size(old.installed_bytes), size(new.installed_bytes)),
        identity: identity(from, to),
        added: files.added,
        removed: files.removed,
        changed: files.changed,
        config: files.config,
        scriptlets: scriptlets(old, new),
        dependencies: dependencies(old, new),
    }
}

fn identity(from: &Part<'_>, to: &Part<'_>) -> Vec<Statement> {
    let signer = |part: &Part<'_>| part.rpm.signer.clone().unwrap_or("no key".to_owned());
    let (old, new) = (&from.files.about, &to.files.about);
    [
        ("Signed by", signer(from), signer(to)),
        ("Licence", old.licence.clone(), new.licence.clone()),
        ("Vendor", old.vendor.clone(), new.vendor.clone()),
        ("Web page", old.url.clone(), new.url.clone()),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(name, before, after)| Statement {
        name,
        before: Shown::new(&before),
        after: Shown::new(&after),
    })
    .collect()
}

#[derive(Default)]
struct Files {
    added: List,
    removed: List,
    changed: List,
    config: List,
}

impl Files {
    fn compare(old: &PackageFiles, new: &PackageFiles) -> Self {
        let mut found = Self::default();
        let is_content = |aspect: &Aspect| aspect.name == "content";
        for mut change in compare::files(old, new) {
            if change.file.before.is_some() && change.file.after.is_some() {
                // The page must not call a default changed that may be the same.
                let keep = compare::are_comparable(old, new);
                change.aspects.retain(|aspect| keep || !is_content(aspect));
                if change.aspects.is_empty() {
                    continue;
                }
            }
            let path = change.path;
            match (change.file.before, change.file.after) {
                (Some(file), None) => {
                    found.removed.add(path, &described(file));
                    found.note_config(path, file, "no longer part of the package");
                }
                (None, Some(file)) => {
                    found.added.add(path, &described(file));
                    found.note_config(path, file, "new configuration file");
                }
                (_, file) => {
                    found.changed.add(path, &differences(&change.aspects));
                    if let Some(file) = file.filter(|_| change.aspects.iter().any(is_content)) {
                        found.note_config(path, file, "its default changed");
                    }
                }
            }
        }
        found
    }

    fn note_config(&mut self, path: &str, file: &PackagedFile, what: &str) {
        if !file.config {
            return;
        }
        let rule = if file.noreplace {
            "an edited file is kept, the new default lies beside it as .rpmnew"
        } else {
            "an edited file is moved to .rpmsave and replaced"
        };
        self.config.add(path, &format!("{what}; {rule}"));
    }
}

impl List {
    fn add(&mut self, path: &str, detail: &str) {
        self.count += 1;
        if self.rows.len() < ROWS_MAX {
            let (path, detail) = (Shown::new(path), Shown::new(detail));
            self.rows.push(FileRow { path, detail });
        } else {
            self.more += 1;
        }
    }
}

fn described(file: &PackagedFile) -> String {
    let mut text = format!("{} {}:{}", mode(file.mode), file.user, file.group);
    if !file.link.is_empty() {
        text += &format!(" \u{2192} {}", file.link);
    } else if file.is_regular() {
        text += &format!(", {} bytes", file.size);
    }
    text
}

fn differences(aspects: &[Aspect]) -> String {
    let texts = aspects.iter().map(|aspect| match aspect.name {
        "content" => "content".to_owned(),
        _ => format!("{} \u{2192} {}", aspect.before, aspect.after),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn scriptlets(old: &PackageFiles, new: &PackageFiles) -> Vec<ScriptletChange> {
    let render = |(phase, pair): (&str, Pair<'_, Scriptlet>)| {
        let text = |script: &Scriptlet| format!("{}\n", script.body.trim_end());
        let body = |script: Option<&Scriptlet>| script.map(text).unwrap_or_default();
        let both = pair.before.zip(pair.after);
        ScriptletChange {
            phase: Shown::new(phase),
            how: pair.change(),
            interpreters: both
                .filter(|(was, is)| was.interpreter != is.interpreter)
                .map(|(was, is)| (Shown::new(&was.interpreter), Shown::new(&is.interpreter))),
            lines: diff::lines(&body(pair.before), &body(pair.after)),
        }
    };
    let changes = compare::scriptlets(old, new).into_iter().map(render);
    // Bodies that differ in blanks at their end have no line to show.
    let is_shown = |change: &ScriptletChange| {
        change.how != "changed" || change.interpreters.is_some() || !change.lines.is_empty()
    };
    changes.filter(is_shown).collect()
}

fn dependencies(old: &PackageFiles, new: &PackageFiles) -> Vec<Delta> {
    [
        ("Requires", &old.requires, &new.requires),
        ("Provides", &old.provides, &new.provides),
        ("Conflicts", &old.conflicts, &new.conflicts),
        ("Obsoletes", &old.obsoletes, &new.obsoletes),
    ]
    .into_iter()
    .map(|(name, before, after)| Delta {
        name,
        added: missing_from(before, after),
        removed: missing_from(after, before),
    })
    .filter(|delta| !delta.added.is_empty() || !delta.removed.is_empty())
    .collect()
}

fn missing_from(one: &[Dependency], other: &[Dependency]) -> Vec<Shown> {
    let new = compare::only(other, one).into_iter();
    new.map(Shown::new).collect()
}
