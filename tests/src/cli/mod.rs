//! The command line: one file per group of commands. Results go to standard output, progress and
//! errors to standard error.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

mod background;
mod baseline;
mod exec;
mod full;
mod host;
mod hostile;
mod picture;
mod power;
mod stores;
mod supervise;
mod sweep;
mod vendor;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The test lab: a fixture vendor that publishes RPMs, and isolated hosts that have no network.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    after_help = "Images, hosts and fixtures are kept in $AIRGAP_LAB_CACHE \
                  (/var/cache/airgap-bundle-lab)."
)]
struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Isolated hosts: a real systemd and rpm, and only loopback for a network
    #[command(subcommand)]
    Host(host::Command),
    /// The vendor that publishes the packages
    #[command(subcommand)]
    Vendor(vendor::Command),
    /// Hostile bundles, to be tried on any program
    #[command(subcommand)]
    Hostile(hostile::Command),
    /// Kill upgrades at moments that a seed chooses, and judge what is left
    #[command(subcommand)]
    Sweep(sweep::Command),
    /// Install the vendor's gateway, dashboard and pump on a running host
    TykBaseline(baseline::Args),
}

pub(crate) fn main() -> ExitCode {
    let outcome = match Lab::parse().command {
        Command::Host(command) => command.run(),
        Command::Vendor(command) => command.run().map(|()| ExitCode::SUCCESS),
        Command::Hostile(command) => command.run().map(|()| ExitCode::SUCCESS),
        Command::Sweep(command) => command.run(),
        Command::TykBaseline(args) => args.run().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("lab: {error:#}");
        ExitCode::FAILURE
    })
}
