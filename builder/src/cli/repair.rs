//! `bundle repair`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::places::{PartsArgs, TrustArgs};
use super::{Context, Format, progress, show};
use crate::carry;
use crate::explain::Error;

const EXAMPLES: &str = "\
Examples:
  bundle repair /media/stick/bundle.tar.zst.parts.json --from bundle.tar.zst
  bundle repair copy/bundle.tar.zst.parts.json --from orig/bundle.tar.zst.parts.json
  bundle repair /media/dvd/bundle.tar.zst.parts.json --from bundle.tar.zst --out again";

/// Find bad and missing parts, and write exactly those again.
///
/// What is written has the digests of the signed list, wherever it came from.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The NAME.parts.json of the split bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The bundle, or the NAME.parts.json of another copy
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// Directory for the parts that are written [default: beside the list]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Summary {
    parts: usize,
    repaired: Vec<RepairedPart>,
}

#[derive(Serialize)]
struct RepairedPart {
    number: u32,
    was: String,
    written: String,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let done = carry::repair(
        &args.file,
        &args.parts.parts_dir,
        &roots,
        &args.from,
        args.out.as_deref(),
        &*progress::observer(context),
    )?;
    let repaired = done.bad.iter().zip(&done.written);
    let summary = Summary {
        parts: done.of,
        repaired: repaired
            .map(|(bad, written)| RepairedPart {
                number: bad.number,
                was: bad.to_string(),
                written: written.display().to_string(),
            })
            .collect(),
    };
    if context.format == Format::Json {
        show::json(&summary);
        return Ok(());
    }
    let mut text = String::new();
    if summary.repaired.is_empty() {
        let _ = writeln!(
            text,
            "all {} parts are good; nothing was written",
            summary.parts
        );
    }
    for part in &summary.repaired {
        let _ = writeln!(text, "was       {}\nwritten   {}", part.was, part.written);
    }
    show::text(&text);
    Ok(())
}
