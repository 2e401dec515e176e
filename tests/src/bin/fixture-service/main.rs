//! The fixture vendor's programs: one small HTTP server that plays the gateway, the dashboard, the
//! pump, and the two programs of an invented second product.
//!
//! Role, version and behaviour stand in a trailer behind the ELF image (see [`identity`]), so every
//! packaged version has different bytes. It is built by `rustc` alone and uses only `std`, because
//! it must run on a bare host and be quick to build on any machine; where a configuration names a
//! store that `std` does not speak to, the host's own client does (see [`child`]).

#![expect(
    clippy::print_stderr,
    reason = "a service logs to standard error, for the journal"
)]
#![expect(
    clippy::print_stdout,
    reason = "the version and the plugin verdict are results"
)]

mod behaviour;
mod child;
mod config;
mod dsn;
mod http;
mod identity;
mod json;
mod migration;
mod plugin;
mod postgres;
mod pump;
mod redis;
mod role;
mod schema;
mod vitals;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use behaviour::Behaviour;
use config::Config;
use identity::Identity;
use role::{Role, Service};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let identity = match Identity::of_this_program() {
        Ok(identity) => identity,
        Err(error) => {
            eprintln!("fixture-service: {error}");
            return ExitCode::from(2);
        }
    };
    match arguments.first().map(String::as_str) {
        Some("--version" | "version") => {
            println!("{}", identity.version);
            ExitCode::SUCCESS
        }
        Some("plugin") => plugin::load(&identity.version, &arguments),
        _ => match serve(identity, &arguments) {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Runs the service until its behaviour ends it; the code is what the process exits with.
fn serve(identity: Identity, arguments: &[String]) -> Result<u8, String> {
    let behaviour = match std::env::var("LAB_BEHAVIOUR") {
        Ok(text) => Behaviour::parse(&text)?,
        Err(_) => identity.behaviour.clone(),
    };
    if let Behaviour::ExitAtOnce { code } = behaviour {
        return Ok(code);
    }
    let config = Config::read(&config_path(arguments)?, identity.role.environment_prefix())?;
    schema::migrate(identity.role, &identity.version, &config)?;
    let migrated = migration::run(identity.role, &identity.version, &config)?;
    let port = match behaviour {
        Behaviour::WrongPort { port } => port,
        _ => identity.role.port(&config)?,
    };
    eprintln!(
        "{} {} (build {})",
        identity.role.title(),
        identity.version,
        identity.build
    );
    let address = config
        .word(&["listen_address"])
        .unwrap_or("0.0.0.0".to_owned());
    let listener = match behaviour {
        Behaviour::NeverListens => None,
        _ => Some(
            TcpListener::bind((address.as_str(), port))
                .map_err(|error| format!("listen tcp {address}:{port}: {error}"))?,
        ),
    };
    let exit = behaviour.clone();
    let service = Arc::new(Service::new(identity, behaviour, &config));
    service.look_first(&config, migrated);
    if let Some(listener) = listener {
        eprintln!("listening on port {port}");
        let serving = Arc::clone(&service);
        std::thread::spawn(move || http::serve(&listener, &serving));
    }
    if service.identity.role == Role::Pump {
        pump::start(&config)?;
    }
    service.watch_stores(config, migrated);
    Ok(wait(&exit))
}

/// Sleeps for as long as the service lives.
fn wait(behaviour: &Behaviour) -> u8 {
    if let Behaviour::ExitAfter { secs, code } = *behaviour {
        std::thread::sleep(Duration::from_secs(secs));
        eprintln!("panic: runtime error: invalid memory address or nil pointer dereference");
        return code;
    }
    loop {
        std::thread::sleep(Duration::from_hours(1));
    }
}

/// The file after `--conf` or `-c`.
fn config_path(arguments: &[String]) -> Result<PathBuf, String> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--conf" || argument == "-c" {
            return rest
                .next()
                .map(PathBuf::from)
                .ok_or(format!("{argument} needs a file"));
        }
        if let Some(file) = argument.strip_prefix("--conf=") {
            return Ok(PathBuf::from(file));
        }
    }
    Err("usage: --conf FILE | -c FILE | --version | plugin load -f FILE -s SYMBOL".to_owned())
}
