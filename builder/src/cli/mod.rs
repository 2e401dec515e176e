//! The command line: one file per subcommand, and nothing but translation between words and rooms.

mod access;
mod build;
mod confirm;
mod diff;
mod digest;
mod extract;
mod generate;
mod inspect;
mod join;
mod key;
mod lock;
mod origin;
mod places;
mod product;
mod progress;
mod repair;
mod root;
mod show;
mod sign;
mod split;
mod verify;
mod versions;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::explain::Error;
use crate::interrupt;

const EXAMPLES: &str = "\
Examples:
  bundle build --version 5.3 --distro el8
  bundle build --version 5.3 --distro el8,el9 --arch x86_64 --from 5.2 -o out/bundle.tar.zst
  bundle lock --version 5.3 --distro el8 -o out/bundle.lock.json
  bundle build --locked out/bundle.lock.json -o again/bundle.tar.zst
  bundle versions --distro el8
  bundle verify bundle.tar.zst
  bundle extract bundle.tar.zst --to review docs
  bundle diff old/bundle.tar.zst bundle.tar.zst
  bundle split bundle.tar.zst --size 4480M

Exit codes: 0 ok, 1 internal, 2 usage, 3 verification failed, 130 interrupted.";

/// Builds signed upgrade bundles for hosts without a network.
#[derive(Debug, Parser)]
#[command(name = "bundle", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Format of the results on standard output, and of progress and errors on standard error.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, env = "BUNDLE_OUTPUT")]
    output: Format,

    /// Show no progress.
    #[arg(long, global = true, env = "BUNDLE_QUIET")]
    quiet: bool,

    #[command(subcommand)]
    command: Command,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Args>),
    Lock(Box<lock::Args>),
    Versions(versions::Args),
    Product(product::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Extract(extract::Args),
    Diff(diff::Args),
    Split(split::Args),
    Join(join::Args),
    Repair(repair::Args),
    Digest(digest::Args),
    Sign(sign::Args),
    Key(key::Args),
    Root(root::Args),
    Generate(generate::Args),
}

/// What every subcommand gets.
#[derive(Debug, Clone, Copy)]
struct Context {
    format: Format,
    quiet: bool,
}

/// Returns the definition of the command line.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    interrupt::listen();
    let context = Context {
        format: cli.output,
        quiet: cli.quiet,
    };
    let result = match cli.command {
        Command::Build(args) => matches
            .subcommand_matches("build")
            .map_or(Ok(()), build::check_flags)
            .and_then(|()| build::run(&args, context)),
        Command::Lock(args) => matches
            .subcommand_matches("lock")
            .map_or(Ok(()), lock::check_flags)
            .and_then(|()| lock::run(&args, context)),
        Command::Versions(args) => versions::run(&args, context),
        Command::Product(args) => product::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Extract(args) => extract::run(&args, context),
        Command::Diff(args) => diff::run(&args, context),
        Command::Split(args) => split::run(&args, context),
        Command::Join(args) => join::run(&args, context),
        Command::Repair(args) => repair::run(&args, context),
        Command::Digest(args) => digest::run(&args, context),
        Command::Sign(args) => sign::run(&args, context),
        Command::Key(args) => key::run(&args, context),
        Command::Root(args) => root::run(&args, context),
        Command::Generate(args) => generate::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, context.format),
    }
}

fn fail(error: &Error, format: Format) -> ExitCode {
    show::error(&error.explain(), error.exit(), format);
    error.exit().into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
