//! Finds where a server of this host lives: its process, its unit, its directory and its files.
//!
//! A server that answers at an address of this host may still run elsewhere: in a container, or
//! behind a forwarded port. It runs here only if the process of its number listens at that port and
//! works in its directory. No clock decides: it may have been set since the server started.

use std::net::{ToSocketAddrs as _, UdpSocket};
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

use super::super::site::Site;
use super::client::{Server, field};
use crate::host::{Host, ProcessState};
use crate::stores::StoreError;

/// How a server records its writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Append {
    /// Not at all.
    Off,
    /// In one file, which may begin with a dump: Redis 4 to 6.
    File(String),
    /// In files of a directory with a manifest: Redis 7.
    Directory {
        /// Its name.
        directory: String,
        /// The common start of its files' names.
        stem: String,
    },
}

/// A process. The start time distinguishes it from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// When it started, in the kernel's ticks.
    pub(super) started: u64,
}

impl Process {
    /// Whether the process still runs; a zombie does not count.
    pub(super) fn is_alive(&self, host: &dyn Host) -> bool {
        let found = host.process(self.pid);
        found.is_some_and(|found| found.started == self.started && found.directory.is_some())
    }
}

/// The files of a server of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) process: Process,
    /// Its directory.
    pub(super) dir: String,
    /// The name of its dump.
    pub(super) dump: String,
    /// Whether the server writes its dump by itself.
    pub(super) saves: bool,
}

/// What a restore must know before the server is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Home {
    pub(super) place: Place,
    pub(super) unit: String,
    pub(super) append: Append,
}

/// Returns how to restore a dump by hand.
pub(super) fn by_hand() -> String {
    "restore it by hand where it runs, if need be: stop it, keep its files aside, put the dump in their \
     place and start it (docs/stores-redis.md, \"By hand\")"
        .to_owned()
}

fn no(server: &Server<'_>, why: impl Into<String>) -> StoreError {
    let what = format!("Redis at {} cannot be restored from here", server.address);
    StoreError::new(what, why, by_hand())
}

/// Collects what a restore on this host must know about a server.
pub(super) fn learn(server: &Server<'_>, info: &str, site: &Site<'_>) -> Result<Home, StoreError> {
    if field(info, "role") != Some("master") {
        return Err(no(
            server,
            "it is a replica, which takes its data from its master",
        ));
    }
    let place = place(server, info, site)?;
    let append = append(server, info, site)?;
    let process = site.host.process(place.process.pid);
    let unit = process.and_then(|process| process.service);
    let unit = unit.ok_or_else(|| no(server, "no systemd service runs it"))?;
    let state = site
        .host
        .unit(&unit)
        .map_err(|error| no(server, format!("systemd does not answer: {error}")))?;
    if state.main_pid != place.process.pid {
        return Err(no(
            server,
            format!("{unit} is not the service whose main process it is"),
        ));
    }
    Ok(Home {
        place,
        unit,
        append,
    })
}

/// Finds the process and the directory of a server that runs on this host.
pub(super) fn place(server: &Server<'_>, info: &str, site: &Site<'_>) -> Result<Place, StoreError> {
    if !is_here(&server.address.host) {
        return Err(no(server, "it runs on another host"));
    }
    let configured = |name: &str| -> Result<String, StoreError> {
        let value = setting(server, name, site)?;
        value.ok_or_else(|| no(server, format!("it does not report its setting {name}")))
    };
    let (dir, dump) = (configured("dir")?, configured("dbfilename")?);
    let saves = !configured("save")?.is_empty();
    if !dir.starts_with('/') || !is_name(&dump) {
        return Err(no(
            server,
            format!("its dump `{dir}/{dump}` has no plain name"),
        ));
    }
    let pid = field(info, "process_id").and_then(|text| text.parse::<u32>().ok());
    let process = pid.and_then(|pid| {
        let found = site.host.process(pid)?;
        let started = found.started;
        is_ours(&found, server.address.port, &dir).then_some(Process { pid, started })
    });
    let process = process.ok_or_else(|| {
        let why =
            "its process is not on this host: it runs in a container, or behind a forwarded port";
        no(server, why)
    })?;
    let again = server.ask("INFO server", site)?;
    if field(&again, "run_id") != field(info, "run_id") {
        return Err(no(server, "it was started again while it was looked at"));
    }
    Ok(Place {
        process,
        dir,
        dump,
        saves,
    })
}

/// Whether an address belongs to this host: only such an address can be bound. Nothing is sent.
fn is_here(host: &str) -> bool {
    let found = (host, 0).to_socket_addrs().into_iter().flatten();
    let mut found = found.peekable();
    found.peek().is_some() && found.all(|address| UdpSocket::bind(address).is_ok())
}

/// Whether a process listens at the server's port and works in the server's directory.
fn is_ours(process: &ProcessState, port: u16, dir: &str) -> bool {
    let found = std::fs::metadata(dir).ok();
    let dir = found.map(|found| (found.dev(), found.ino()));
    process.ports.contains(&port) && dir.is_some() && process.directory == dir
}

/// Asks for one setting by its own name; a question for all settings would return passwords too.
pub(super) fn setting(
    server: &Server<'_>,
    name: &str,
    site: &Site<'_>,
) -> Result<Option<String>, StoreError> {
    let answer = server
        .ask(&format!("CONFIG GET {name}"), site)
        .map_err(|refusal| no(server, refusal.error.why))?;
    let mut lines = answer.lines().map(str::trim_end);
    Ok((lines.next() == Some(name)).then(|| lines.next().unwrap_or("").to_owned()))
}

/// Finds how a server records its writes. Refuses a form that a dump cannot replace.
pub(super) fn append(
    server: &Server<'_>,
    info: &str,
    site: &Site<'_>,
) -> Result<Append, StoreError> {
    let asked = |name: &str| setting(server, name, site);
    match asked("appendonly")?.as_deref() {
        Some("no") => return Ok(Append::Off),
        Some("yes") => {}
        _ => return Err(no(server, "it does not report whether it is append-only")),
    }
    let stem = asked("appendfilename")?.filter(|name| is_name(name));
    let Some(stem) = stem else {
        return Err(no(
            server,
            "it does not report the name of its append-only file",
        ));
    };
    if let Some(directory) = asked("appenddirname")?.filter(|name| is_name(name)) {
        return Ok(Append::Directory { directory, stem });
    }
    if asked("aof-use-rdb-preamble")?.as_deref() == Some("yes") {
        return Ok(Append::File(stem));
    }
    let version = field(info, "redis_version").unwrap_or("of this version");
    let why = format!(
        "it is append-only, and Redis {version} with aof-use-rdb-preamble off (or before 4) does not \
         start from a dump"
    );
    Err(no(server, why))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_host_are_known() {
        assert!(is_here("127.0.0.1") && is_here("localhost"));
        // Reserved for documentation (RFC 5737).
        assert!(!is_here("192.0.2.1") && !is_here("no-such-host.invalid"));
    }
}
