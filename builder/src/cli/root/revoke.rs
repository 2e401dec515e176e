//! `bundle root revoke`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use manifests::signature::KeyId;

use super::super::Context;
use super::rotate::replacement;
use super::{ChainArgs, ThresholdArgs, drafted};
use crate::explain::Error;
use crate::keys::roots::Change;
use crate::keys::{KeyError, read_public};

const EXAMPLES: &str = "\
Examples:
  bundle root revoke 0123456789abcdef --reason \"laptop stolen\" --replace 0123456789abcdef=new.pub.pem
  bundle root revoke 0123456789abcdef --reason \"laptop stolen\" --root-threshold 1

A host refuses what such a key signed as soon as a bundle or the administrator brings it the new version.";

/// Draft the next version in which keys count no more, for ever.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The keys, of this or an earlier version
    #[arg(value_name = "ID", required = true)]
    keys: Vec<KeyId>,

    /// Why, for the people who sign this and for those whose host refuses a bundle
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Put a new key in the place of a revoked one, in every role it had (repeatable)
    #[arg(long, value_name = "ID=PUB.pem", value_parser = replacement)]
    replace: Vec<(KeyId, PathBuf)>,

    #[command(flatten)]
    thresholds: ThresholdArgs,

    #[command(flatten)]
    chain: ChainArgs,
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let revoked = |key: &KeyId| (key.clone(), args.reason.clone());
    let new = |(old, path): &(KeyId, PathBuf)| Ok((old.clone(), read_public(path)?));
    let change = Change {
        revoke: args.keys.iter().map(revoked).collect(),
        replace: args
            .replace
            .iter()
            .map(new)
            .collect::<Result<_, KeyError>>()?,
        root_threshold: args.thresholds.root_threshold,
        release_threshold: args.thresholds.release_threshold,
        ..Change::default()
    };
    drafted::draft(&args.chain.chain()?, &change, context)
}
