//! `bundle root rotate`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum as _};
use manifests::signature::KeyId;

use super::super::Context;
use super::add_key::Role;
use super::{ChainArgs, ThresholdArgs, drafted};
use crate::explain::Error;
use crate::keys::roots::Change;
use crate::keys::{KeyError, read_public};

const EXAMPLES: &str = "\
Examples:
  bundle root rotate --replace 0123456789abcdef=new.pub.pem
  bundle root rotate --remove 0123456789abcdef --root-threshold 1
  bundle root rotate --remove 0123456789abcdef=root --root-threshold 2
  bundle root rotate --root-threshold 3

A key that goes this way has merely retired. One that someone else may have is for `bundle root revoke`.";

/// Draft the next version with other keys or thresholds.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Put a new key in the place of an old one, in every role it has (repeatable).
    #[arg(long, value_name = "OLDID=PUB.pem", value_parser = replacement)]
    replace: Vec<(KeyId, PathBuf)>,

    /// Let a key go, from both roles or from one (repeatable).
    #[arg(long, value_name = "ID[=ROLE]", value_parser = removal)]
    remove: Vec<(KeyId, Role)>,

    #[command(flatten)]
    thresholds: ThresholdArgs,

    #[command(flatten)]
    chain: ChainArgs,
}

/// Reads `OLDID=PUB.pem`.
pub(super) fn replacement(text: &str) -> Result<(KeyId, PathBuf), String> {
    let (old, new) = text
        .split_once('=')
        .ok_or("write OLDID=PUB.pem, such as 0123456789abcdef=new.pub.pem")?;
    let old = old.parse().map_err(|error| format!("{error}"))?;
    Ok((old, PathBuf::from(new)))
}

/// Reads `ID`, `ID=root` or `ID=release`.
fn removal(text: &str) -> Result<(KeyId, Role), String> {
    let (id, role) = text.split_once('=').unwrap_or((text, "both"));
    let id = id.parse().map_err(|error| format!("{error}"))?;
    Ok((id, Role::from_str(role, false)?))
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let new = |(old, path): &(KeyId, PathBuf)| Ok((old.clone(), read_public(path)?));
    let change = Change {
        replace: args
            .replace
            .iter()
            .map(new)
            .collect::<Result<_, KeyError>>()?,
        remove: args
            .remove
            .iter()
            .map(|(id, role)| (id.clone(), role.choice()))
            .collect(),
        root_threshold: args.thresholds.root_threshold,
        release_threshold: args.thresholds.release_threshold,
        ..Change::default()
    };
    drafted::draft(&args.chain.chain()?, &change, context)
}
