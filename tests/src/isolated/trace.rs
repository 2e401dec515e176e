//! What programs asked of the kernel, read from `strace`: every program that was started, with its
//! arguments and its environment, and every file and directory that was made, with its mode.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab runs strace beside the host"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::error::{HostError, Result};

/// Everything that starts programs or makes, or changes the mode of, a file or directory.
const CALLS: &str = "trace=execve,execveat,umask,clone,clone3,fork,vfork,open,openat,creat,mkdir,\
                     mkdirat,mknod,mknodat,chmod,fchmod,fchmodat";
/// Whole strings, whole environments, and the paths behind descriptors.
pub(super) const ARGS: [&str; 9] = [
    "-f",
    "-q",
    "-y",
    "-v",
    "-s",
    "1000000",
    "-e",
    CALLS,
    "-esignal=none",
];

const ATTACHED_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A `strace` that follows a running process, and all it starts from now on.
#[derive(Debug)]
pub struct Trace {
    strace: Child,
    log: PathBuf,
}

impl Trace {
    /// Follows the process `pid` of this machine; what it does is written to `log`.
    pub fn attach(pid: u32, log: &Path) -> Result<Self> {
        let strace = Command::new("strace")
            .args(ARGS)
            .arg("-o")
            .arg(log)
            .args(["-p", &pid.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(HostError::io("start", "strace"))?;
        let trace = Self {
            strace,
            log: log.to_owned(),
        };
        let status = format!("/proc/{pid}/status");
        let started = Instant::now();
        let wanted = format!("TracerPid:\t{}", trace.strace.id());
        while !std::fs::read_to_string(&status).is_ok_and(|text| text.contains(&wanted)) {
            if started.elapsed() > ATTACHED_WITHIN {
                return Err(HostError::Deadline {
                    what: "strace attaching".to_owned(),
                    after: ATTACHED_WITHIN,
                    state: format!("process {pid} is not followed"),
                });
            }
            sleep(POLL);
        }
        Ok(trace)
    }

    /// Lets go, and returns what was seen.
    pub fn end(mut self) -> Result<Calls> {
        self.detach()?;
        Calls::read(&self.log)
    }

    fn detach(&mut self) -> Result<()> {
        let pid = i32::try_from(self.strace.id()).ok().and_then(Pid::from_raw);
        if let (Some(pid), Ok(None)) = (pid, self.strace.try_wait()) {
            // A signal makes strace detach from its processes, which a kill would not.
            let _ = kill_process(pid, Signal::INT);
        }
        self.strace
            .wait()
            .map(drop)
            .map_err(HostError::io("wait for", "strace"))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = self.detach();
    }
}

/// One call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A program was started.
    Program {
        /// Its path.
        path: String,
        /// Arguments and environment, as `strace` writes them.
        text: String,
    },
    /// A file or directory was made, or would have been.
    Made {
        /// Its path, or its directory's where it had no name.
        path: String,
        /// The mode that it got, or would have got.
        mode: u32,
    },
    /// A mode was changed.
    Mode {
        /// Of what.
        path: String,
        /// The new mode.
        mode: u32,
    },
}

/// What a trace saw, in order.
#[derive(Debug, Default)]
pub struct Calls(pub Vec<Call>);

impl Calls {
    /// Reads what `strace` wrote.
    pub fn read(log: &Path) -> Result<Self> {
        let bytes = std::fs::read(log).map_err(HostError::io("read", log))?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        let mut calls = Vec::new();
        let mut unfinished: BTreeMap<&str, String> = BTreeMap::new();
        let mut umasks: BTreeMap<String, u32> = BTreeMap::new();
        for line in text.lines() {
            let Some((pid, rest)) = line.trim_start().split_once(' ') else {
                continue;
            };
            let rest = rest.trim_start();
            if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
                unfinished.insert(pid, begun.trim_end().to_owned());
                continue;
            }
            let whole = match rest.split_once(" resumed>") {
                Some((_, end)) if rest.starts_with("<... ") => {
                    unfinished.remove(pid).unwrap_or_default() + end
                }
                _ => rest.to_owned(),
            };
            let Some((name, arguments, result)) = split(&whole) else {
                continue;
            };
            // The umask of a process without a known parent counts as 0: the strictest reading.
            let umask = umasks.get(pid).copied().unwrap_or(0);
            match name {
                "umask" => {
                    umasks.insert(pid.to_owned(), octal(arguments));
                }
                "clone" | "clone3" | "fork" | "vfork" => {
                    umasks.entry(child(result).to_owned()).or_insert(umask);
                }
                _ => calls.extend(call(name, arguments, result, umask)),
            }
        }
        Self(calls)
    }
}

/// The process that a call made, as this machine numbers it: `7 /* 12 in strace's PID NS */`.
fn child(result: &str) -> &str {
    let outside = result.split_once("/* ").map_or(result, |(_, rest)| rest);
    outside.split(' ').next().unwrap_or_default()
}

/// Splits `name(arguments) = result`; `None` for a call that failed.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    (!result.starts_with('-')).then_some((name, arguments, result.trim()))
}

fn octal(text: &str) -> u32 {
    u32::from_str_radix(text.trim(), 8).unwrap_or(0)
}

fn call(name: &str, arguments: &str, result: &str, umask: u32) -> Option<Call> {
    let last = || octal(arguments.rsplit(',').next().unwrap_or_default());
    let made = |path: String| {
        let mode = last() & !umask;
        Some(Call::Made { path, mode })
    };
    match name {
        "execve" | "execveat" => Some(Call::Program {
            path: quoted(arguments)?,
            text: arguments.to_owned(),
        }),
        "open" | "openat" | "creat" => {
            let makes = ["O_CREAT", "O_TMPFILE"]
                .iter()
                .any(|flag| arguments.contains(flag));
            let path = behind(result)?;
            if makes || name == "creat" {
                made(path)
            } else {
                None
            }
        }
        "mkdir" | "mknod" | "mkdirat" | "mknodat" => made(named(arguments)?),
        "fchmod" => Some(Call::Mode {
            path: behind(arguments)?,
            mode: last(),
        }),
        "chmod" => Some(Call::Mode {
            path: named(arguments)?,
            mode: last(),
        }),
        "fchmodat" => {
            let words = arguments.split(", ").skip(2);
            Some(Call::Mode {
                path: named(arguments)?,
                mode: octal(words.take(1).next()?),
            })
        }
        _ => None,
    }
}

/// The first string of some arguments.
fn quoted(text: &str) -> Option<String> {
    Some(text.split('"').nth(1)?.to_owned())
}

/// The path behind a descriptor: `3</var/lib/x>`.
fn behind(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    Some(rest.split('>').next()?.to_owned())
}

/// A name in a directory: `3</var/lib>, "x"`, or an absolute one.
fn named(arguments: &str) -> Option<String> {
    let name = quoted(arguments)?;
    if name.starts_with('/') {
        return Some(name);
    }
    let dir = behind(arguments)?;
    Some(format!("{}/{name}", dir.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_that_files_got_and_umasks_are_inherited() {
        let text = r#"10 umask(077) = 022
10 clone(child_stack=NULL, flags=SIGCHLD) = 7 /* 11 in strace's PID NS */
11 openat(AT_FDCWD</>, "/s/a", O_RDWR|O_CREAT, 0644) = 3</s/a>
12 mkdirat(5</s>, "b", 0755 <unfinished ...>
11 openat(AT_FDCWD</>, "/s/none", O_RDWR|O_CREAT, 0644) = -1 ENOENT (No such file or directory)
12 <... mkdirat resumed>) = 0
11 fchmod(3</s/a>, 0640) = 0
11 execve("/usr/bin/rpm", ["rpm", "-q"], ["PATH=/bin"]) = 0
"#;
        let made = |path: &str, mode| Call::Made {
            path: path.to_owned(),
            mode,
        };
        let wanted = [
            made("/s/a", 0o600),
            made("/s/b", 0o755),
            Call::Mode {
                path: "/s/a".to_owned(),
                mode: 0o640,
            },
            Call::Program {
                path: "/usr/bin/rpm".to_owned(),
                text: r#""/usr/bin/rpm", ["rpm", "-q"], ["PATH=/bin"]"#.to_owned(),
            },
        ];
        assert_eq!(Calls::parse(text).0, wanted);
    }
}
