//! The command line. Only this module uses `clap`, prints, and returns exit codes.
#![expect(clippy::print_stderr, reason = "this module prints for the user")]

mod after_run;
mod backup;
mod bundle;
mod close;
mod config_changes;
mod consent;
mod doctor;
mod examine;
mod execute;
mod generate;
mod history;
mod install;
mod inventory;
mod live;
mod mistyped;
mod plan;
mod progress;
mod question;
mod refusal;
mod render;
mod resume;
mod rollback;
mod sealing;
mod session;
mod start;
mod status;
mod support;
mod trust;
mod undo;
mod usage;
mod verify;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::failure::{Exit, Failure};
use session::Session;

/// Installs a signed bundle on this host, or shows what that would do.
#[derive(Debug, Parser)]
#[command(
    name = "install",
    version,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        ./install trust add root.json        enrol the builder's root document (once)\n  \
        ./install doctor                     check this host, without a bundle\n  \
        ./install plan bundle.tar.zst        show what would change, and all that speaks against it\n  \
        ./install bundle.tar.zst             upgrade; reverts by itself if anything fails\n  \
        ./install bundle.tar.zst.parts.json --parts-dir /media/disc2\n                                       \
        the same from parts, read where they lie\n  \
        ./install inventory -o host.json     describe this host for the builder\n  \
        ./install history                    list runs\n  \
        ./install undo 1                     go back to before run 1\n\n\
        Consents and limits for every run on this host: /etc/airgap-bundle/install.toml\n\
        (docs/site-file.md).\n\n\
        Exit codes: 0 ok, 1 internal, 2 usage, 3 verification failed, 4 refused by preflight,\n\
        5 failed and reverted, 6 failed and not as it was, 7 busy, 8 done but not well,\n\
         10 changes pending; of `status`: 11 at work, 12 recovering, 13 open; 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    install: install::Args,
    #[command(flatten)]
    common: Common,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Work on the host below this directory: rpm, state and trust; services are not touched.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "/",
        env = "INSTALL_ROOT"
    )]
    root: PathBuf,
    /// Form of the results on standard output.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "INSTALL_OUTPUT"
    )]
    output: Output,
    /// Another directory with parts of a split bundle, such as a mounted disc (repeatable); looked at
    /// before the directory of NAME.parts.json.
    #[arg(long, global = true, value_name = "DIR")]
    parts_dir: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Args),
    Plan(plan::Args),
    Doctor(doctor::Args),
    Inventory(inventory::Args),
    Trust(trust::Args),
    Status(status::Args),
    History(history::Args),
    Backup(backup::Args),
    Support(support::Args),
    ConfigChanges(config_changes::Args),
    Undo(undo::Args),
    #[command(hide = true)]
    Execute(execute::Args),
    Generate(generate::Args),
    Rollback(rollback::Args),
    #[command(visible_alias = "revert")]
    Resume(resume::Args),
    Close(close::Args),
}

/// Returns the definition of the command line.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    crate::secure_fs::close_to_others();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(failure) = usage::failure(&error) {
                render::failure(usage::wanted_output(), &failure);
                return ExitCode::from(failure.exit as u8);
            }
            let is_wrong = error.use_stderr();
            // Help and version. If printing fails, there is nothing left to try.
            let _ = error.print();
            return ExitCode::from(if is_wrong { Exit::Usage as u8 } else { 0 });
        }
    };
    let output = cli.common.output;
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            render::failure(output, &failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    let misplaced = |why: String, next: &str| {
        let what = "cannot read the command line";
        Err(Failure::new(Exit::Usage, what, why, next))
    };
    if let (Some(_), Some(word)) = (&cli.command, cli.install.bundle()) {
        return misplaced(
            format!("`{}` comes before a command", shown(word)),
            "name a bundle or a command, not both; `install --help` shows the commands",
        );
    }
    if cli.command.is_some() && cli.install.seal.is_used() {
        return misplaced(
            "--encrypt-backups-to comes before a command, where it has no effect".to_owned(),
            "put it after the command; `undo` and `rollback` take it too",
        );
    }
    let session = Session::new(cli.common);
    match &cli.command {
        None => install::run(&session, &cli.install),
        Some(Command::Verify(args)) => verify::run(&session, args),
        Some(Command::Plan(args)) => plan::run(&session, args),
        Some(Command::Doctor(args)) => doctor::run(&session, args),
        Some(Command::Inventory(args)) => inventory::run(&session, args),
        Some(Command::Trust(args)) => trust::run(&session, args),
        Some(Command::Status(args)) => status::run(&session, args),
        Some(Command::History(args)) => history::run(&session, args),
        Some(Command::Backup(args)) => backup::run(&session, args),
        Some(Command::Support(args)) => support::run(&session, args),
        Some(Command::ConfigChanges(args)) => config_changes::run(&session, args),
        Some(Command::Undo(args)) => undo::run(&session, args),
        Some(Command::Execute(args)) => execute::run(&session, args),
        Some(Command::Generate(args)) => generate::run(args),
        Some(Command::Rollback(args)) => rollback::run(&session, args),
        Some(Command::Resume(args)) => resume::run(&session, args),
        Some(Command::Close(args)) => close::run(&session, args),
    }
}

/// Registers the signals that ask a run to stop, and returns a check for them. rpm runs in another
/// session and finishes.
fn stop_signal() -> Result<impl Fn() -> bool, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(|error| {
            let what = "cannot watch for signals";
            Failure::because(Exit::Internal, what, &error, "report this")
        })?;
    }
    Ok(move || flag.load(Ordering::SeqCst))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use clap::{Command, Parser as _};

    /// clap would mix up an argument and a global flag of one name: `trust show X` once worked
    /// below X.
    fn no_argument_has_a_flags_name(flags: &Command, command: &Command) {
        for own in command.get_arguments().filter(|own| !own.is_global_set()) {
            let mut global = flags.get_arguments().filter(|flag| flag.is_global_set());
            assert!(
                global.all(|flag| flag.get_id() != own.get_id()),
                "{}: {}",
                command.get_name(),
                own.get_id()
            );
        }
        for below in command.get_subcommands() {
            no_argument_has_a_flags_name(flags, below);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        let command = super::command();
        command.clone().debug_assert();
        no_argument_has_a_flags_name(&command, &command);
    }

    #[test]
    fn each_refusal_has_its_exit_code() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing").display().to_string();
        let nothing = "0".repeat(64);
        let for_root = if rustix::process::geteuid().is_root() {
            2
        } else {
            4
        };
        let table: [(&[&str], u8); 13] = [
            (&["history"], 0),
            (&["status"], 0),
            (&["trust", "list"], 0),
            (&["--output", "json"], 2),
            (&["a-bundle", "history"], 2),
            (&["--encrypt-backups-to", "age1x", "history"], 2),
            (&["verify", &missing], 2),
            (&["history", "info", "7"], 2),
            (&["trust", "show", &nothing], 2),
            (&["generate", "man", &missing], 2),
            (&["resume"], for_root),
            (&["close", "7", "--as-it-is", "nothing is open"], for_root),
            (&["config-changes"], for_root),
        ];
        for (words, code) in table {
            let below = ["install", "--root", root.path().to_str().unwrap()];
            let all = below.into_iter().chain(words.iter().copied());
            let cli = super::Cli::try_parse_from(all).unwrap();
            let ended = super::run(cli).unwrap_or_else(|failure| failure.exit as u8);
            assert_eq!(ended, code, "{words:?}");
        }
    }
}
