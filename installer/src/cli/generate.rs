//! `install generate`: completions and man pages from the same definition as the parser.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::shown;
use crate::failure::{Exit, Failure};
use crate::secure_fs;

/// Write completions and man pages.
#[derive(Debug, clap::Args)]
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

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let mut command = super::command();
    match &args.what {
        What::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "install", &mut script);
            std::io::stdout()
                .lock()
                .write_all(&script)
                .map_err(|error| not_written("the completions", &error))?;
        }
        What::Man { directory } => {
            let directory = std::path::absolute(directory)
                .map_err(|error| not_written(&shown(directory), &error))?;
            command.build();
            man(&command, "install", &directory)?;
        }
    }
    Ok(0)
}

fn man(command: &clap::Command, name: &str, directory: &Path) -> Result<(), Failure> {
    let path = directory.join(format!("{name}.1"));
    let named = command
        .clone()
        .name(clap::builder::Str::from(name.to_owned()));
    let mut page = Vec::new();
    clap_mangen::Man::new(named)
        .render(&mut page)
        .map_err(|error| not_written(&shown(&path), &error))?;
    secure_fs::write_atomic(&path, &page, 0o644)
        .map_err(|error| not_written(&shown(&path), &error))?;
    let visible = |below: &&clap::Command| !below.is_hide_set() && below.get_name() != "help";
    for below in command.get_subcommands().filter(visible) {
        man(below, &format!("{name}-{}", below.get_name()), directory)?;
    }
    Ok(())
}

fn not_written(what: &str, error: &dyn std::error::Error) -> Failure {
    let next = "name a directory that is there and has space: `install generate man DIR` writes a \
                page for each command, such as DIR/install-verify.1";
    Failure::because(Exit::Usage, format!("cannot write {what}"), error, next)
}
