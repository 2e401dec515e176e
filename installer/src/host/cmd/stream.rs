//! Runs a query whose output, of any length, is read while it runs.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::process::ChildStdout;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::child::{Output, Spec};
use super::{CmdError, Finished, Limit, find};

/// How long a command may still run after its reader gave up.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Runs a query that inherits the open files `files` ([`super::inherited_path`]) and passes its
/// standard output to `read`, which need not read all of it.
///
/// If the command failed, its output may be cut short. The caller checks both how the command ended
/// and what `read` returned.
pub fn stream_with<T, E>(
    program: &str,
    args: &[&str],
    files: &[&File],
    deadline: Duration,
    read: impl FnOnce(&mut dyn Read) -> Result<T, E>,
) -> Result<(Finished, Result<T, E>), CmdError> {
    let mut spec = Spec::new(find(program)?, program, args);
    (spec.files, spec.output) = (files, Output::Reader);
    let (mut running, stream) = spec.start()?;
    let until = Instant::now() + deadline;
    let mut out = Timely {
        stream,
        until,
        is_late: false,
    };
    let answer = read(&mut out);
    let rest = match &answer {
        Ok(_) => io::copy(&mut out, &mut io::sink()).map(|_| ()),
        // The closed pipe ends a command that is still writing.
        Err(_) => Ok(()),
    };
    let is_late = out.is_late;
    drop(out);
    let left = until.saturating_duration_since(Instant::now());
    let limit = Limit {
        time: if answer.is_ok() {
            left
        } else {
            AFTERWARDS.min(left)
        },
        stopped: &|| false,
    };
    let late = || CmdError::Deadline {
        command: spec.line.clone(),
        seconds: deadline.as_secs(),
    };
    let ended = match running.wait(limit) {
        Ok(code) => Some(code),
        // Killed by this process, because the reader gave up.
        Err(CmdError::Deadline { .. }) if answer.is_err() && !is_late => None,
        Err(CmdError::Deadline { .. }) => return Err(late()),
        Err(error) => return Err(error),
    };
    if is_late {
        return Err(late());
    }
    rest.map_err(|source| running.failed(source))?;
    let finished = match ended {
        Some(code) => running.finish(code),
        // A process that it started may keep its standard error open.
        None => Finished {
            command: spec.line,
            code: None,
            stdout: String::new(),
            stderr: String::new(),
        },
    };
    Ok((finished, answer))
}

/// A pipe that is read until a given moment and no longer.
struct Timely {
    stream: Option<ChildStdout>,
    until: Instant,
    is_late: bool,
}

impl Read for Timely {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let ready = {
                let mut pipe = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN)];
                poll(&mut pipe, Some(&left))
            };
            match ready {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(0) => {
                    self.is_late = true;
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Ok(_) => return stream.read(buffer),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(10);

    fn all(stream: &mut dyn Read) -> io::Result<String> {
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn output_longer_than_a_pipe_comes_whole() {
        let script = "head -c 1000000 /dev/zero | tr '\\0' x";
        let (finished, text) = stream_with("sh", &["-c", script], &[], SHORT, all).unwrap();
        assert!(finished.succeeded());
        assert_eq!(text.unwrap().len(), 1_000_000);
    }

    #[test]
    fn the_end_of_the_writer_is_reported() {
        let ended = |script| {
            let (finished, text) = stream_with("sh", &["-c", script], &[], SHORT, all).unwrap();
            assert_eq!(text.unwrap(), "half\n");
            finished.success().unwrap_err().to_string()
        };
        let error = ended("echo half; echo why >&2; exit 7");
        assert!(error.contains("status 7: why"), "{error}");
        let error = ended("echo half; kill -KILL $$");
        assert!(error.contains("a signal"), "{error}");
    }

    #[test]
    fn a_hanging_writer_is_ended_before_and_after_the_end_of_its_output() {
        for script in ["echo half; exec sleep 60", "exec 1>&-; exec sleep 60"] {
            let limit = Duration::from_millis(200);
            let error = stream_with("sh", &["-c", script], &[], limit, all).unwrap_err();
            assert!(matches!(error, CmdError::Deadline { .. }), "{error}");
        }
    }

    #[test]
    fn a_reader_may_stop_early_or_complain() {
        let args = ["-c", "echo first; head -c 1000000 /dev/zero; exec sleep 60"];
        let complaint = |_: &mut dyn Read| Err::<(), _>("not mine");
        let (finished, answer) = stream_with("sh", &args, &[], SHORT, complaint).unwrap();
        assert!(!finished.succeeded());
        assert_eq!(answer.unwrap_err(), "not mine");
        let args = ["-c", "echo first; head -c 1000000 /dev/zero"];
        let first = |stream: &mut dyn Read| {
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).map(|()| bytes)
        };
        let (finished, text) = stream_with("sh", &args, &[], SHORT, first).unwrap();
        assert!(finished.succeeded(), "what is left is read to its end");
        assert_eq!(&text.unwrap(), b"first");
    }
}
