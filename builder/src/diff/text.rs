//! The comparison for people: what needs a decision first, foreign text escaped and marked.

use std::fmt::Write as _;

use manifests::printable::{printable, printable_lines};

use super::package::{FileDiff, LogEntry, PackageDiff, PackageId};
use super::{About, Diff, TargetDiff};
use crate::evidence;

/// More of them are counted; the JSON has all.
const FILES_SHOWN: usize = 40;

pub(super) fn render(diff: &Diff) -> String {
    let mut text = String::new();
    about(&mut text, "a", &diff.a);
    about(&mut text, "b", &diff.b);
    if diff.b.sequence < diff.a.sequence {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "b has a lower sequence than a: it is the older bundle"
        );
    }
    for entry in &diff.entries {
        let _ = writeln!(
            text,
            "entry     {} {}",
            entry.change,
            printable(&entry.path)
        );
    }
    for one in &diff.targets {
        target(&mut text, one);
    }
    text
}

fn about(text: &mut String, side: &str, about: &About) {
    let (product, version) = (printable(&about.product), printable(&about.version));
    let _ = writeln!(
        text,
        "{side}         {product} {version} ({}), sequence {}\n  digest  sha256 {}\n  signed  by key {}",
        printable(&about.channel),
        about.sequence,
        about.digest,
        about.signers.join(", ")
    );
}

fn target(text: &mut String, target: &TargetDiff) {
    let only = match target.carried_by {
        "both" => String::new(),
        side => format!(" (only in {side})"),
    };
    let _ = writeln!(
        text,
        "\n{} {}{only}",
        printable(&target.distro),
        printable(&target.arch)
    );
    for package in &target.packages {
        configs(text, package);
    }
    for package in &target.packages {
        let _ = writeln!(text, "  {}", headline(package));
        details(text, package);
    }
    for nevra in &target.previous_added {
        let _ = writeln!(text, "  now also reverts to  {nevra}");
    }
    for nevra in &target.previous_removed {
        let _ = writeln!(text, "  no longer reverts to {nevra}");
    }
}

fn headline(package: &PackageDiff) -> String {
    let name = |id: &Option<PackageId>| id.as_ref().map(|id| id.nevra.to_string());
    let component = printable(&package.component);
    let change = package.change;
    match (name(&package.a), name(&package.b)) {
        (Some(a), Some(b)) if a != b => format!("{change:<10} {component}: {a} -> {b}"),
        (Some(one), _) | (None, Some(one)) => format!("{change:<10} {component}: {one}"),
        (None, None) => component,
    }
}

/// These may need a merge by hand: they come before everything else.
fn configs(text: &mut String, package: &PackageDiff) {
    for config in &package.configs {
        let word = match config.change {
            "changed" => "another default",
            other => other,
        };
        let (path, component) = (printable(&config.path), printable(&package.component));
        let _ = writeln!(text, "  CONFIG {word}: {path} ({component})");
    }
}

fn details(text: &mut String, package: &PackageDiff) {
    trust(text, package);
    for script in &package.scriptlets {
        let _ = writeln!(
            text,
            "    scriptlet {} {}",
            printable(&script.phase),
            script.change
        );
        if let Some((a, b)) = &script.interpreter {
            let _ = writeln!(
                text,
                "      interpreter {} -> {}",
                printable(a),
                printable(b)
            );
        }
        match &script.diff {
            // The first two lines are names of files that there are not.
            Some(diff) => marked(text, diff.lines().skip(2)),
            None => {
                let _ = writeln!(text, "      too long to compare");
            }
        }
    }
    for (word, list) in [
        ("requires now", &package.requires_added),
        ("requires no more", &package.requires_removed),
        ("provides now", &package.provides_added),
        ("provides no more", &package.provides_removed),
    ] {
        for capability in list {
            let _ = writeln!(text, "    {word}: {}", printable(capability));
        }
    }
    files(text, &package.files);
    log(text, "change log", &package.changelog_added);
    log(text, "change log, only in a", &package.changelog_removed);
}

fn trust(text: &mut String, package: &PackageDiff) {
    let (Some(a), Some(b)) = (&package.a, &package.b) else {
        return;
    };
    let who = |id: &PackageId| id.signer.as_deref().map_or("NO KEY".to_owned(), printable);
    if a.signer != b.signer {
        let _ = writeln!(text, "    SIGNER {} -> {}", who(a), who(b));
    }
    if package.change == "replaced" {
        let _ = writeln!(
            text,
            "    REPLACED under its name: {} -> {}",
            a.sha256, b.sha256
        );
    }
    for flag in b.lint.iter().filter(|flag| !a.lint.contains(flag)) {
        let _ = writeln!(text, "    mind now: {}", evidence::lint(*flag));
    }
    for flag in a.lint.iter().filter(|flag| !b.lint.contains(flag)) {
        let _ = writeln!(text, "    no longer: {}", evidence::lint(*flag));
    }
}

/// Every line is marked, so that none can pass for one of ours.
fn marked<'a>(text: &mut String, lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        let _ = writeln!(text, "      | {}", printable_lines(line));
    }
}

fn files(text: &mut String, files: &[FileDiff]) {
    let count = |change| files.iter().filter(|file| file.change == change).count();
    if files.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "    files: {} added, {} removed, {} changed",
        count("added"),
        count("removed"),
        count("changed")
    );
    for file in files.iter().take(FILES_SHOWN) {
        let what = if file.what.is_empty() {
            String::new()
        } else {
            format!(" ({})", file.what.join(", "))
        };
        let _ = writeln!(
            text,
            "      {:<7} {}{what}",
            file.change,
            printable(&file.path)
        );
    }
    if files.len() > FILES_SHOWN {
        let more = files.len() - FILES_SHOWN;
        let _ = writeln!(text, "      and {more} more: --output json lists all");
    }
}

fn log(text: &mut String, title: &str, entries: &[LogEntry]) {
    if entries.is_empty() {
        return;
    }
    let _ = writeln!(text, "    {title}:");
    for entry in entries {
        let _ = writeln!(text, "      {}", printable(&entry.author));
        marked(text, entry.text.lines());
    }
}
