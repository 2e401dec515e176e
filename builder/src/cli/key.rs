//! `bundle key`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;

use super::places::KeyArgs;
use super::{Context, Format, show};
use crate::error::Error;
use crate::output::Pending;
use crate::sign::{Identity, KeyStore};

const EXAMPLES: &str = "\
Examples:
  bundle key show
  bundle key export root -o root.json
  bundle key export public | openssl pkey -pubin -text";

/// Show, make or export the key that signs bundles.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    keys: KeyArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the key's id and the root document's fingerprint
    Show,
    /// Make the key, unless there is one
    Create,
    /// Write the root document or the public key
    Export {
        /// What to write
        #[arg(value_enum)]
        what: Export,

        /// Where to [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Export {
    /// The root document, for `install trust add`.
    Root,
    /// The public key in PEM form, for `openssl dgst -verify`.
    Public,
}

#[derive(Serialize)]
struct Shown {
    key_id: String,
    algorithm: String,
    key: String,
    root: String,
    root_fingerprint: String,
    created: bool,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let store = args.keys.store()?;
    match &args.action {
        Action::Show => show_key(&store, &store.open()?, false, context),
        Action::Create => {
            let opened = store.open_or_create()?;
            show_key(&store, &opened.identity, opened.created, context);
        }
        Action::Export { what, out } => {
            let identity = store.open()?;
            let bytes = match what {
                Export::Root => identity.root_bytes(),
                Export::Public => identity.public().pem().as_bytes(),
            };
            match out {
                Some(path) => Pending::with_bytes(path, bytes, 0o644)?.commit()?,
                None => show::text(&String::from_utf8_lossy(bytes)),
            }
        }
    }
    Ok(())
}

fn show_key(store: &KeyStore, identity: &Identity, created: bool, context: Context) {
    let shown = Shown {
        key_id: identity.public().id().as_str().to_owned(),
        algorithm: "ecdsa-p256-sha256".to_owned(),
        key: store.key_path().display().to_string(),
        root: store.root_path().display().to_string(),
        root_fingerprint: identity.root().fingerprint().to_string(),
        created,
    };
    match context.format {
        Format::Json => show::json(&shown),
        Format::Text => show::text(&format!(
            "key    {} ({}) in {}\nroot   sha256 {} in {}",
            shown.key_id, shown.algorithm, shown.key, shown.root_fingerprint, shown.root
        )),
    }
}
