//! `bundle root add-key`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use super::super::Context;
use super::{ChainArgs, ThresholdArgs, drafted};
use crate::explain::Error;
use crate::keys::read_public;
use crate::keys::roots::{Change, RoleChoice};

const EXAMPLES: &str = "\
Examples:
  bundle root add-key b.pub.pem --role root
  bundle root add-key c.pub.pem --role root --root-threshold 2
  bundle root add-key ci.pub.pem --role release

Several commands in a row change one draft: its version stays, and signatures it had are dropped.";

/// Draft the next version with one more key.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The public key
    #[arg(value_name = "PUB.pem")]
    key: PathBuf,

    /// What it signs
    #[arg(long, value_enum)]
    role: Role,

    #[command(flatten)]
    thresholds: ThresholdArgs,

    #[command(flatten)]
    chain: ChainArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Root documents.
    Root,
    /// Bundles.
    Release,
    /// Both.
    Both,
}

impl Role {
    /// Returns the role as the chain knows it.
    pub(super) const fn choice(self) -> RoleChoice {
        match self {
            Self::Root => RoleChoice::Root,
            Self::Release => RoleChoice::Release,
            Self::Both => RoleChoice::Both,
        }
    }
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    let change = Change {
        add: vec![(read_public(&args.key)?, args.role.choice())],
        root_threshold: args.thresholds.root_threshold,
        release_threshold: args.thresholds.release_threshold,
        ..Change::default()
    };
    drafted::draft(&args.chain.chain()?, &change, context)
}
