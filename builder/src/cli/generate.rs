//! `bundle generate`: completions and man pages from the same definition as the parser.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, CommandFactory as _, Subcommand};

use super::{Cli, show};
use crate::explain::{Bug, Error};
use crate::output::Pending;

/// Write shell completions or man pages.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write completions to standard output.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write one man page per command into a directory.
    Man {
        /// The directory.
        directory: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let mut command = Cli::command();
    match &args.what {
        What::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "bundle", &mut script);
            show::text(&String::from_utf8_lossy(&script));
            Ok(())
        }
        What::Man { directory } => {
            command.build();
            man(&command, "bundle", directory)
        }
    }
}

fn man(command: &clap::Command, name: &str, directory: &Path) -> Result<(), Error> {
    let mut page = Vec::new();
    let named = command
        .clone()
        .name(clap::builder::Str::from(name.to_owned()));
    clap_mangen::Man::new(named)
        .render(&mut page)
        .map_err(|error| Bug::new("cannot write the man pages", error.to_string()))?;
    let path = directory.join(format!("{name}.1"));
    Pending::with_bytes(&path, &page, 0o644)?.commit()?;
    let visible = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    for subcommand in visible {
        man(
            subcommand,
            &format!("{name}-{}", subcommand.get_name()),
            directory,
        )?;
    }
    Ok(())
}
