//! `bundle verify`.

use std::fs::File;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::places::TrustArgs;
use super::{Context, Format, show};
use crate::archive::{self, ArchiveError};
use crate::error::Error;
use crate::printable::printable;

const EXAMPLES: &str = "\
Examples:
  bundle verify bundle.tar.zst
  bundle verify bundle.tar.zst --trust-root root.json";

/// Read a whole bundle and check every byte of it against its signed manifest.
///
/// Trusted is the root document given, or the one of this build machine; never the one inside the
/// bundle.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,

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
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let file = File::open(&args.file).map_err(|source| ArchiveError::Open {
        path: args.file.clone(),
        source,
    })?;
    let verified = archive::verify(file, &roots)?;
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
    };
    match context.format {
        Format::Json => show::json(&verdict),
        Format::Text => show::text(&format!(
            "verified  {} {} (sequence {})\ndigest    sha256 {}\nsigned    by key {}\nroot      \
             sha256 {}",
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
