//! `bundle root`: one file per subcommand.

mod add_key;
mod drafted;
mod export;
mod init;
mod revoke;
mod rotate;
mod show_chain;
mod sign;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::Context;
use super::places::KeyArgs;
use crate::explain::Error;
use crate::keys::roots::RootChain;

const EXAMPLES: &str = "\
Examples:
  bundle root show
  bundle root init --title \"Ops team\" --root-key a.pub.pem --root-key b.pub.pem --root-key c.pub.pem \\
    --root-threshold 2 --release-key ci.pub.pem --release-threshold 1 --product '*'
  bundle root add-key d.pub.pem --role root --root-threshold 2
  bundle root sign --key a.pem
  bundle root rotate --replace 0123456789abcdef=new.pub.pem
  bundle root revoke 0123456789abcdef --reason \"laptop stolen\" --root-threshold 1
  bundle root export -o to-host

A version counts once a quorum of the version before and of its own root keys signed it. docs/runbook-keys.md
goes through a setup, a rotation, a theft and a loss.";

/// Root documents: who may sign bundles, who may change that, and which keys count no more.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Init(init::Args),
    AddKey(add_key::Args),
    Rotate(rotate::Args),
    Revoke(revoke::Args),
    Sign(sign::Args),
    Show(show_chain::Args),
    Export(export::Args),
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    match &args.action {
        Action::Init(args) => init::run(args, context),
        Action::AddKey(args) => add_key::run(args, context),
        Action::Rotate(args) => rotate::run(args, context),
        Action::Revoke(args) => revoke::run(args, context),
        Action::Sign(args) => sign::run(args, context),
        Action::Show(args) => show_chain::run(args, context),
        Action::Export(args) => export::run(args, context),
    }
}

/// Where the chain is.
#[derive(Debug, Clone, ClapArgs)]
struct ChainArgs {
    /// Directory of the root documents [default: trust/ of the configuration directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    #[command(flatten)]
    keys: KeyArgs,
}

impl ChainArgs {
    fn chain(&self) -> Result<RootChain, Error> {
        let directory = match &self.dir {
            Some(directory) => directory.clone(),
            None => self.keys.store()?.trust_path(),
        };
        Ok(RootChain::read(&directory)?)
    }
}

/// Other numbers of signatures.
#[derive(Debug, Clone, Copy, ClapArgs)]
struct ThresholdArgs {
    /// How many root keys must sign a root document from now on
    #[arg(long, value_name = "K")]
    root_threshold: Option<u32>,

    /// How many release keys must sign a bundle from now on
    #[arg(long, value_name = "M")]
    release_threshold: Option<u32>,
}
