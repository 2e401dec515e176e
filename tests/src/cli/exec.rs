//! `lab host exec` and `lab host push`.

#![expect(
    clippy::disallowed_methods,
    reason = "the marker of a power cycle is a real file"
)]

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use anyhow::Result;
use clap::Args;
use lab::isolated::Guest;

#[derive(Args, Debug)]
pub(crate) struct ExecArgs {
    name: String,
    /// Run it as this user of the host
    #[arg(long, default_value = "root")]
    user: String,
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    name: String,
    source: PathBuf,
    destination: PathBuf,
    #[arg(long, default_value = "0644", value_parser = octal)]
    mode: u32,
}

impl ExecArgs {
    pub(super) fn run(self) -> Result<ExitCode> {
        let guest = Guest::attach(&self.name)?;
        let mut command = guest.command(&self.command);
        if self.user != "root" {
            command = command.user(&self.user);
        }
        Ok(ExitCode::from(shell_code(command.run_attached()?)))
    }
}

impl PushArgs {
    pub(super) fn run(self) -> Result<()> {
        let guest = Guest::attach(&self.name)?;
        Ok(guest.copy_in(&self.source, &self.destination, self.mode)?)
    }
}

/// The code a shell would give: that of the program, or 128 and the signal.
fn shell_code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn octal(text: &str) -> Result<u32, std::num::ParseIntError> {
    u32::from_str_radix(text, 8)
}

pub(super) fn touch(path: &Path) -> io::Result<()> {
    File::create(path).map(drop)
}
