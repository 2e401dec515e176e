//! `bundle diff`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::places::{PartsArgs, TrustArgs};
use super::{Context, Format, progress, show};
use crate::diff::{self, Side};
use crate::explain::Error;

const EXAMPLES: &str = "\
Examples:
  bundle diff old/bundle.tar.zst bundle.tar.zst
  bundle diff old/bundle.tar.zst bundle.tar.zst.parts.json --output json";

/// Show what differs between two bundles: packages, config files, scriptlets, files, dependencies,
/// change logs, signers.
///
/// Both are verified first, to their last byte.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle before, or the NAME.parts.json of a split one
    #[arg(value_name = "A")]
    a: PathBuf,

    /// The bundle after
    #[arg(value_name = "B")]
    b: PathBuf,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let observer = progress::observer(context);
    let read = |path| Side::read(path, &args.parts.parts_dir, &roots, &*observer);
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let found = diff::diff(&a, &b);
    match context.format {
        Format::Json => show::json(&found),
        Format::Text => show::text(&found.to_text()),
    }
    Ok(())
}
