//! The command line. `clap`, printing and exit codes live here and nowhere below.
#![expect(clippy::print_stderr, reason = "this room talks to the user")]

mod backup;
mod config_changes;
mod execute;
mod generate;
mod install;
mod inventory;
mod render;
mod sealing;
mod support;
mod trust;
mod undo;
mod view;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::failure::{Exit, Failure};
use crate::history::Retention;
use crate::host::linux::LinuxHost;
use crate::layout::Layout;

/// Installs a signed bundle on this host, or shows what that would do.
#[derive(Debug, Parser)]
#[command(
    name = "install",
    version,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        ./install trust add root.json        enrol the builder's root document (once)\n  \
        ./install plan bundle.tar.zst        show what would change\n  \
        ./install bundle.tar.zst             upgrade; reverts by itself if anything fails\n  \
        ./install bundle.tar.zst.parts.json --parts-dir /media/disc2\n                                       \
        the same from parts, read where they lie\n  \
        ./install inventory -o host.json     tell the builder what this host runs\n  \
        ./install history                    list runs\n  \
        ./install undo 1                     go back to before run 1\n\n\
        Exit codes: 0 ok, 1 internal, 2 usage, 3 verification failed, 4 refused by preflight,\n\
        5 failed and reverted, 6 revert failed, 7 busy, 10 changes pending, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    install: install::InstallArgs,
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
    /// Verify every byte of a bundle against the enrolled trust roots.
    Verify {
        /// The bundle, or the NAME.parts.json of a split one.
        bundle: PathBuf,
    },
    /// Show what installing a bundle would change; works for an ordinary user.
    Plan {
        /// The bundle, or the NAME.parts.json of a split one.
        bundle: PathBuf,
        /// Exit with 10 if something would change.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        consent: install::ConsentArgs,
    },
    /// Write down what this host runs, for `bundle build --inventory`; works for an ordinary user.
    Inventory(inventory::InventoryArgs),
    /// Enrol, renew, list, show or remove trust roots.
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Show whether a run is open, and what is installed.
    Status {
        /// Show the progress of the run that is at work, until it is closed.
        #[arg(long)]
        follow: bool,
    },
    /// List the runs on this host.
    History {
        /// Show one run: `info ID`.
        #[command(subcommand)]
        command: Option<HistoryCommand>,
    },
    /// Show, check, restore or remove what runs saved.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Write an archive for the vendor: reports, journals, logs, facts of rpm and systemd; no secrets.
    Support(support::SupportArgs),
    /// Show what an upgrade did to configuration files: old default, yours, new default.
    ConfigChanges(config_changes::ConfigChangesArgs),
    /// Go back to before a run: packages and configuration, as a new run.
    Undo {
        /// The run, as `install history` lists it.
        id: u64,
        /// Longest wait for rpm's lock, in seconds.
        #[arg(long, default_value_t = 300, value_name = "SECS")]
        lock_wait: u64,
        #[command(flatten)]
        args: undo::UndoArgs,
    },
    /// Execute a prepared run; the run unit's process.
    #[command(hide = true)]
    Execute {
        /// The run.
        id: u64,
        /// Longest wait for rpm's lock, in seconds.
        #[arg(long, default_value_t = 300, value_name = "SECS")]
        lock_wait: u64,
    },
    /// Write completions and man pages.
    #[command(hide = true)]
    Generate {
        /// What to write.
        #[command(subcommand)]
        what: GenerateCommand,
    },
    /// Undo everything after a run, newest first; 0 is before the first run.
    Rollback {
        /// The run to go back to, as `install history` lists it.
        id: u64,
        /// Longest wait for rpm's lock, in seconds.
        #[arg(long, default_value_t = 300, value_name = "SECS")]
        lock_wait: u64,
        #[command(flatten)]
        args: undo::UndoArgs,
    },
    /// Close a run that was cut off, or whose revert failed: forward if it had reached its target,
    /// else back to before it.
    #[command(visible_alias = "revert")]
    Resume {
        /// Exit with 0 whichever way it went, as the boot unit needs it.
        #[arg(long, hide = true)]
        unattended: bool,
        /// Longest wait for rpm's lock, in seconds.
        #[arg(long, default_value_t = 300, value_name = "SECS")]
        lock_wait: u64,
    },
}

#[derive(Debug, Subcommand)]
enum GenerateCommand {
    /// Write completions to standard output.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man page of a command to standard output; without one, of `install` itself.
    Man {
        /// The command.
        command: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum HistoryCommand {
    /// Show one run.
    Info {
        /// The run.
        id: u64,
    },
    /// Remove old runs and the RPMs that only they need; done after each run too.
    Prune {
        /// Runs to keep, the newest.
        #[arg(long, default_value_t = 20)]
        keep_runs: usize,
        /// Most RPMs to keep, in MiB.
        #[arg(long, default_value_t = 8192)]
        keep_mib: u64,
    },
}

/// Where a command works, and how it talks.
struct Place {
    layout: Layout,
    host: LinuxHost,
    output: Output,
    parts_dirs: Vec<PathBuf>,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    crate::secure_fs::close_to_others();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                Exit::Usage as u8
            } else {
                0
            };
            // Nothing better can be done when even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            render::failure(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    if let (Some(_), Some(word)) = (&cli.command, cli.install.bundle()) {
        let why = format!("`{}` stands before a command", shown(word));
        let next = "name a bundle or a command, not both; `install --help` shows the commands";
        return Err(Failure::new(
            Exit::Usage,
            "cannot read the command line",
            why,
            next,
        ));
    }
    if cli.command.is_some() && cli.install.seal.is_used() {
        return Err(Failure::new(
            Exit::Usage,
            "cannot read the command line",
            "--encrypt-backups-to stands before a command, where nobody would see it",
            "put it after the command; `undo` and `rollback` take it too",
        ));
    }
    let layout = Layout::new(&cli.common.root);
    let host = LinuxHost::new(&layout);
    let place = Place {
        layout,
        host,
        output: cli.common.output,
        parts_dirs: cli.common.parts_dir,
    };
    match cli.command {
        None => install::run(&place, &cli.install),
        Some(Command::Verify { bundle }) => view::verify(&place, &bundle),
        Some(Command::Plan {
            bundle,
            check,
            consent,
        }) => view::plan(&place, &bundle, check, &consent),
        Some(Command::Inventory(args)) => inventory::run(&place, &args),
        Some(Command::Support(args)) => support::run(&place, &args),
        Some(Command::Backup(command)) => backup::run(&place, &command),
        Some(Command::Trust(command)) => trust::run(&place, &command),
        Some(Command::Status { follow: false }) => view::status(&place),
        Some(Command::Status { follow: true }) => execute::follow_open(&place),
        Some(Command::Execute { id, lock_wait }) => execute::execute(&place, id, lock_wait),
        Some(Command::Generate { what }) => generate::run(&what),
        Some(Command::History { command: None }) => view::history(&place),
        Some(Command::History {
            command: Some(HistoryCommand::Info { id }),
        }) => view::history_info(&place, id),
        Some(Command::History {
            command:
                Some(HistoryCommand::Prune {
                    keep_runs,
                    keep_mib,
                }),
        }) => {
            let store_bytes = keep_mib.saturating_mul(1024 * 1024);
            view::prune(
                &place,
                Retention {
                    runs: keep_runs,
                    store_bytes,
                },
            )
        }
        Some(Command::ConfigChanges(args)) => config_changes::run(&place, &args),
        Some(Command::Rollback {
            id,
            lock_wait,
            args,
        }) => undo::rollback(&place, id, lock_wait, &args),
        Some(Command::Undo {
            id,
            lock_wait,
            args,
        }) => undo::undo(&place, id, lock_wait, &args),
        Some(Command::Resume {
            unattended,
            lock_wait,
        }) => execute::resume(&place, unattended, lock_wait),
    }
}

/// Refuses an ordinary user before anything is read.
fn require_root(what: &str) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!("cannot {what}"),
        "this needs root, and the caller is not",
        "run it again as root; `install plan` and `install verify` work for everybody",
    ))
}

/// Registers the signals that ask a run to stop. rpm itself is in another session and finishes.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(|error| {
            Failure::because(
                Exit::Internal,
                "cannot watch for signals",
                &error,
                "report this",
            )
        })?;
    }
    Ok(flag)
}

fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::SeqCst)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    /// A value of the one would be taken for the other's: `trust show X` once worked below X.
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
        let command = super::Cli::command();
        command.clone().debug_assert();
        no_argument_has_a_flags_name(&command, &command);
    }
}
