//! `bundle split`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::places::{PartsArgs, SignArgs, TrustArgs};
use super::{Context, Format, progress, show};
use crate::carry::{self, PartSize};
use crate::explain::{Error, usage};

const EXAMPLES: &str = "\
Examples:
  bundle split bundle.tar.zst --size 4480M                   for DVDs
  bundle split bundle.tar.zst --size 4G -o /media/stick/bundle.tar.zst
  bundle split bundle.tar.zst.parts.json --size 1G -o small/bundle.tar.zst

On the host: ./install bundle.tar.zst.parts.json, with --parts-dir for every further disc.";

/// Cut a bundle into parts of one size, each with its digest in a signed list.
///
/// The bundle is verified first, and stays as it is. A split bundle can be split anew; at the same
/// place the new parts replace the old ones.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one
    #[arg(value_name = "BUNDLE")]
    file: PathBuf,

    /// Bytes per part: 1G, 4480M, 4.7GB (K, M and G count in 1024, KB, MB and GB in 1000)
    #[arg(long, value_name = "SIZE")]
    size: PartSize,

    /// Name of the whole file, after which the parts are named [default: the bundle's]
    #[arg(short, long, value_name = "NAME")]
    out: Option<PathBuf>,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    sign: SignArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Summary {
    signed_by: Vec<String>,
    signatures_needed: usize,
    list: String,
    digest: String,
    file_sha256: String,
    bytes: u64,
    files: Vec<String>,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let signers = args.trust.keys.store()?.open(&args.sign.request()?)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => whole_name(&args.file),
    };
    let known = std::fs::metadata(&args.file).map_or(0, |metadata| metadata.len());
    carry::check_size(&out, known, args.size)?;
    let (passed, files) = carry::split(
        (&args.file, &args.parts.parts_dir),
        &roots,
        &out,
        args.size,
        &signers,
        &*progress::observer(context),
    )?;
    let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    let Some(list) = files.first().cloned() else {
        return Err(usage(
            "cannot split the bundle",
            "it is empty",
            "build it again",
        ));
    };
    let summary = Summary {
        signed_by: signers.ids().iter().map(ToString::to_string).collect(),
        signatures_needed: signers.threshold(),
        list,
        digest: passed.verified.manifest.digest().to_string(),
        file_sha256: passed.sha256.to_string(),
        bytes: passed.bytes,
        files,
    };
    match context.format {
        Format::Json => show::json(&summary),
        Format::Text => show::text(&format!(
            "parts     {}\nlist      {}\ndigest    sha256 {}\n{}{}",
            summary
                .files
                .len()
                .saturating_sub(1 + summary.signed_by.len()),
            summary.list,
            summary.digest,
            incomplete(&summary),
            summary.files.join("\n")
        )),
    }
    Ok(())
}

fn incomplete(summary: &Summary) -> String {
    let (have, needed) = (summary.signed_by.len(), summary.signatures_needed);
    if have >= needed {
        return String::new();
    }
    let list = &summary.list;
    format!("NOT COMPLETE: the list has {have} of {needed} signatures: bundle sign {list}\n")
}

/// `x.tar.zst.parts.json` lists the parts of `x.tar.zst`.
pub(super) fn whole_name(file: &std::path::Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let whole = name.strip_suffix(manifests::parts::PARTS_SUFFIX);
    file.with_file_name(whole.unwrap_or(&name))
}
