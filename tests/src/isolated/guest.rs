//! The inside of a host: what a test can look at and do in it, however the host was started.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::command::{Finished, GuestCommand, Running};
use super::error::{HostError, Result};
use super::process::ProcessId;
use super::record::HostRecord;
use crate::vendor::http;

const POLL: Duration = Duration::from_millis(50);
const HTTP_PATIENCE: Duration = Duration::from_secs(5);

/// A booted (or powered-off) host as seen from this process.
#[derive(Debug)]
pub struct Guest {
    id: String,
    root: PathBuf,
    leader: Option<ProcessId>,
}

pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

impl Guest {
    pub(super) fn new(id: String, root: PathBuf) -> Self {
        Self {
            id,
            root,
            leader: None,
        }
    }

    /// Finds the running host `name` that another process of the lab owns.
    pub fn attach(name: &str) -> Result<Self> {
        let record = HostRecord::read(name)?;
        Ok(Self {
            id: record.id,
            root: record.root,
            leader: record.leader,
        })
    }

    /// The unique name of this host.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The merged root as this machine sees it. What the host mounts itself (`/run`, `/tmp`) is not
    /// there; [`Guest::read`] sees that too.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The host's first process, by its pid on this machine.
    pub fn leader(&self) -> Result<ProcessId> {
        self.leader
            .filter(|leader| leader.is_alive())
            .ok_or_else(|| HostError::NotRunning(self.id.clone()))
    }

    pub(super) fn set_leader(&mut self, leader: Option<ProcessId>) {
        self.leader = leader;
    }

    /// Starts to describe a program to run; see [`GuestCommand`].
    pub fn command<S: AsRef<str>>(&self, argv: &[S]) -> GuestCommand<'_> {
        GuestCommand::new(self, argv)
    }

    /// Runs a program as root.
    pub fn run<S: AsRef<str>>(&self, argv: &[S]) -> Result<Finished> {
        self.command(argv).run()
    }

    /// Runs a program as a user of the host.
    pub fn run_as<S: AsRef<str>>(&self, user: &str, argv: &[S]) -> Result<Finished> {
        self.command(argv).user(user).run()
    }

    /// Runs a program that has to succeed and returns its output.
    pub fn check<S: AsRef<str>>(&self, argv: &[S]) -> Result<String> {
        Ok(self.run(argv)?.ok()?.stdout)
    }

    /// Starts a program and leaves it running.
    pub fn spawn<S: AsRef<str>>(&self, argv: &[S]) -> Result<Running> {
        self.command(argv).spawn()
    }

    /// Asks a server inside the host: the status (0 when there was no answer) and the body. A thread of
    /// this process asks, in the host's network: to start a program there each time costs a hundred
    /// times as much.
    pub fn http_get(&self, port: u16, path: &str) -> Result<(u16, String)> {
        let leader = self.leader()?.pid;
        let network = PathBuf::from(format!("/proc/{leader}/ns/net"));
        let network = File::open(&network).map_err(HostError::io("open", &network))?;
        let url = format!("http://127.0.0.1:{port}{path}");
        let ask = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(network.as_fd(), kind).ok()?;
            http::get_within(&url, HTTP_PATIENCE).ok()
        };
        let answer = std::thread::scope(|scope| scope.spawn(ask).join().unwrap_or_default());
        Ok(answer.map_or((0, String::new()), |answer| (answer.status, answer.text())))
    }

    /// Waits until systemd reports that the host is up and nothing failed.
    pub fn wait_running(&self, deadline: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            let left = deadline.saturating_sub(started.elapsed());
            let state = self.system_state(left)?;
            match state.as_str() {
                "running" => return Ok(()),
                "degraded" | "maintenance" | "stopping" => return Err(self.unhealthy(state)),
                _ if left.is_zero() => {
                    return Err(HostError::Deadline {
                        what: format!("host {} booting", self.id),
                        after: deadline,
                        state: format!("systemd says {state:?}"),
                    });
                }
                // It does not listen yet.
                _ => std::thread::sleep(POLL),
            }
        }
    }

    /// Waits until `condition` holds, asking again and again.
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        mut condition: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let started = Instant::now();
        while !condition(self)? {
            if started.elapsed() > deadline {
                return Err(HostError::Deadline {
                    what: what.to_owned(),
                    after: deadline,
                    state: format!("on host {}", self.id),
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Lets systemd report the host's state, once it has started everything.
    fn system_state(&self, deadline: Duration) -> Result<String> {
        let asked = self.command(&["systemctl", "is-system-running", "--wait"]);
        match asked.deadline(deadline).run() {
            Ok(asked) => Ok(asked.stdout.trim().to_owned()),
            Err(HostError::Deadline { .. }) => Ok("starting".to_owned()),
            Err(error) => Err(error),
        }
    }

    fn unhealthy(&self, state: String) -> HostError {
        let failed = ["systemctl", "--failed", "--no-legend", "--plain"];
        HostError::Unhealthy {
            name: self.id.clone(),
            state,
            detail: self.check(&failed).unwrap_or_default(),
        }
    }

    pub(super) fn user(&self, name: &str) -> Result<User> {
        let path = Path::new("/etc/passwd");
        let passwd = String::from_utf8_lossy(&self.read(path)?).into_owned();
        parse_user(&passwd, name).ok_or_else(|| HostError::Malformed {
            path: path.to_owned(),
            reason: format!("host {} has no user {name}", self.id),
        })
    }
}

fn parse_user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [found, _, uid, gid, _, home, ..] if found == name => Some(User {
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                home: home.to_owned(),
            }),
            _ => None,
        }
    })
}
