//! `docs/REVIEW.txt`: what a person who lets a bundle in wants to read.

use std::fmt::Write as _;

use manifests::bundle::{BundledRpm, LintFlag, Role};

use crate::lock::Lock;
use crate::package::DownloadedRpm;
use crate::printable::{printable, printable_lines};

/// Where the sheet is in a bundle.
pub const PATH: &str = "docs/REVIEW.txt";

/// Writes the review sheet. Writing to a string cannot fail, so results are not looked at.
#[must_use]
pub fn sheet(lock: &Lock, bundled: &[BundledRpm], rpms: &[DownloadedRpm]) -> String {
    let mut text = String::new();
    let plan = &lock.plan;
    let _ = writeln!(text, "REVIEW SHEET\n");
    let _ = writeln!(
        text,
        "product    {} ({})",
        printable(&plan.title),
        printable(&plan.product)
    );
    let _ = writeln!(text, "version    {}", printable(&plan.version));
    let _ = writeln!(text, "channel    {}", printable(&plan.channel));
    let _ = writeln!(text, "sequence   {}", lock.sequence);
    let _ = writeln!(text, "time       {} (seconds since 1970)", lock.timestamp);
    for target in &plan.targets {
        let _ = writeln!(
            text,
            "for        {} {}",
            printable(&target.distro),
            target.arch
        );
    }
    repositories(&mut text, lock);
    keys(&mut text, lock);
    let _ = writeln!(text, "\nPACKAGES\n");
    for rpm in bundled {
        package(&mut text, rpm, rpms);
    }
    extras(&mut text, lock);
    scriptlets(&mut text, rpms);
    if !plan.notes.is_empty() {
        let _ = writeln!(text, "\nNOTES\n");
        for note in &plan.notes {
            let _ = writeln!(text, "- {}", printable(note));
        }
    }
    text
}

fn repositories(text: &mut String, lock: &Lock) {
    let _ = writeln!(text, "\nREPOSITORIES (metadata signature verified)\n");
    for repository in &lock.plan.repositories {
        let revision = repository
            .revision
            .map_or("-".to_owned(), |r| r.to_string());
        let certification = repository
            .signer_certification_hash
            .as_deref()
            .map_or("none".to_owned(), printable);
        let _ = writeln!(text, "{}", repository.url);
        let _ = writeln!(text, "  revision {revision}");
        let _ = writeln!(text, "  repomd   sha256:{}", repository.repomd_sha256);
        let _ = writeln!(
            text,
            "  signer   {} (own certification: {certification})",
            repository.signer
        );
    }
}

fn keys(text: &mut String, lock: &Lock) {
    let _ = writeln!(text, "\nPACKAGE KEYS (pinned)\n");
    for key in &lock.package_keys {
        let (name, fingerprint, origin) = (
            printable(&key.name),
            &key.fingerprint,
            printable(&key.origin),
        );
        let _ = writeln!(text, "{name}  {fingerprint}  from {origin}");
    }
    for accepted in &lock.trusted_vendor_keys {
        let _ = writeln!(
            text,
            "accepted by hand: {}",
            printable(&accepted.to_string())
        );
    }
    for name in &lock.accepted_unsigned {
        let _ = writeln!(
            text,
            "accepted without a strong signature: {}",
            printable(name)
        );
    }
}

fn package(text: &mut String, rpm: &BundledRpm, rpms: &[DownloadedRpm]) {
    let _ = writeln!(text, "{}", rpm.nevra);
    let _ = writeln!(text, "  sha256   {}", rpm.sha256);
    let origins = rpms.iter().filter(|r| r.sha256() == rpm.sha256);
    for origin in origins {
        let planned = origin.planned();
        let _ = writeln!(text, "  from     {} ({})", planned.url, planned.checksum);
    }
    let signer = rpm.signer.as_deref().map_or("NOBODY".to_owned(), printable);
    let _ = writeln!(text, "  signed   {signer}");
    for purpose in &rpm.uses {
        let role = match purpose.role {
            Role::Target => "target",
            Role::Previous => "previous",
        };
        let (component, distro, arch) = (
            printable(&purpose.component),
            printable(&purpose.distro),
            purpose.arch,
        );
        let _ = writeln!(text, "  for      {distro} {arch}: {role} of {component}");
    }
    for flag in &rpm.lint {
        let _ = writeln!(text, "  mind     {}", lint(*flag));
    }
}

fn extras(text: &mut String, lock: &Lock) {
    if lock.extras.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\nFILES BESIDE PACKAGES (from the builder, signed by nobody else)\n"
    );
    for extra in &lock.extras {
        let _ = writeln!(
            text,
            "{} ({})",
            printable(&extra.name),
            printable(&extra.rule)
        );
        let _ = writeln!(text, "  sha256   {}", extra.sha256);
    }
}

/// Explains a flag in a line.
#[must_use]
pub const fn lint(flag: LintFlag) -> &'static str {
    match flag {
        LintFlag::PayloadNotForEl7 => "its compression is unknown to rpm 4.11 (EL7)",
        LintFlag::NoSha256Header => "no SHA-256 header digest: refused in FIPS mode",
        LintFlag::NoPayloadDigest => "no payload digest: its files were checked one by one",
        LintFlag::Md5FileDigests => "file digests are MD5: fails half-way in FIPS mode",
        LintFlag::Sha1Signature => "the package signature uses SHA-1: refused by EL9",
        LintFlag::Unsigned => "NOT SIGNED; carried because the builder was told to",
    }
}

fn scriptlets(text: &mut String, rpms: &[DownloadedRpm]) {
    let _ = writeln!(text, "\nSCRIPTLETS (run as root by rpm)");
    let mut seen: Vec<(&str, &str, &str)> = Vec::new();
    for rpm in rpms {
        for scriptlet in &rpm.files().scriptlets {
            let name = rpm.planned().nevra.to_string();
            let _ = write!(text, "\n{name} {} ", printable(&scriptlet.phase));
            let same = (
                scriptlet.phase.as_str(),
                scriptlet.interpreter.as_str(),
                scriptlet.body.as_str(),
            );
            if seen.contains(&same) {
                let _ = writeln!(text, "(as above)");
                continue;
            }
            seen.push(same);
            let _ = writeln!(text, "({})", printable(&scriptlet.interpreter));
            // Every line is marked, so that none can pass for one of ours.
            let body = scriptlet.body.strip_suffix('\n');
            for line in body.unwrap_or(&scriptlet.body).split('\n') {
                let _ = writeln!(text, "  | {}", printable_lines(line));
            }
        }
    }
}
