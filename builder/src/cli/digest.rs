//! `bundle digest`.

use std::fs::File;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use manifests::digest::Sha256;
use serde::Serialize;

use super::{Context, Format, show};
use crate::archive::{ArchiveError, Entries, read_manifest};
use crate::explain::Error;

/// Print the SHA-256 of a bundle's manifest: the bundle's identity. Nothing is verified.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Digest {
    digest: String,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let file = File::open(&args.file).map_err(|source| ArchiveError::Open {
        path: args.file.clone(),
        source,
    })?;
    let raw = read_manifest(&mut Entries::open(file)?)?;
    let digest = Sha256::of(&raw.bytes).to_string();
    match context.format {
        Format::Json => show::json(&Digest { digest }),
        Format::Text => show::text(&digest),
    }
    Ok(())
}
