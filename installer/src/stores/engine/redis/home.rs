//! Where a server of this host lives: its process, its unit, its directory and its files.
//!
//! A server that answers at an address of this host may still be another's: in a container, or behind a
//! port that is passed on. Only when process id, age and working directory agree is it ours.

use std::net::{ToSocketAddrs as _, UdpSocket};
use std::os::unix::fs::MetadataExt as _;

use serde::{Deserialize, Serialize};

use super::ask::{Server, Until, field};
use crate::host::systemd;
use crate::stores::StoreError;

/// Kernel ticks per second, as `/proc` counts on every architecture that this project knows.
const TICKS: u64 = 100;
/// Between the server's word about its age and ours some questions were asked.
const AGE_DIFFERENCE: u64 = 60;

/// How a server writes down what it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Append {
    /// Not at all.
    Off,
    /// Into one file, which may begin as a dump: Redis 4 to 6.
    File(String),
    /// Into files in a directory, listed in a manifest: Redis 7.
    Directory {
        /// Its name.
        directory: String,
        /// What the names of its files begin with.
        stem: String,
    },
}

/// A process, which is another one when its number is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// When it started, in the kernel's ticks.
    pub(super) started: u64,
}

impl Process {
    /// Finds a process by its number.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let started = started(&stat)?;
        Some(Self { pid, started })
    }

    /// Whether it is there yet; one that ended and waits for its parent is not.
    pub(super) fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
            && std::fs::metadata(format!("/proc/{}/cwd", self.pid)).is_ok()
    }
}

fn started(stat: &str) -> Option<u64> {
    // The name of a program may hold anything, blanks and brackets too.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// The files of a server of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) process: Process,
    /// Its directory.
    pub(super) dir: String,
    /// The name of its dump.
    pub(super) dump: String,
    /// Whether it writes its dump by itself.
    pub(super) saves: bool,
}

/// Everything that a restore needs to know once the server is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Home {
    pub(super) place: Place,
    pub(super) unit: String,
    pub(super) append: Append,
}

/// Says how a dump is restored without us.
pub(super) fn by_hand() -> String {
    "restore it by hand where it runs, if need be: stop it, keep its files aside, put the dump in their \
     place and start it (docs/stores-redis.md, \"By hand\")"
        .to_owned()
}

fn no(server: &Server<'_>, why: impl Into<String>) -> StoreError {
    let what = format!("Redis at {} cannot be restored from here", server.address);
    StoreError::new(what, why, by_hand())
}

/// Learns everything about a server that a restore here needs.
pub(super) fn learn(
    server: &Server<'_>,
    info: &str,
    until: &Until<'_>,
) -> Result<Home, StoreError> {
    if field(info, "role") != Some("master") {
        return Err(no(
            server,
            "it is a replica, which takes its data from its master",
        ));
    }
    let place = place(server, info, until)?;
    let append = append(server, info, until)?;
    let cgroup = std::fs::read_to_string(format!("/proc/{}/cgroup", place.process.pid));
    let cgroup = cgroup.map_err(|error| no(server, format!("its service is unknown: {error}")))?;
    let unit = unit_of(&cgroup).ok_or_else(|| no(server, "no systemd service runs it"))?;
    let state = systemd::unit(&unit)
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

/// Finds process and directory of a server, if it is one of this host.
pub(super) fn place(
    server: &Server<'_>,
    info: &str,
    until: &Until<'_>,
) -> Result<Place, StoreError> {
    if !is_here(&server.address.host) {
        return Err(no(server, "it runs on another host"));
    }
    let configured = |name: &str| -> Result<String, StoreError> {
        let value = setting(server, name, until)?;
        value.ok_or_else(|| {
            no(
                server,
                format!("it does not say what its setting {name} is"),
            )
        })
    };
    let (dir, dump) = (configured("dir")?, configured("dbfilename")?);
    let saves = !configured("save")?.is_empty();
    if !dir.starts_with('/') || !is_name(&dump) {
        return Err(no(
            server,
            format!("its dump `{dir}/{dump}` has no plain name"),
        ));
    }
    let number = |name: &str| field(info, name).and_then(|text| text.parse::<u64>().ok());
    let pid = number("process_id").and_then(|pid| u32::try_from(pid).ok());
    let process = pid.and_then(Process::of);
    let process = process.filter(|process| {
        is_of_age(process, number("uptime_in_seconds")) && works_in(process, &dir)
    });
    let process = process.ok_or_else(|| {
        let why =
            "its process is not on this host: it runs in a container, or behind a forwarded port";
        no(server, why)
    })?;
    Ok(Place {
        process,
        dir,
        dump,
        saves,
    })
}

/// Whether an address is this host's: one can only listen at one's own. Nothing is sent.
fn is_here(host: &str) -> bool {
    let found = (host, 0).to_socket_addrs().into_iter().flatten();
    let mut found = found.peekable();
    found.peek().is_some() && found.all(|address| UdpSocket::bind(address).is_ok())
}

fn is_of_age(process: &Process, told: Option<u64>) -> bool {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime = uptime
        .split('.')
        .next()
        .and_then(|text| text.parse::<u64>().ok());
    let age = uptime.map(|uptime| uptime.saturating_sub(process.started / TICKS));
    age.zip(told)
        .is_some_and(|(age, told)| age.abs_diff(told) <= AGE_DIFFERENCE)
}

fn works_in(process: &Process, dir: &str) -> bool {
    let identity = |path: &str| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    let own = identity(&format!("/proc/{}/cwd", process.pid));
    own.is_some() && own == identity(dir)
}

/// Asks for one setting, by its own name: asked for all of them, a server tells its passwords too.
pub(super) fn setting(
    server: &Server<'_>,
    name: &str,
    until: &Until<'_>,
) -> Result<Option<String>, StoreError> {
    let answer = server
        .ask(&format!("CONFIG GET {name}"), until)
        .map_err(|refusal| no(server, refusal.error.why))?;
    let mut lines = answer.lines().map(str::trim_end);
    Ok((lines.next() == Some(name)).then(|| lines.next().unwrap_or("").to_owned()))
}

/// Learns how a server writes down what it is told; refused is what no dump can take the place of.
pub(super) fn append(
    server: &Server<'_>,
    info: &str,
    until: &Until<'_>,
) -> Result<Append, StoreError> {
    let asked = |name: &str| setting(server, name, until);
    match asked("appendonly")?.as_deref() {
        Some("no") => return Ok(Append::Off),
        Some("yes") => {}
        _ => return Err(no(server, "it does not say whether it is append-only")),
    }
    let stem = asked("appendfilename")?.filter(|name| is_name(name));
    let Some(stem) = stem else {
        return Err(no(
            server,
            "it does not say how its append-only file is named",
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

/// Reads the service out of `/proc/PID/cgroup`: in systemd's own tree, or in the only one.
fn unit_of(cgroup: &str) -> Option<String> {
    let mut trees = cgroup.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (tree, path) = rest.split_once(':')?;
        matches!(tree, "" | "name=systemd").then_some(path)
    });
    let service = |path: &str| {
        let names = path.rsplit('/').find(|name| name.ends_with(".service"));
        names.map(str::to_owned)
    };
    trees.find_map(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_found_in_old_and_new_trees() {
        let old = "11:cpuset:/\n3:memory:/a.service\n1:name=systemd:/system.slice/redis.service\n";
        assert_eq!(unit_of(old).as_deref(), Some("redis.service"));
        let new = "0::/system.slice/system-redis.slice/redis@6380.service\n";
        assert_eq!(unit_of(new).as_deref(), Some("redis@6380.service"));
        for other in ["0::/\n", "0::/user.slice/session-2.scope\n", ""] {
            assert_eq!(unit_of(other), None);
        }
    }

    #[test]
    fn a_process_is_known_by_its_start_and_not_by_its_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 99 1";
        assert_eq!(started(stat), Some(4242));
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        let other = Process {
            started: own.started + 1,
            ..own
        };
        assert!(!other.is_alive());
        assert!(is_of_age(&own, Some(0)) && !is_of_age(&own, Some(1_000_000)));
    }

    #[test]
    fn addresses_of_this_host_are_known() {
        assert!(is_here("127.0.0.1") && is_here("localhost"));
        // Set aside for documents (RFC 5737).
        assert!(!is_here("192.0.2.1") && !is_here("no-such-host.invalid"));
    }
}
