//! Completions and man pages, from the same definition as the parser.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::{Cli, GenerateCommand};
use crate::failure::{Exit, Failure};

pub(super) fn run(what: &GenerateCommand) -> Result<u8, Failure> {
    let mut command = Cli::command();
    let mut text = Vec::new();
    match what {
        GenerateCommand::Completions { shell } => {
            clap_complete::generate(*shell, &mut command, "install", &mut text);
        }
        GenerateCommand::Man { command: name } => {
            let page = page(&mut command, name.as_deref())?;
            page.render(&mut text).map_err(|error| broken(&error))?;
        }
    }
    std::io::stdout()
        .lock()
        .write_all(&text)
        .map_err(|error| broken(&error))?;
    Ok(0)
}

fn page(command: &mut clap::Command, name: Option<&str>) -> Result<clap_mangen::Man, Failure> {
    let Some(name) = name else {
        return Ok(clap_mangen::Man::new(command.clone()));
    };
    command.build();
    let names: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let known = names.join(", ");
    let found = command.find_subcommand(name).ok_or_else(|| {
        let why = format!("the commands are {known}");
        Failure::new(
            Exit::Usage,
            format!("there is no command `{name}`"),
            why,
            "name one of them",
        )
    })?;
    let full = clap::builder::Str::from(format!("install-{name}"));
    Ok(clap_mangen::Man::new(found.clone().name(full)))
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::because(
        Exit::Internal,
        "cannot write the text",
        error,
        "check where it goes",
    )
}
