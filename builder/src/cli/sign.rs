//! `bundle sign`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use manifests::bundle::{BundleManifest, Role};
use manifests::parts::PARTS_SUFFIX;
use manifests::printable::printable;
use manifests::signature::KeyId;
use serde::Serialize;

use super::places::{PartsArgs, SignArgs, TrustArgs};
use super::{Context, Format, confirm, progress, show};
use crate::cosign::{self, Standing};
use crate::evidence;
use crate::explain::{Error, usage};

const EXAMPLES: &str = "\
Examples:
  bundle sign bundle.tar.zst --key alice.pem
  bundle sign bundle.tar.zst --key alice.pem --yes -o signed/bundle.tar.zst
  bundle sign bundle.tar.zst --trust-root root.json \\
    --key 'pkcs11:token=release;object=alice?module-path=/usr/lib/softhsm/libsofthsm2.so'
  bundle sign bundle.tar.zst.parts.json --key alice.pem

The page to read before signing: bundle extract bundle.tar.zst --to review docs";

/// Add signatures to a bundle that is there, after checking every byte of it and showing what it is.
///
/// The order in which keys sign does not show: the file becomes the one that a build with all those keys
/// writes. Of a split bundle the list gets one more NAME.parts.<key id>.sig.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one.
    #[arg(value_name = "BUNDLE")]
    file: PathBuf,

    /// Where the signed bundle goes [default: in the place of the unsigned one].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Sign without asking.
    #[arg(long)]
    yes: bool,

    /// Compression threads; the result does not depend on it.
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    compression_threads: Option<u32>,

    #[command(flatten)]
    sign: SignArgs,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Outcome {
    bundle: String,
    product: String,
    version: String,
    sequence: u64,
    digest: String,
    root_version: u64,
    root_fingerprint: String,
    signed_by: Vec<String>,
    signatures_needed: usize,
    complete: bool,
    /// Signatures that no longer counted, and are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<String>,
    written: Vec<String>,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    if args.file.to_string_lossy().ends_with(PARTS_SUFFIX) {
        return run_parts(args, context);
    }
    let roots = args.trust.roots()?;
    let observer = progress::observer(context);
    let offered = cosign::examine(&args.file, &roots, &*observer)?;
    let (manifest, digest) = (&offered.checked().manifest, offered.digest().to_string());
    let mut signed = summary(&args.file, manifest, digest, offered.signatures());
    announce(manifest, &signed, offered.signatures(), context);
    let signers = args.sign.signers(&args.trust.keys.store()?)?;
    offered.signatures().check(&signers)?;
    confirm::agreed(args.yes, "Sign this bundle?")?;
    let out = args.out.as_deref().unwrap_or(&args.file);
    let place = (out, args.compression_threads.unwrap_or_else(workers));
    let signatures = cosign::sign(&args.file, offered, &signers, place, &*observer)?;
    finish(&mut signed, &signatures, &[out.to_owned()], context);
    Ok(())
}

fn run_parts(args: &Args, context: Context) -> Result<(), Error> {
    if args.out.is_some() {
        return Err(usage(
            "cannot sign the list of parts",
            "its signature lies beside it, and -o names another place",
            "leave -o out",
        ));
    }
    let roots = args.trust.roots()?;
    let observer = progress::observer(context);
    let dirs = &args.parts.parts_dir;
    let offered = cosign::examine_parts(&args.file, dirs, &roots, &*observer)?;
    let verified = &offered.passed().verified.manifest;
    let (manifest, digest) = (verified.manifest(), verified.digest().to_string());
    let mut signed = summary(&args.file, manifest, digest, offered.signatures());
    announce(manifest, &signed, offered.signatures(), context);
    let signers = args.sign.signers(&args.trust.keys.store()?)?;
    offered.signatures().check(&signers)?;
    confirm::agreed(args.yes, "Sign the list of its parts?")?;
    let (signatures, written) = cosign::sign_parts(offered, &signers)?;
    finish(&mut signed, &signatures, &written, context);
    Ok(())
}

fn workers() -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(threads).unwrap_or(1).min(8)
}

fn texts(keys: &[KeyId]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn summary(file: &Path, manifest: &BundleManifest, digest: String, standing: &Standing) -> Outcome {
    Outcome {
        bundle: file.display().to_string(),
        product: manifest.product.clone(),
        version: manifest.version.clone(),
        sequence: manifest.sequence,
        digest,
        root_version: standing.root().document().version,
        root_fingerprint: standing.root().fingerprint().to_string(),
        signed_by: texts(&standing.signed()),
        signatures_needed: standing.threshold(),
        complete: false,
        dropped: texts(standing.foreign()),
        written: Vec::new(),
    }
}

/// Shows what is about to be signed.
fn announce(manifest: &BundleManifest, signed: &Outcome, standing: &Standing, context: Context) {
    if context.format == Format::Json {
        return;
    }
    let (title, version) = (printable(&manifest.title), printable(&manifest.version));
    let mut text = format!(
        "bundle    {title} {version} (sequence {})\ndigest    sha256 {}\n",
        signed.sequence, signed.digest
    );
    for target in &manifest.targets {
        let count = |role| manifest.rpms_for(target, role).count();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "target    {} {}: {} packages to install, {} to go back to",
            printable(&target.distro),
            target.arch,
            count(Role::Target),
            count(Role::Previous)
        );
    }
    for rpm in &manifest.rpms {
        for flag in &rpm.lint {
            let _ = writeln!(text, "mind      {}: {}", rpm.nevra, evidence::lint(*flag));
        }
    }
    let whose = if standing.is_own() {
        " (as the bundle itself claims: nothing is trusted here, compare it through another channel)"
    } else {
        ""
    };
    let _ = writeln!(
        text,
        "root      version {} sha256 {}{whose}",
        signed.root_version, signed.root_fingerprint
    );
    let _ = writeln!(
        text,
        "signed    by {} of {} keys: {}",
        signed.signed_by.len(),
        signed.signatures_needed,
        signed.signed_by.join(", ")
    );
    for key in &signed.dropped {
        let _ = writeln!(
            text,
            "dropped   the signature by {key}, which is no release key of this root"
        );
    }
    show::text(&text);
}

fn finish(signed: &mut Outcome, standing: &Standing, written: &[PathBuf], context: Context) {
    signed.signed_by = texts(&standing.signed());
    signed.complete = signed.signed_by.len() >= signed.signatures_needed;
    signed.written = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if context.format == Format::Json {
        show::json(signed);
        return;
    }
    let mut text = String::new();
    for path in &signed.written {
        let _ = writeln!(text, "written   {path}");
    }
    let (have, needed) = (signed.signed_by.len(), signed.signatures_needed);
    let _ = writeln!(
        text,
        "signed    by {have} of {needed} keys: {}",
        signed.signed_by.join(", ")
    );
    if !signed.complete {
        let _ = writeln!(
            text,
            "NOT COMPLETE: no host takes it before {} more release keys of root version {} signed it",
            needed - have,
            signed.root_version
        );
    }
    show::text(&text);
}
