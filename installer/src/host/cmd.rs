//! The one place that spawns processes.
//!
//! Programs are found in fixed directories, never through the caller's `PATH`; the environment is
//! cleared; standard input is null. A query has a deadline and bounded output. A transaction has
//! neither: it runs in a session of its own, writes to a file and is never killed, because a
//! killed rpm is the very damage this tool exists to prevent.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the room the other rooms are sent to"
)]

mod limit;
mod stream;
pub mod tool;
pub mod trial;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{FdFlags, fcntl_setfd};

pub use limit::Limit;
pub use stream::stream_with;

const DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LC_ALL", "C"),
    ("HOME", "/root"),
    ("TERM", "dumb"),
];
/// Most output kept of a query, per stream. `rpm -qa` with file lists of a few packages fits.
pub(super) const OUTPUT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Between clearing and setting close-on-exec no other thread may spawn.
static SPAWN: Mutex<()> = Mutex::new(());

/// What a finished command left.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command line, for messages.
    pub command: String,
    /// Exit code, or nothing after a signal.
    pub code: Option<i32>,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

/// A command that could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    /// Not in any of the fixed directories.
    #[error("the program `{0}` is not installed")]
    NotFound(String),
    /// The kernel refused.
    #[error("cannot run `{command}`")]
    Spawn {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A query took too long and was ended.
    #[error("`{command}` did not end within {seconds} s")]
    Deadline {
        /// The command line.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// Somebody asked to stop, and it was ended.
    #[error("`{command}` was ended because the run was told to stop")]
    Stopped {
        /// The command line.
        command: String,
    },
    /// A query that must succeed did not.
    #[error("`{command}` ended with {status}: {tail}")]
    Failed {
        /// The command line.
        command: String,
        /// Exit code or signal.
        status: String,
        /// The last lines of its output.
        tail: String,
    },
}

impl Finished {
    /// Whether it exited with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// Returns itself if it exited with 0, else an error with the end of its output.
    pub fn success(self) -> Result<Self, CmdError> {
        if self.succeeded() {
            return Ok(self);
        }
        let status = self
            .code
            .map_or("a signal".to_owned(), |code| format!("status {code}"));
        let text = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        Err(CmdError::Failed {
            tail: tail(text, 5),
            command: self.command,
            status,
        })
    }
}

/// Returns the last `lines` lines of a text, joined by ` / `.
#[must_use]
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..].join(" / ")
}

/// Whether `program` is installed.
#[must_use]
pub fn is_available(program: &str) -> bool {
    find(program).is_ok()
}

fn find(program: &str) -> Result<PathBuf, CmdError> {
    let candidates = DIRECTORIES
        .iter()
        .map(|dir| PathBuf::from(dir).join(program));
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| CmdError::NotFound(program.to_owned()))
}

fn prepare(program: &str, args: &[&str]) -> Result<(Command, String), CmdError> {
    Ok(prepare_at(find(program)?, program, args))
}

fn prepare_at(path: PathBuf, program: &str, args: &[&str]) -> (Command, String) {
    let mut command = Command::new(path);
    command
        .args(args)
        .env_clear()
        .envs(ENVIRONMENT)
        .stdin(Stdio::null())
        .current_dir("/");
    (command, format!("{program} {}", args.join(" ")))
}

/// Runs a query: output is captured, and the process is ended after `deadline`.
pub fn query(program: &str, args: &[&str], deadline: Duration) -> Result<Finished, CmdError> {
    query_with(program, args, &[], deadline)
}

/// Runs a query that reads the open files `files`, named on its command line by
/// [`inherited_path`].
pub fn query_with(
    program: &str,
    args: &[&str],
    files: &[&File],
    deadline: Duration,
) -> Result<Finished, CmdError> {
    let (mut command, line) = prepare(program, args)?;
    // Not in the terminal's foreground group: Ctrl-C asks this process to stop, not its helpers.
    command
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let failed = |source| CmdError::Spawn {
        command: line.clone(),
        source,
    };
    let mut child = spawn_with(&mut command, files).map_err(failed)?;
    let out = child.stdout.take().map(drain);
    let err = child.stderr.take().map(drain);
    let status = wait(&mut child, deadline, &line)?;
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader
            .and_then(|reader| reader.join().ok())
            .unwrap_or_default()
    };
    Ok(Finished {
        command: line,
        code: status.code(),
        stdout: text(out),
        stderr: text(err),
    })
}

fn drain(stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stream = stream.take(OUTPUT_MAX_BYTES);
        // A read error shows as missing output, which every caller treats as a failure.
        let _ = stream.read_to_end(&mut bytes);
        let _ = io::copy(&mut stream.into_inner(), &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, deadline: Duration, line: &str) -> Result<ExitStatus, CmdError> {
    let failed = |source| CmdError::Spawn {
        command: line.to_owned(),
        source,
    };
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if started.elapsed() > deadline {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            let seconds = deadline.as_secs();
            return Err(CmdError::Deadline {
                command: line.to_owned(),
                seconds,
            });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Runs a transaction to its end, however long that takes: in its own session, so that a lost
/// terminal does not reach it, with both output streams in `log`, so that a closed pipe does not
/// either. The captured output is what `log` holds beyond its previous end.
pub fn transaction(
    program: &str,
    args: &[&str],
    files: &[&File],
    log: &File,
) -> Result<Finished, CmdError> {
    let program_path = find(program)?;
    let program_path = program_path.to_string_lossy();
    let with_session: Vec<&str> = std::iter::once(&*program_path)
        .chain(args.iter().copied())
        .collect();
    let (mut command, line) = prepare("setsid", &with_session)?;
    let failed = |source| CmdError::Spawn {
        command: line.clone(),
        source,
    };
    let before = log.metadata().map_err(failed)?.len();
    command
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log.try_clone().map_err(failed)?);
    let status = spawn_with(&mut command, files)
        .and_then(|mut child| child.wait())
        .map_err(failed)?;
    let output = read_from(log, before).map_err(failed)?;
    Ok(Finished {
        command: line,
        code: status.code(),
        stdout: String::new(),
        stderr: output,
    })
}

fn read_from(log: &File, offset: u64) -> io::Result<String> {
    use std::os::unix::fs::FileExt as _;
    let length = log
        .metadata()?
        .len()
        .saturating_sub(offset)
        .min(OUTPUT_MAX_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    log.read_exact_at(&mut bytes, offset)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the name under which a child finds an inherited open file.
#[must_use]
pub fn inherited_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// What rpm and its scriptlets expect; rpm sets it itself, whatever it inherits.
const CHILD_UMASK: u32 = 0o022;

/// Our own umask is closed, the caller's unknown: a child inherits neither. Nothing of ours that is made
/// in this moment depends on it, for every file and directory of ours names its mode.
fn spawn_with(command: &mut Command, files: &[&File]) -> io::Result<Child> {
    let _guard = SPAWN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let set = |flags: FdFlags| -> io::Result<()> {
        for file in files {
            let fd: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(file);
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const SHORT: Duration = Duration::from_secs(10);

    #[test]
    fn a_query_sees_a_clean_environment_and_no_input() {
        let finished = query("env", &[], SHORT).unwrap();
        let mut names: Vec<&str> = finished
            .stdout
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|p| p.0)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LC_ALL", "PATH", "TERM"]);
        assert!(
            query("cat", &[], SHORT).unwrap().succeeded(),
            "standard input is at its end"
        );
    }

    #[test]
    fn a_childs_files_do_not_depend_on_the_callers_umask() {
        let said = query("sh", &["-c", "umask"], SHORT).unwrap();
        assert_eq!(said.stdout.trim(), "0022");
    }

    #[test]
    fn a_query_that_hangs_is_ended() {
        let error = query("sleep", &["60"], Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, CmdError::Deadline { .. }), "{error}");
        assert!(matches!(
            query("no-such-program", &[], SHORT),
            Err(CmdError::NotFound(_))
        ));
    }

    #[test]
    fn an_open_file_reaches_the_child_and_only_that_child() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inherited").unwrap();
        let path = inherited_path(&file);
        let finished = query_with("cat", &[&path], &[&file], SHORT).unwrap();
        assert_eq!(finished.stdout, "inherited");
        assert!(!query("cat", &[&path], SHORT).unwrap().succeeded());
    }

    #[test]
    fn a_transaction_leads_its_own_session_and_writes_to_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = crate::secure_fs::create_new(&dir.path().join("log"), 0o600).unwrap();
        let script = "test \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$ && echo own; exit 3";
        let finished = transaction("sh", &["-c", script], &[], &log).unwrap();
        assert_eq!((finished.code, finished.stderr.trim()), (Some(3), "own"));
    }
}
