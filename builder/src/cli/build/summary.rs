//! What a person needs to know at the end of a build.

use std::fmt::Write as _;
use std::path::Path;

use manifests::bundle::{Role, Target};
use serde::Serialize;

use super::{Format, show};
use crate::evidence;
use crate::lock::{Lock, LockedRpm};
use crate::pipeline::Built;

/// The result for programs.
#[derive(Serialize)]
struct Summary {
    bundle: String,
    bytes: u64,
    digest: String,
    sequence: u64,
    /// The keys that signed.
    signed_by: Vec<String>,
    /// How many signatures a host asks for.
    signatures_needed: usize,
    key_created: bool,
    root_fingerprint: String,
    /// Vendor keys that were accepted on the command line.
    trusted_vendor_keys: Vec<String>,
    files: Vec<String>,
    targets: Vec<TargetSummary>,
    /// Packages that some hosts refuse, or that deserve a look.
    mind: Vec<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct TargetSummary {
    distro: String,
    arch: String,
    components: Vec<ComponentSummary>,
}

#[derive(Serialize)]
struct ComponentSummary {
    component: String,
    target: String,
    /// Installed versions that a host can be upgraded from and reverted to.
    serves: Vec<String>,
}

pub(super) fn show(built: &Built, format: Format) {
    let summary = summarize(built);
    match format {
        Format::Json => show::json(&summary),
        Format::Text => show::text(&text(&summary)),
    }
}

/// The result of `bundle lock` for programs.
#[derive(Serialize)]
struct LockSummary<'a> {
    lock: String,
    sequence: u64,
    rpms: &'a [LockedRpm],
    trusted_vendor_keys: Vec<String>,
    notes: &'a [String],
}

pub(super) fn show_lock(lock: &Lock, path: &Path, format: Format) {
    let summary = LockSummary {
        lock: path.display().to_string(),
        sequence: lock.sequence,
        rpms: &lock.rpms,
        trusted_vendor_keys: lock
            .trusted_vendor_keys
            .iter()
            .map(ToString::to_string)
            .collect(),
        notes: &lock.plan.notes,
    };
    if format == Format::Json {
        show::json(&summary);
        return;
    }
    let mut text = format!(
        "lock      {}\nsequence  {}\n",
        summary.lock, summary.sequence
    );
    for accepted in &summary.trusted_vendor_keys {
        let _ = writeln!(text, "accepted  vendor key {accepted}");
    }
    for rpm in summary.rpms {
        let _ = writeln!(text, "  {}  {}", rpm.sha256, rpm.nevra);
    }
    for note in summary.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(text, "\nbundle build --locked {}", summary.lock);
    show::text(&text);
}

fn summarize(built: &Built) -> Summary {
    let lock = &built.lock;
    let files: Vec<String> = built
        .files
        .iter()
        .map(|f| f.display().to_string())
        .collect();
    Summary {
        bundle: files.first().cloned().unwrap_or_default(),
        bytes: built.bytes,
        digest: built.digest.to_string(),
        sequence: lock.sequence,
        signed_by: built.key_ids.iter().map(ToString::to_string).collect(),
        signatures_needed: built.threshold,
        key_created: built.key_created,
        root_fingerprint: built.root_fingerprint.to_string(),
        trusted_vendor_keys: lock
            .trusted_vendor_keys
            .iter()
            .map(ToString::to_string)
            .collect(),
        files,
        targets: lock.plan.targets.iter().map(|t| target(built, t)).collect(),
        mind: built
            .flags
            .iter()
            .map(|(nevra, flag)| format!("{nevra}: {}", evidence::lint(*flag)))
            .collect(),
        notes: lock.plan.notes.clone(),
    }
}

fn target(built: &Built, target: &Target) -> TargetSummary {
    let plan = &built.lock.plan;
    let version = |nevra: &manifests::nevra::Nevra| nevra.evr().version().to_owned();
    let component =
        |(purpose, package): (&manifests::bundle::Use, &crate::plan::PlannedPackage)| {
            let previous = plan.packages_for(target, Role::Previous);
            ComponentSummary {
                component: purpose.component.clone(),
                target: version(&package.nevra),
                serves: previous
                    .iter()
                    .filter(|(other, _)| other.component == purpose.component)
                    .map(|(_, previous)| version(&previous.nevra))
                    .collect(),
            }
        };
    TargetSummary {
        distro: target.distro.clone(),
        arch: target.arch.to_string(),
        components: plan
            .packages_for(target, Role::Target)
            .into_iter()
            .map(component)
            .collect(),
    }
}

fn text(summary: &Summary) -> String {
    let mut text = String::new();
    let made = if summary.key_created {
        " (made by this build: keep it safe)"
    } else {
        ""
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "bundle    {} ({} bytes)",
        summary.bundle, summary.bytes
    );
    let _ = writeln!(text, "digest    sha256 {}", summary.digest);
    let _ = writeln!(text, "sequence  {}", summary.sequence);
    let _ = match summary.signed_by.as_slice() {
        [] => writeln!(text, "signed    by no key"),
        keys => writeln!(text, "signed    by key {}{made}", keys.join(", ")),
    };
    let (have, needed) = (summary.signed_by.len(), summary.signatures_needed);
    if have < needed {
        let _ = writeln!(
            text,
            "NOT COMPLETE: it has {have} of {needed} signatures, and no host takes it before it has \
             all: bundle sign {}",
            summary.bundle
        );
    }
    let _ = writeln!(
        text,
        "root      sha256 {} (root.json)",
        summary.root_fingerprint
    );
    for accepted in &summary.trusted_vendor_keys {
        let _ = writeln!(text, "accepted  vendor key {accepted}");
    }
    for file in summary.files.iter().skip(1) {
        let _ = writeln!(text, "beside    {file}");
    }
    targets(&mut text, summary);
    let _ = writeln!(
        text,
        "Hosts that run another version need a bundle built with --from VERSION, or --from any."
    );
    for flag in &summary.mind {
        let _ = writeln!(text, "mind: {flag}");
    }
    for note in &summary.notes {
        let _ = writeln!(text, "note: {note}");
    }
    if have >= needed {
        next_steps(&mut text, summary);
    }
    text
}

fn targets(text: &mut String, summary: &Summary) {
    for target in &summary.targets {
        let _ = writeln!(text, "\n{} {}", target.distro, target.arch);
        for component in &target.components {
            let serves = if component.serves.is_empty() {
                "no earlier version".to_owned()
            } else {
                component.serves.join(", ")
            };
            let (name, version) = (&component.component, &component.target);
            let _ = writeln!(
                text,
                "  {name:<10} {version:<10} upgrades and reverts {serves}"
            );
        }
    }
}

fn next_steps(text: &mut String, summary: &Summary) {
    let file_name = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
    let bundle = file_name(&summary.bundle);
    let names: Vec<String> = summary.files.iter().map(file_name).collect();
    let installer = names
        .iter()
        .find(|name| name.starts_with("install-") && !name.contains('.'));
    let Some(installer) = installer else {
        return;
    };
    let _ = write!(
        text,
        "\nCarry these files to the host, and there, as root:\n  \
         sha256sum -c {installer}.sha256\n  \
         ./{installer} trust add root.json --fingerprint {}\n  \
         ./{installer} plan {bundle}\n  \
         ./{installer} {bundle}\n",
        summary.root_fingerprint
    );
}
