//! Runs a child process from start to end. Every call of a program goes through [`Spec`].

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};

use super::{CmdError, Finished, Limit, OUTPUT_MAX_BYTES};

const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LC_ALL", "C"),
    ("HOME", "/root"),
    ("TERM", "dumb"),
];
/// No other thread may spawn a child between clearing and setting close-on-exec.
static SPAWN: Mutex<()> = Mutex::new(());

/// rpm and its scriptlets expect this umask; rpm sets it itself, whatever it inherits.
const CHILD_UMASK: u32 = 0o022;

/// A program to run, with its arguments and files.
#[derive(Debug)]
pub(super) struct Spec<'a> {
    pub(super) path: PathBuf,
    pub(super) args: &'a [&'a str],
    /// The command line, for messages.
    pub(super) line: String,
    /// Variables in addition to those that every child gets.
    pub(super) environment: &'a [(&'a str, &'a str)],
    /// Open files that it inherits.
    pub(super) files: &'a [&'a File],
    /// The bytes on its standard input.
    pub(super) input: Option<&'a [u8]>,
    /// Where its output goes.
    pub(super) output: Output<'a>,
    /// What is killed, and when.
    pub(super) ends: Ends,
}

/// Where the output of a child goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output<'a> {
    /// Both streams are kept as text.
    Text,
    /// Standard output goes to a reader, standard error is kept as text.
    Reader,
    /// Standard output goes into a file, standard error is kept as text.
    File(&'a File),
    /// Both streams go into a file. The child is `setsid`, which leads a session, not a group.
    Log(&'a File),
}

/// Which processes are killed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The child alone, at its limit.
    Child,
    /// Its process group, at its limit.
    Group,
    /// Its process group, at its limit or when the child has ended.
    GroupAlways,
}

/// How long a child may take.
#[derive(Clone, Copy)]
pub(super) enum Until<'a> {
    /// Until the limit; then it is killed.
    Limit(Limit<'a>),
    /// As long as it takes: it is never killed.
    Forever,
}

impl Until<'static> {
    /// A limit of time alone.
    pub(super) fn within(time: Duration) -> Self {
        let stopped = &|| false;
        Self::Limit(Limit { time, stopped })
    }
}

/// A child that was started.
pub(super) struct Running {
    child: Child,
    line: String,
    ends: Ends,
    /// Writes standard input, and returns whether the child read all of it.
    feeder: Option<JoinHandle<bool>>,
    stderr: Option<JoinHandle<String>>,
}

impl<'a> Spec<'a> {
    /// A program that gets no input and whose output is kept as text.
    pub(super) fn new(path: PathBuf, program: &str, args: &'a [&'a str]) -> Self {
        Self {
            path,
            args,
            line: format!("{program} {}", args.join(" ")),
            environment: &[],
            files: &[],
            input: None,
            output: Output::Text,
            ends: Ends::Child,
        }
    }

    /// Runs the program to its end, or until the limit.
    pub(super) fn run(&self, until: Until<'_>) -> Result<Finished, CmdError> {
        let (mut running, stdout) = self.start()?;
        let stdout = stdout.map(drain);
        let code = match until {
            Until::Limit(limit) => running.wait(limit),
            Until::Forever => running.wait_forever(),
        };
        if self.ends == Ends::GroupAlways {
            // Processes that the child left behind would keep the pipes open.
            running.end_group();
        }
        let mut finished = running.finish(code?);
        finished.stdout = text(stdout);
        Ok(finished)
    }

    /// Starts the program. Returns its standard output unless that is a file.
    pub(super) fn start(&self) -> Result<(Running, Option<ChildStdout>), CmdError> {
        let mut child = self.spawn().map_err(|source| CmdError::Spawn {
            command: self.line.clone(),
            source,
        })?;
        let stdout = child.stdout.take();
        let input = child.stdin.take().zip(self.input);
        let feeder = input.map(|(mut pipe, bytes)| {
            let bytes = bytes.to_vec();
            // A program that ends early closes its pipe; its exit code shows the reason.
            thread::spawn(move || pipe.write_all(&bytes).is_ok())
        });
        let running = Running {
            line: self.line.clone(),
            ends: self.ends,
            feeder,
            stderr: child.stderr.take().map(drain),
            child,
        };
        Ok((running, stdout))
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.path);
        command
            .args(self.args)
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(self.environment.iter().copied())
            .current_dir("/")
            .stdin(self.input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(match self.output {
                Output::Text | Output::Reader => Stdio::piped(),
                Output::File(file) | Output::Log(file) => file.try_clone()?.into(),
            });
        if let Output::Log(log) = self.output {
            command.stderr(log.try_clone()?);
        } else {
            // The child is not in the terminal's foreground group, so Ctrl-C asks this process to
            // stop and does not reach its helpers.
            command.process_group(0).stderr(Stdio::piped());
        }
        spawn_with(&mut command, self.files)
    }
}

impl Running {
    /// Waits until the child has ended, and kills it at the limit. Returns its exit code.
    pub(super) fn wait(&mut self, limit: Limit<'_>) -> Result<Option<i32>, CmdError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let status = self.child.try_wait();
            if let Some(status) = status.map_err(|source| self.failed(source))? {
                return Ok(status.code());
            }
            let is_late = started.elapsed() > limit.time;
            if is_late || (limit.stopped)() {
                self.end().map_err(|source| self.failed(source))?;
                let command = self.line.clone();
                return Err(if is_late {
                    let seconds = limit.time.as_secs();
                    CmdError::Deadline { command, seconds }
                } else {
                    CmdError::Stopped { command }
                });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn wait_forever(&mut self) -> Result<Option<i32>, CmdError> {
        let status = self.child.wait().map_err(|source| self.failed(source))?;
        Ok(status.code())
    }

    /// Returns the results of an ended child, without its standard output.
    pub(super) fn finish(self, code: Option<i32>) -> Finished {
        let is_fed = self
            .feeder
            .is_none_or(|feeder| feeder.join().unwrap_or(false));
        Finished {
            command: self.line,
            // A child that did not read all of its input cannot have succeeded.
            code: code.filter(|code| is_fed || *code != 0),
            stdout: String::new(),
            stderr: text(self.stderr),
        }
    }

    pub(super) fn failed(&self, source: io::Error) -> CmdError {
        CmdError::Spawn {
            command: self.line.clone(),
            source,
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self.ends {
            Ends::Child => self.child.kill()?,
            Ends::Group | Ends::GroupAlways => self.end_group(),
        }
        self.child.wait().map(drop)
    }

    /// Kills what is left of the child's group. If the group is already gone, that is fine too.
    fn end_group(&self) {
        let pid = i32::try_from(self.child.id()).ok();
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

fn drain(stream: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stream = stream.take(OUTPUT_MAX_BYTES);
        // A read error shows as missing output, and every caller treats that as a failure.
        let _ = stream.read_to_end(&mut bytes);
        let _ = io::copy(&mut stream.into_inner(), &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn text(reader: Option<JoinHandle<String>>) -> String {
    reader
        .and_then(|reader| reader.join().ok())
        .unwrap_or_default()
}

/// This process has a restrictive umask, and its caller's umask is unknown; a child inherits
/// neither. Changing the umask does not affect files that this process creates meanwhile, because
/// it sets the mode of each explicitly.
fn spawn_with(command: &mut Command, files: &[&File]) -> io::Result<Child> {
    let _guard = SPAWN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let set = |flags: FdFlags| -> io::Result<()> {
        for file in files {
            let fd: BorrowedFd<'_> = file.as_fd();
            fcntl_setfd(fd, flags)?;
        }
        Ok(())
    };
    set(FdFlags::empty())?;
    let own = rustix::process::umask(rustix::fs::Mode::from_raw_mode(CHILD_UMASK));
    let child = command.spawn();
    rustix::process::umask(own);
    set(FdFlags::CLOEXEC)?;
    child
}
