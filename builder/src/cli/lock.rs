//! `bundle lock`.

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args as ClapArgs};

use super::{Context, build};
use crate::explain::{Error, usage};

const EXAMPLES: &str = "\
Examples:
  bundle lock --version 5.3 --distro el8
  bundle lock --version 5.3.2 --distro el8,el9 --from 5.2 -o tyk.lock.json
  bundle build --locked bundle.lock.json

A package whose bytes changed under its name since the lock before, or since this one, is an alarm
with both digests; --accept-replaced takes the new bytes when locking.";

/// Resolve, download and check what a bundle would hold, and write its lock alone.
///
/// `bundle build --locked` then builds exactly that: the same lock gives the same bytes.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = EXAMPLES,
    mut_arg("out", |arg| arg
        .help("Where the lock goes")
        .default_value("./bundle.lock.json")
        .env(Resettable::Reset)),
    mut_arg("lock", |arg| arg.hide(true)),
    mut_arg("locked", |arg| arg.hide(true)),
    mut_arg("split", |arg| arg.hide(true)),
    mut_arg("plan", |arg| arg.hide(true)),
    mut_arg("unsigned", |arg| arg.hide(true)),
    mut_arg("key", |arg| arg.hide(true)),
    mut_arg("passphrase_file", |arg| arg.hide(true)),
)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    request: build::Args,
}

/// What writes a bundle, or none at all.
const FOR_BUILD: [&str; 7] = [
    "locked",
    "plan",
    "split",
    "compression_threads",
    "unsigned",
    "key",
    "passphrase_file",
];

/// Refuses flags of `build` that mean nothing here.
pub(super) fn check_flags(matches: &ArgMatches) -> Result<(), Error> {
    let named = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    match FOR_BUILD.iter().find(|id| named(id)) {
        None => Ok(()),
        Some(id) => Err(usage(
            "cannot lock",
            format!("--{} belongs to `bundle build`", id.replace('_', "-")),
            "leave it out; `bundle build --plan` shows the choice without fetching packages",
        )),
    }
}

pub(super) fn run(args: &Args, context: Context) -> Result<(), Error> {
    build::run_lock(&args.request, context)
}
