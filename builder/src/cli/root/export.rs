//! `bundle root export`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use manifests::trust::RootFile;
use serde::Serialize;

use super::super::{Context, Format, show};
use super::ChainArgs;
use crate::explain::Error;
use crate::output::{self, Pending};

const EXAMPLES: &str = "\
Examples:
  bundle root export -o to-host

On the host: ./install trust add to-host/root.N.json, which finds the other versions beside it.";

/// Write the complete versions with their signatures into a directory, for hosts and other builders.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The directory
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Serialize)]
struct Exported {
    newest: String,
    version: u64,
    fingerprint: String,
    files: Vec<String>,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let chain = args.chain.chain()?;
    let newest = &chain.require()?.root;
    let version = newest.document().version;
    output::make_directory(&args.out)?;
    let mut files = Vec::new();
    for (name, bytes) in chain.files() {
        let path = args.out.join(name);
        Pending::with_bytes(&path, &bytes, 0o644)?.commit()?;
        files.push(path.display().to_string());
    }
    let exported = Exported {
        newest: args
            .out
            .join(RootFile::Document { version }.to_string())
            .display()
            .to_string(),
        version,
        fingerprint: newest.fingerprint().to_string(),
        files,
    };
    match context.format {
        Format::Json => show::json(&exported),
        Format::Text => show::text(&format!(
            "{}\n\nOn the host: ./install trust add {} --fingerprint {}",
            exported.files.join("\n"),
            exported.newest,
            exported.fingerprint
        )),
    }
    Ok(())
}
