//! `bundle root init`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::super::Context;
use super::super::places::KeyArgs;
use super::drafted;
use crate::explain::Error;
use crate::keys::roots::{Enrolled, RootChain, RootsError, first};
use crate::keys::{KeyError, read_public};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  bundle root init --title \"Ops team\" --root-key a.pub.pem --root-key b.pub.pem --root-key c.pub.pem \\
    --root-threshold 2 --release-key ci.pub.pem --release-threshold 1 --product '*'
  bundle root init --title \"Ops team\" --root-key a.pub.pem --root-threshold 1 \\
    --release-key a.pub.pem --release-threshold 1 --product tyk -o chain

`bundle key export public` writes such .pub.pem files. A build without any root document makes one key and a
version 1 that needs it alone; 1 of 1 does not survive the theft of that key.";

/// Begin a chain: draft version 1.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A name for people, such as the team's
    #[arg(long, value_name = "TITLE")]
    title: String,

    /// Public key that signs root documents (repeatable)
    #[arg(long, value_name = "PUB.pem", required = true)]
    root_key: Vec<PathBuf>,

    /// How many of them must sign a root document
    #[arg(long, value_name = "K")]
    root_threshold: u32,

    /// Public key that signs bundles (repeatable)
    #[arg(long, value_name = "PUB.pem", required = true)]
    release_key: Vec<PathBuf>,

    /// How many of them must sign a bundle
    #[arg(long, value_name = "M")]
    release_threshold: u32,

    /// Product that the release keys sign for (repeatable); `*` is every one
    #[arg(long, value_name = "PRODUCT", required = true)]
    product: Vec<String>,

    /// Directory for the chain [default: trust/ of the configuration directory]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    keys: KeyArgs,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let read = |paths: &[PathBuf]| {
        let keys = paths.iter().map(|path| read_public(path));
        keys.collect::<Result<Vec<_>, KeyError>>()
    };
    let enrolled = Enrolled {
        root: read(&args.root_key)?,
        root_threshold: args.root_threshold,
        release: read(&args.release_key)?,
        release_threshold: args.release_threshold,
        products: args.product.clone(),
    };
    let directory = if let Some(directory) = &args.out {
        directory.clone()
    } else {
        args.keys.store()?.trust_path()
    };
    let chain = RootChain::read(&directory)?;
    if !chain.is_empty() {
        return Err(RootsError::Exists(directory).into());
    }
    let document = first(&args.title, &enrolled).map_err(RootsError::from)?;
    if args.out.is_some() {
        output::make_directory(&directory)?;
    } else {
        args.keys.store()?.make_trust()?;
    }
    drafted::write(&chain, &document, context)
}
