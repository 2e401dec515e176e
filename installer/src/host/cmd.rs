//! The one place that starts processes. `child` runs them, `tool` the tools of data stores, `trial`
//! programs before they are installed, and `stream` queries with a long output.
//!
//! Programs are found in fixed directories and never through the caller's `PATH`. The environment
//! is cleared, and standard input is null. A query has a deadline and a limit on its output. A
//! transaction has neither: it runs in its own session, writes to a file and is never killed,
//! because a killed rpm is the very damage that this tool exists to prevent.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that the lint points other modules to"
)]

mod child;
mod limit;
mod stream;
pub mod tool;
pub mod trial;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use child::{Output, Spec, Until};
pub use limit::Limit;
pub use stream::stream_with;

const DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
/// Most output of a query that is kept per stream. `rpm -qa` with the file lists of a few packages
/// fits.
pub(super) const OUTPUT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The result of a finished command.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

/// A command that could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    /// The program is in none of the fixed directories.
    #[error("the program `{0}` is not installed")]
    NotFound(String),
    /// The kernel refused to run it.
    #[error("cannot run `{command}`")]
    Spawn {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A query took too long and was killed.
    #[error("`{command}` did not end within {seconds} s")]
    Deadline {
        /// The command line.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// The command was ended on a request to stop.
    #[error("`{command}` was ended because the run was told to stop")]
    Stopped {
        /// The command line.
        command: String,
    },
    /// A query that must succeed failed.
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

    /// Returns itself if the command exited with 0, else an error with the end of its output.
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
    let spec = Spec::new(find(program)?, program, args);
    Spec { files, ..spec }.run(Until::within(deadline))
}

/// Runs a transaction until it ends, however long that takes. It has its own session, so losing the
/// terminal does not affect it. Both output streams go to `log`, so a closed pipe does not affect
/// it either. The captured output is what `log` gained.
pub fn transaction(
    program: &str,
    args: &[&str],
    files: &[&File],
    log: &File,
) -> Result<Finished, CmdError> {
    let path = find(program)?;
    let path = path.to_string_lossy();
    let with_session: Vec<&str> = std::iter::once(&*path)
        .chain(args.iter().copied())
        .collect();
    let mut spec = Spec::new(find("setsid")?, "setsid", &with_session);
    (spec.files, spec.output) = (files, Output::Log(log));
    let failed = |source| CmdError::Spawn {
        command: spec.line.clone(),
        source,
    };
    let before = log.metadata().map_err(failed)?.len();
    let mut finished = spec.run(Until::Forever)?;
    finished.stderr = read_from(log, before).map_err(failed)?;
    Ok(finished)
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

/// Returns the path under which a child finds an inherited open file.
#[must_use]
pub fn inherited_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
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
        let answer = query("sh", &["-c", "umask"], SHORT).unwrap();
        assert_eq!(answer.stdout.trim(), "0022");
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
