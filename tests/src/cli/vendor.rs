//! `lab vendor`: the fixture vendor as a server in the background.

#![expect(
    clippy::disallowed_methods,
    reason = "the state of the server is a real file"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Subcommand, ValueEnum};
use lab::isolated::{ProcessId, cache};
use lab::vendor::{Fixtures, Product, Profile, PublicKey, Vendor, VendorOptions};
use serde::{Deserialize, Serialize};

use super::background::Supervisor;

const START_DEADLINE: Duration = Duration::from_mins(15);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);
const REPOSITORIES: [&str; 5] = [
    "tyk-gateway",
    "tyk-dashboard",
    "tyk-pump",
    "acme-relay",
    "acme-base",
];

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the RPMs, keys and repositories, unless the cache has them
    Build,
    /// Serve them; prints the base URL
    Start {
        /// `bad` adds versions that fail in every way
        #[arg(long, value_enum, default_value_t = Serve::Good)]
        profile: Serve,
    },
    /// End the server
    Stop,
    /// Print, as JSON, where the server is, which keys it signs with and its product files
    Info,
    /// Be the server until the state file is removed
    #[command(hide = true)]
    Supervise {
        #[arg(long, value_enum)]
        profile: Serve,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Serve {
    Good,
    Bad,
}

/// What is known of the running server, as kept in the state file.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    base_url: String,
    supervisor: ProcessId,
    package_keys: BTreeMap<String, Key>,
    metadata_keys: BTreeMap<String, Key>,
    /// For `bundle build --product`: Tyk's manifest with this server's addresses and keys.
    product_file: PathBuf,
    /// The same of the second product.
    acme_product_file: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Key {
    fingerprint: String,
    file: PathBuf,
}

impl From<PublicKey> for Key {
    fn from(key: PublicKey) -> Self {
        Self {
            fingerprint: key.fingerprint,
            file: key.file,
        }
    }
}

impl Command {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Build => Fixtures::prepare().map(drop),
            Self::Start { profile } => start(profile),
            Self::Stop => stop(),
            Self::Info => info(),
            Self::Supervise { profile } => serve(profile),
        }
    }
}

fn start(profile: Serve) -> Result<()> {
    if let Some(state) = running()? {
        bail!("the vendor already serves {}", state.base_url);
    }
    let profile = match profile {
        Serve::Good => "good",
        Serve::Bad => "bad",
    };
    let words = ["vendor", "supervise", "--profile", profile].map(str::to_owned);
    let mut supervisor = Supervisor::start("vendor", &words)?;
    let started = Instant::now();
    while started.elapsed() < START_DEADLINE {
        supervisor.check()?;
        if let Some(state) = running()? {
            println!("{}", state.base_url);
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    bail!("the vendor is not up after {} s", START_DEADLINE.as_secs())
}

fn stop() -> Result<()> {
    let Some(state) = running()? else {
        return Ok(());
    };
    fs::remove_file(state_file())?;
    let started = Instant::now();
    while state.supervisor.is_alive() {
        if started.elapsed() > STOP_DEADLINE {
            bail!(
                "the vendor's supervisor ({}) does not end",
                state.supervisor.pid
            );
        }
        std::thread::sleep(POLL);
    }
    Supervisor::forget("vendor");
    Ok(())
}

fn info() -> Result<()> {
    let state = running()?.context("the vendor is not running; `lab vendor start` starts it")?;
    println!("{}", serde_json::to_string_pretty(&state)?);
    Ok(())
}

fn serve(profile: Serve) -> Result<()> {
    let fixtures = Fixtures::prepare()?;
    let options = VendorOptions {
        profile: match profile {
            Serve::Good => Profile::Good,
            Serve::Bad => Profile::Bad,
        },
        ..VendorOptions::default()
    };
    let vendor = Vendor::start(&fixtures, options)?;
    write_state(&State {
        base_url: vendor.base_url(),
        supervisor: ProcessId::current().context("this process is not in /proc")?,
        package_keys: package_keys(&fixtures)?,
        metadata_keys: REPOSITORIES
            .iter()
            .map(|repo| Ok(((*repo).to_owned(), fixtures.metadata_key(repo)?.into())))
            .collect::<Result<_>>()?,
        product_file: write_product(&fixtures, Product::Tyk, &vendor)?,
        acme_product_file: write_product(&fixtures, Product::Acme, &vendor)?,
    })?;
    while running()?.is_some() {
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn package_keys(fixtures: &Fixtures) -> Result<BTreeMap<String, Key>> {
    [("tyk", Product::Tyk), ("acme", Product::Acme)]
        .into_iter()
        .map(|(name, product)| Ok((name.to_owned(), fixtures.package_key(product)?.into())))
        .collect()
}

/// Writes the product manifest for a server; the next server's takes its place.
fn write_product(fixtures: &Fixtures, product: Product, vendor: &Vendor) -> Result<PathBuf> {
    let file = cache::directory().join(format!("vendor-{}.toml", product.name()));
    replace(
        &file,
        &fixtures.product_with_data_toml(product, &vendor.base_url())?,
    )?;
    Ok(file)
}

fn state_file() -> PathBuf {
    cache::directory().join("vendor.json")
}

fn write_state(state: &State) -> Result<()> {
    replace(&state_file(), &serde_json::to_string(state)?)
}

/// A reader finds the old text or the new one, never a part.
fn replace(file: &Path, text: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, file).with_context(|| format!("cannot write {}", file.display()))
}

/// The server of the state file, if it still runs.
fn running() -> Result<Option<State>> {
    let text = match fs::read_to_string(state_file()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let state: State = serde_json::from_str(&text)?;
    Ok(state.supervisor.is_alive().then_some(state))
}
