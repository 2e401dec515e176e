//! Programs inside the host: started, waited for with a deadline, and reported in full.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab runs real programs inside the isolated host"
)]

use std::fmt;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};

use super::error::{HostError, Result};
use super::guest::Guest;
use super::process::{AtWork, ProcessId};
use super::trace;

const DEFAULT_DEADLINE: Duration = Duration::from_mins(2);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const TAIL_CHARS: usize = 2000;

/// A program that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    pub argv: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// The exit code, or `None` after a signal.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Turns a failure of the program into an error that shows its output.
    pub fn ok(self) -> Result<Self> {
        if self.success() {
            Ok(self)
        } else {
            Err(HostError::Failed(Box::new(self)))
        }
    }

    /// As [`Finished::ok`], for tests: panics with the program's output.
    ///
    /// # Panics
    ///
    /// When the program failed.
    #[track_caller]
    #[must_use]
    pub fn must_succeed(self) -> Self {
        assert!(self.success(), "{self}");
        self
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ended with {}", self.argv, self.status)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(f, "\n--- {name} ---\n{}", tail(text).trim_end())?;
            }
        }
        Ok(())
    }
}

fn tail(text: &str) -> &str {
    let surplus = text.chars().count().saturating_sub(TAIL_CHARS);
    text.char_indices()
        .nth(surplus)
        .map_or("", |(start, _)| &text[start..])
}

/// A program to run inside the host, as root by default, with a clean environment.
#[derive(Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct GuestCommand<'g> {
    guest: &'g Guest,
    argv: Vec<String>,
    user: Option<String>,
    environment: Vec<(String, String)>,
    stdin: Vec<u8>,
    deadline: Duration,
    trace: Option<PathBuf>,
}

impl<'g> GuestCommand<'g> {
    pub(super) fn new<S: AsRef<str>>(guest: &'g Guest, argv: &[S]) -> Self {
        Self {
            guest,
            argv: argv.iter().map(|word| word.as_ref().to_owned()).collect(),
            user: None,
            environment: Vec::new(),
            stdin: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            trace: None,
        }
    }

    /// Runs it as this user of the host, with the user's groups and home.
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the program reads; without it, standard input is `/dev/null`.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long [`GuestCommand::run`] waits; two minutes by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Writes its calls, and those of all it starts, into a file of this machine; see [`Calls::read`](super::Calls::read).
    pub fn traced(mut self, log: &Path) -> Self {
        self.trace = Some(log.to_owned());
        self
    }

    /// Runs it to its end. A program that fails is not an error here; a program that exceeds its
    /// deadline is.
    pub fn run(self) -> Result<Finished> {
        let deadline = self.deadline;
        self.spawn()?.wait(deadline)
    }

    /// Starts it in a process group of its own.
    pub fn spawn(self) -> Result<Running> {
        let argv = self.argv.join(" ");
        let [stdin, stdout, stderr] = [memory_file()?, memory_file()?, memory_file()?];
        let child = self
            .command()?
            .stdin(input(stdin, &self.stdin)?)
            .stdout(copy_of(&stdout)?)
            .stderr(copy_of(&stderr)?)
            .process_group(0)
            .spawn()
            .map_err(|source| HostError::Spawn {
                argv: argv.clone(),
                source,
            })?;
        Ok(Running {
            argv,
            _at_work: AtWork::note(child.id()),
            child,
            stdout,
            stderr,
        })
    }

    /// Runs it on this process's own standard streams (a terminal, perhaps), without a deadline.
    pub fn run_attached(self) -> Result<ExitStatus> {
        let argv = self.argv.join(" ");
        self.command()?
            .status()
            .map_err(|source| HostError::Spawn { argv, source })
    }

    fn command(&self) -> Result<Command> {
        let leader = self.guest.leader()?;
        let mut command = match &self.trace {
            None => Command::new("nsenter"),
            Some(log) => {
                let mut strace = Command::new("strace");
                strace.args(trace::ARGS).arg("-o").arg(log).arg("nsenter");
                strace
            }
        };
        command
            .args(["--all", "--target", &leader.pid.to_string(), "--"])
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", "/root")
            .env("USER", "root")
            .current_dir("/");
        if let Some(term) = std::env::var_os("TERM") {
            command.env("TERM", term);
        }
        if let Some(name) = &self.user {
            let user = self.guest.user(name)?;
            command
                .args(["setpriv", "--init-groups"])
                .arg(format!("--reuid={}", user.uid))
                .arg(format!("--regid={}", user.gid))
                .arg("--")
                .env("HOME", user.home)
                .env("USER", name)
                .env("LOGNAME", name);
        }
        command
            .args(&self.argv)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// A program that was started and may still run. Dropping it kills its process group, as far as
/// members have not left it (`setsid`).
#[derive(Debug)]
pub struct Running {
    argv: String,
    _at_work: AtWork,
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    /// Waits for the end. Past the deadline the program is killed and an error shows its output.
    pub fn wait(mut self, deadline: Duration) -> Result<Finished> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.poll()? {
                return self.finish(status);
            }
            let left = deadline.saturating_sub(started.elapsed());
            if left.is_zero() {
                let (stdout, stderr) = self.output()?;
                return Err(HostError::Deadline {
                    what: format!("`{}`", self.argv),
                    after: deadline,
                    state: format!("stdout: {}\nstderr: {}", tail(&stdout), tail(&stderr)),
                });
            }
            if let Some(process) = ProcessId::of(self.child.id()) {
                let _ = process.ends_within(left);
            }
        }
    }

    /// Returns whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.poll()?.is_none())
    }

    /// What it has written so far: standard output and standard error.
    pub fn output(&mut self) -> Result<(String, String)> {
        Ok((content(&self.stdout)?, content(&self.stderr)?))
    }

    /// Kills its process group, as a closed session would.
    pub fn kill(&mut self) -> Result<()> {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if self.poll()?.is_none()
            && let Some(group) = group
        {
            let _ = kill_process_group(group, Signal::KILL);
            self.child
                .wait()
                .map_err(HostError::io("wait for", &self.argv))?;
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .map_err(HostError::io("wait for", &self.argv))
    }

    fn finish(mut self, status: ExitStatus) -> Result<Finished> {
        let (stdout, stderr) = self.output()?;
        Ok(Finished {
            argv: std::mem::take(&mut self.argv),
            status,
            stdout,
            stderr,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Output goes to memory and not to pipes. A full pipe without a reader would block, and a daemon
/// that keeps the descriptor would keep the waiter.
fn memory_file() -> Result<File> {
    memfd_create("lab-output", MemfdFlags::CLOEXEC)
        .map(File::from)
        .map_err(HostError::errno("make", "a memory file"))
}

fn input(mut file: File, bytes: &[u8]) -> Result<Stdio> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .map_err(HostError::io("fill", "standard input"))?;
    Ok(file.into())
}

fn copy_of(file: &File) -> Result<File> {
    file.try_clone()
        .map_err(HostError::io("copy", "a descriptor"))
}

/// Reads from the start without moving the offset that the program writes at.
fn content(file: &File) -> Result<String> {
    use std::os::unix::fs::FileExt;

    let length = file
        .metadata()
        .map_err(HostError::io("stat", "output"))?
        .len();
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)
        .map_err(HostError::io("read", "output"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
