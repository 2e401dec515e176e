//! Tools of data stores: they get secrets in their environment or in inherited files, never in
//! arguments, may take long, and are ended when they take too long or somebody asks to stop.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Limit;
use super::{CmdError, Finished, drain, find, prepare_at, spawn_with};

/// Where vendors of databases put their tools, newest version last.
const VERSIONED: [(&str, &str, &str); 2] = [
    ("/usr", "pgsql-", "bin"),
    ("/usr/lib/postgresql", "", "bin"),
];

/// A call of a tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tool<'a> {
    /// Its name.
    pub program: &'a str,
    /// Its arguments: what they hold is shown in messages.
    pub args: &'a [&'a str],
    /// More variables: what they hold is never shown.
    pub environment: &'a [(&'a str, &'a str)],
    /// Open files that it inherits, named in its arguments by [`super::inherited_path`].
    pub files: &'a [&'a File],
    /// What it reads from standard input.
    pub input: Option<&'a [u8]>,
    /// Where its standard output goes, if it is not kept as text.
    pub output: Option<&'a File>,
}

impl Tool<'_> {
    /// Runs it to its end, or until the limit.
    pub fn run(&self, limit: Limit<'_>) -> Result<Finished, CmdError> {
        self.run_of(None, limit)
    }

    /// Runs the one that belongs to a version of its server, where several are installed.
    pub fn run_of(&self, version: Option<u32>, limit: Limit<'_>) -> Result<Finished, CmdError> {
        let path = locate(self.program, version)?;
        let (mut command, line) = prepare_at(path, self.program, self.args);
        let failed = |source| CmdError::Spawn {
            command: line.clone(),
            source,
        };
        command
            .process_group(0)
            .envs(self.environment.iter().copied())
            .stderr(Stdio::piped());
        match self.output {
            Some(file) => command.stdout(file.try_clone().map_err(failed)?),
            None => command.stdout(Stdio::piped()),
        };
        if self.input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = spawn_with(&mut command, self.files).map_err(failed)?;
        let input = child.stdin.take().zip(self.input);
        let writer = input.map(|(mut pipe, bytes)| {
            let bytes = bytes.to_vec();
            // A tool that ends early closes its pipe; its exit code says why.
            thread::spawn(move || pipe.write_all(&bytes).is_ok())
        });
        let out = child.stdout.take().map(drain);
        let err = child.stderr.take().map(drain);
        let status = wait(&mut child, limit, &line)?;
        let is_fed = writer.is_none_or(|writer| writer.join().unwrap_or(false));
        let text = |reader: Option<thread::JoinHandle<String>>| {
            let read = reader.and_then(|reader| reader.join().ok());
            read.unwrap_or_default()
        };
        Ok(Finished {
            command: line,
            // One that says it is well without having heard everything is not believed.
            code: status.code().filter(|code| is_fed || *code != 0),
            stdout: text(out),
            stderr: text(err),
        })
    }
}

/// Whether a tool is installed.
#[must_use]
pub fn is_available(program: &str) -> bool {
    locate(program, None).is_ok()
}

/// Finds a tool: of the versions that the vendor installs side by side, the oldest that is not older
/// than the server's, for a newer one may say what an older server does not understand; the newest
/// where none was asked for.
fn locate(program: &str, version: Option<u32>) -> Result<PathBuf, CmdError> {
    let mut found = versioned(program);
    if let Some(version) = version {
        let fits = |(known, _): &(u32, PathBuf)| *known >= version;
        if let Some(at) = found.iter().position(fits) {
            return Ok(found.swap_remove(at).1);
        }
        return find(program).or_else(|missing| newest(found).ok_or(missing));
    }
    newest(found).map_or_else(|| find(program), Ok)
}

fn newest(mut found: Vec<(u32, PathBuf)>) -> Option<PathBuf> {
    found.pop().map(|(_, path)| path)
}

/// Lists the versions of a tool that have directories of their own, oldest first.
fn versioned(program: &str) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, bin) in VERSIONED {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let version = version.and_then(|text| text.parse().ok());
            let path = entry.path().join(bin).join(program);
            found.extend(version.filter(|_| path.is_file()).map(|v| (v, path)));
        }
    }
    found.sort();
    found
}

pub(super) fn wait(
    child: &mut Child,
    limit: Limit<'_>,
    line: &str,
) -> Result<ExitStatus, CmdError> {
    let failed = |source: io::Error| CmdError::Spawn {
        command: line.to_owned(),
        source,
    };
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        let is_late = started.elapsed() > limit.time;
        if is_late || (limit.stopped)() {
            end(child).map_err(failed)?;
            let command = line.to_owned();
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

/// Ends a tool with everything that it started: it leads a process group of its own.
fn end(child: &mut Child) -> io::Result<()> {
    end_group(child);
    child.wait().map(drop)
}

/// Ends what is left of a child's group. One that is gone already is as good.
pub(super) fn end_group(child: &Child) {
    let pid = i32::try_from(child.id()).ok();
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}
