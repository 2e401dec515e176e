//! `bundle join`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::places::{PartsArgs, TrustArgs};
use super::{Context, Format, progress, show, split};
use crate::carry;
use crate::explain::Error;

const EXAMPLES: &str = "\
Examples:
  bundle join bundle.tar.zst.parts.json
  bundle join /media/disc1/bundle.tar.zst.parts.json --parts-dir /media/disc2 -o bundle.tar.zst";

/// Write a split bundle as one file, after verifying every part and the whole.
///
/// Hosts need no joined file: `install` reads the parts where they lie.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The NAME.parts.json of the split bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The new file [default: NAME, beside the list]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Summary {
    bundle: String,
    digest: String,
    file_sha256: String,
    bytes: u64,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => split::whole_name(&args.file),
    };
    let passed = carry::join(
        &args.file,
        &args.parts.parts_dir,
        &roots,
        &out,
        &*progress::observer(context),
    )?;
    let summary = Summary {
        bundle: out.display().to_string(),
        digest: passed.verified.manifest.digest().to_string(),
        file_sha256: passed.sha256.to_string(),
        bytes: passed.bytes,
    };
    match context.format {
        Format::Json => show::json(&summary),
        Format::Text => show::text(&format!(
            "joined    {} ({} bytes)\nsha256    {}\ndigest    sha256 {}",
            summary.bundle, summary.bytes, summary.file_sha256, summary.digest
        )),
    }
    Ok(())
}
