//! `bundle verify`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use manifests::printable::printable;
use serde::Serialize;

use super::places::{PartsArgs, TrustArgs};
use super::{Context, Format, progress, show};
use crate::archive::Nothing;
use crate::explain::Error;
use crate::parts;

const EXAMPLES: &str = "\
Examples:
  bundle verify bundle.tar.zst
  bundle verify bundle.tar.zst --trust-root root.json
  bundle verify bundle.tar.zst.parts.json --parts-dir /media/disc2 --parts-dir /media/disc3";

/// Read a whole bundle and check every byte of it against its signed manifest.
///
/// Trusted is the root document given, or the one of this build machine; never the one inside the
/// bundle. The parts of a split bundle are read where they lie, and every bad one is named.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Verdict {
    verified: bool,
    digest: String,
    root_fingerprint: String,
    signers: Vec<String>,
    product: String,
    version: String,
    sequence: u64,
    bytes: u64,
    /// The digest of the whole file.
    file_sha256: String,
    /// Parts it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<usize>,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let passed = parts::pass(
        &args.file,
        &args.parts.parts_dir,
        &roots,
        &mut std::io::sink(),
        &mut Nothing,
        &*progress::observer(context),
    )?;
    let verified = &passed.verified;
    let manifest = verified.manifest.manifest();
    let verdict = Verdict {
        verified: true,
        digest: verified.manifest.digest().to_string(),
        root_fingerprint: verified.manifest.root().to_string(),
        signers: verified
            .manifest
            .signers()
            .iter()
            .map(|id| id.as_str().to_owned())
            .collect(),
        product: manifest.product.clone(),
        version: manifest.version.clone(),
        sequence: manifest.sequence,
        bytes: verified.total_bytes,
        file_sha256: passed.sha256.to_string(),
        parts: passed.parts,
    };
    let parts = verdict.parts.map_or(String::new(), |parts| {
        format!("\nparts     {parts}, every one of them good")
    });
    match context.format {
        Format::Json => show::json(&verdict),
        Format::Text => show::text(&format!(
            "verified  {} {} (sequence {})\ndigest    sha256 {}\nsigned    by key {}\nroot      \
             sha256 {}{parts}",
            printable(&manifest.title),
            printable(&verdict.version),
            verdict.sequence,
            verdict.digest,
            verdict.signers.join(", "),
            verdict.root_fingerprint
        )),
    }
    Ok(())
}
