//! `bundle extract`.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Serialize;

use super::places::{PartsArgs, TrustArgs};
use super::{Context, Format, progress, show};
use crate::archive::{ArchiveError, Extraction, Selection};
use crate::carry;
use crate::explain::Error;

const EXAMPLES: &str = "\
Examples:
  bundle extract bundle.tar.zst                      everything, into ./bundle
  bundle extract bundle.tar.zst --to review docs     the documents
  bundle extract bundle.tar.zst --packages el8-x86_64 --to rpms
  bundle extract bundle.tar.zst --to one manifest.json product.json";

/// Verify a bundle, then write its entries below a new directory.
///
/// The directory appears when every byte of the bundle is verified, and not at all otherwise. One
/// that is there already is refused.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The bundle, or the NAME.parts.json of a split one
    #[arg(value_name = "BUNDLE")]
    file: PathBuf,

    /// Entries, or directories such as `docs` [default: everything]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,

    /// The new directory [default: the bundle's name without its ending, here]
    #[arg(long, visible_alias = "out", short = 'o', value_name = "DIR")]
    to: Option<PathBuf>,

    /// Take the packages of a target, target and previous ones (repeatable)
    #[arg(long, value_name = "DISTRO-ARCH")]
    packages: Vec<String>,

    #[command(flatten)]
    parts: PartsArgs,

    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Serialize)]
struct Extracted {
    directory: String,
    digest: String,
    files: Vec<ExtractedFile>,
}

#[derive(Serialize)]
struct ExtractedFile {
    path: String,
    bytes: u64,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let roots = args.trust.roots()?;
    let to = args.to.clone().unwrap_or_else(|| named_after(&args.file));
    let selection = Selection {
        paths: args.paths.clone(),
        targets: args.packages.clone(),
    };
    let mut extraction = Extraction::begin(&to, selection).map_err(ArchiveError::from)?;
    let passed = carry::pass(
        &args.file,
        &args.parts.parts_dir,
        &roots,
        &mut std::io::sink(),
        &mut extraction,
        &*progress::observer(context),
    )?;
    let files = extraction.commit().map_err(ArchiveError::from)?;
    let extracted = Extracted {
        directory: to.display().to_string(),
        digest: passed.verified.manifest.digest().to_string(),
        files: files
            .into_iter()
            .map(|(path, bytes)| ExtractedFile {
                path: path.to_string(),
                bytes,
            })
            .collect(),
    };
    match context.format {
        Format::Json => show::json(&extracted),
        Format::Text => show::text(&format!(
            "extracted {} files into {}\ndigest    sha256 {}",
            extracted.files.len(),
            extracted.directory,
            extracted.digest
        )),
    }
    Ok(())
}

/// `in/bundle.tar.zst` goes to `./bundle`.
fn named_after(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = ["tar.zst.parts.json", "tar.zst", "parts.json"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
    match stem {
        Some(stem) if !stem.is_empty() => PathBuf::from(stem),
        _ => PathBuf::from(format!("{name}.extracted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_named_after_the_bundle() {
        for (file, expected) in [
            ("in/bundle.tar.zst", "bundle"),
            ("x.tar.zst.parts.json", "x"),
            ("strange", "strange.extracted"),
            (".tar.zst", ".tar.zst.extracted"),
        ] {
            assert_eq!(named_after(Path::new(file)), Path::new(expected), "{file}");
        }
    }
}
