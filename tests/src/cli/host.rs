//! `lab host`: build, start, list, stop, and the power cut.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use lab::isolated::{
    Guest, HostError, HostRecord, Image, ProcessId, RpmDatabase, baseline, list, reap, unavailable,
};
use lab::vendor::Fixtures;

use super::background::Supervisor;
use super::exec;
use super::picture;
use super::stores;
use super::supervise::{self, power_cycle_marker};

const BOOT_DEADLINE: Duration = Duration::from_mins(3);
const BUILD_DEADLINE: Duration = Duration::from_mins(15);
const SHUTDOWN_DEADLINE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the images that hosts start from, unless the cache has them
    Build,
    /// Boot a host and leave it running
    Start(StartArgs),
    /// Run a command inside a host; its exit code is passed on
    Exec(exec::ExecArgs),
    /// Copy a file into a host
    Push(exec::PushArgs),
    /// Give a host real stores, filled if asked, and its components to them
    Stores(stores::Args),
    /// Print what is in a host's stores, sorted, for `diff`
    StoresPicture(picture::Args),
    /// Cut a host's power without warning, and switch it on again
    PowerCycle { name: String },
    /// Shut a host down and remove every trace of it
    Stop {
        name: String,
        /// Cut the power instead of shutting down
        #[arg(long)]
        hard: bool,
    },
    /// List the hosts
    List,
    /// Own a host until it is switched off
    #[command(hide = true)]
    Supervise(StartArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StartArgs {
    pub(super) name: String,
    /// Which Enterprise Linux /etc/os-release claims
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(7..=9))]
    pub(super) major: u8,
    /// What is installed already, such as tyk-5.2.5; made once and then kept
    #[arg(long)]
    pub(super) layer: Option<String>,
}

impl Command {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(reason) = unavailable() {
            bail!("{reason}");
        }
        match self {
            Self::Build => build()?,
            Self::Start(args) => start(&args)?,
            Self::Exec(args) => return args.run(),
            Self::Push(args) => args.run()?,
            Self::Stores(args) => args.run()?,
            Self::StoresPicture(args) => args.run()?,
            Self::PowerCycle { name } => power_cycle(&name)?,
            Self::Stop { name, hard } => stop(&name, hard)?,
            Self::List => print_list()?,
            Self::Supervise(args) => supervise::own_host(&args)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn build() -> Result<()> {
    let started = Instant::now();
    let fixtures = Fixtures::prepare()?;
    for database in [RpmDatabase::Sqlite, RpmDatabase::BerkeleyDb] {
        baseline::tyk_image(&Image::prepare_with(database)?, &fixtures, "5.2.5")?;
    }
    eprintln!(
        "images ready after {:.1} s",
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

fn start(args: &StartArgs) -> Result<()> {
    reap()?;
    if HostRecord::read(&args.name).is_ok() {
        bail!("there is a host {} already", args.name);
    }
    let mut words: Vec<String> = ["host", "supervise", &args.name, "--major"]
        .map(str::to_owned)
        .into();
    words.push(args.major.to_string());
    if let Some(layer) = &args.layer {
        words.extend(["--layer".to_owned(), layer.clone()]);
    }
    let started = Instant::now();
    let mut supervisor = Supervisor::start(&log_name(&args.name), &words)?;
    await_boot(&args.name, BUILD_DEADLINE, None, |_| supervisor.check())?;
    let seconds = started.elapsed().as_secs_f32();
    println!("host {} is running ({seconds:.1} s)", args.name);
    Ok(())
}

fn log_name(host: &str) -> String {
    format!("host-{host}")
}

/// Waits until the host is there and up, as long as `check` does not object. A `former` first
/// process may still be dying and does not count.
fn await_boot(
    name: &str,
    deadline: Duration,
    former: Option<ProcessId>,
    mut check: impl FnMut(Option<&HostRecord>) -> Result<()>,
) -> Result<()> {
    let started = Instant::now();
    loop {
        let record = HostRecord::read(name).ok();
        check(record.as_ref())?;
        if record.is_some_and(|record| record.is_running() && record.leader != former) {
            return Ok(Guest::attach(name)?.wait_running(BOOT_DEADLINE)?);
        }
        if started.elapsed() > deadline {
            bail!("host {name} is not up after {} s", deadline.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

fn power_cycle(name: &str) -> Result<()> {
    let leader = Guest::attach(name)?.leader()?;
    let marker = power_cycle_marker(name);
    exec::touch(&marker).with_context(|| format!("cannot make {}", marker.display()))?;
    leader.kill();
    await_boot(name, BOOT_DEADLINE, Some(leader), |record| match record {
        Some(record) if record.owner.is_alive() => Ok(()),
        _ => bail!("host {name} is gone"),
    })?;
    println!("host {name} lost power and is running again");
    Ok(())
}

fn stop(name: &str, hard: bool) -> Result<()> {
    reap()?;
    let guest = Guest::attach(name)?;
    if let Ok(leader) = guest.leader() {
        if hard || guest.run(&["systemctl", "poweroff", "--no-block"]).is_err() {
            leader.kill();
        }
        if !gone_within(name, SHUTDOWN_DEADLINE)? {
            leader.kill();
        }
    }
    if !gone_within(name, SHUTDOWN_DEADLINE)? {
        bail!("host {name} does not go; see `lab host list`");
    }
    Supervisor::forget(&log_name(name));
    println!("host {name} is gone");
    Ok(())
}

fn gone_within(name: &str, deadline: Duration) -> Result<bool> {
    let started = Instant::now();
    while started.elapsed() < deadline {
        match HostRecord::read(name) {
            Err(HostError::NoSuchHost(_)) => return Ok(true),
            Ok(record) if !record.owner.is_alive() => drop(reap()?),
            _ => std::thread::sleep(POLL),
        }
    }
    Ok(false)
}

fn print_list() -> Result<()> {
    reap()?;
    for host in list()? {
        let state = if host.is_running() { "running" } else { "off" };
        println!("{}\t{state}\t{}", host.id, host.root.display());
    }
    Ok(())
}
