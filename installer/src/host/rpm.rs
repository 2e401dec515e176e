//! How rpm is called.
//!
//! Files are named `/proc/self/fd/N` and hashed from that very descriptor just before, so that
//! nothing can be swapped between check and use. `--nomanifest` keeps a text file from being read
//! as a list of packages, `--noglob` a bracket in a name from matching another file (rpm 4.11
//! accepts the option and ignores it; our names hold no bracket). `--force` and `--nodigest` are
//! never passed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::cmd::{self, inherited_path};
use super::{HostError, InstalledPackage, RpmAnswer, RpmMode, query};
use crate::bundle::StagedRpmSet;
use crate::secure_fs;

const QUERY: Duration = Duration::from_secs(120);
/// Verifying reads every installed byte.
const VERIFY: Duration = Duration::from_secs(600);

/// rpm on the host below a root directory.
#[derive(Debug, Clone)]
pub(crate) struct Rpm {
    root: PathBuf,
}

impl Rpm {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn relocation(&self) -> Vec<String> {
        if self.root == Path::new("/") {
            return Vec::new();
        }
        vec![
            "--root".to_owned(),
            self.root.to_string_lossy().into_owned(),
        ]
    }

    fn query(&self, args: &[&str], deadline: Duration) -> Result<cmd::Finished, HostError> {
        let relocation = self.relocation();
        let mut all: Vec<&str> = relocation.iter().map(String::as_str).collect();
        all.extend(args);
        Ok(cmd::query("rpm", &all, deadline)?)
    }

    pub(crate) fn version() -> Result<String, HostError> {
        let finished = cmd::query("rpm", &["--version"], QUERY)?.success()?;
        let last = finished
            .stdout
            .split_whitespace()
            .last()
            .unwrap_or_default();
        Ok(last.to_owned())
    }

    pub(crate) fn installed(&self, names: &[&str]) -> Result<Vec<InstalledPackage>, HostError> {
        // -qa with names exits with 0 also when none is installed; -q does not.
        let mut args = vec!["-qa", "--qf", query::PACKAGE_FORMAT];
        args.extend(names);
        let finished = self.query(&args, QUERY)?.success()?;
        // A database that cannot be read answers nothing, with exit code 0 and a complaint.
        if finished.stderr.contains("error:") {
            let reason = cmd::tail(&finished.stderr, 3);
            return Err(HostError::Answer {
                command: "rpm -qa",
                reason,
            });
        }
        let mut packages = query::parse_packages(&finished.stdout)?;
        packages.retain(|package| names.contains(&package.nevra.name()));
        packages.sort_by(|a, b| a.nevra.cmp(&b.nevra));
        Ok(packages)
    }

    pub(crate) fn verify(&self, names: &[&str]) -> Result<Vec<String>, HostError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = vec!["-V", "--nodeps", "--noscripts"];
        args.extend(names);
        // Differences make it exit with 1; they are the answer.
        let finished = self.query(&args, VERIFY)?;
        if finished.code.is_none() || finished.stderr.contains("error:") {
            let reason = format!("it did not end well: {}", cmd::tail(&finished.stderr, 3));
            return Err(HostError::Answer {
                command: "rpm -V",
                reason,
            });
        }
        let mut lines: Vec<String> = finished
            .stdout
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        lines.retain(|line| !line.is_empty());
        lines.sort();
        Ok(lines)
    }

    fn arguments(&self, set: &StagedRpmSet, mode: RpmMode, test: bool) -> Vec<String> {
        let mut args = self.relocation();
        args.extend(["-U", "--nomanifest", "--noglob"].map(str::to_owned));
        if mode != RpmMode::Upgrade {
            args.extend(["--oldpackage", "--replacepkgs"].map(str::to_owned));
        }
        if mode == RpmMode::GoBackWithoutPreun {
            args.push("--nopreun".to_owned());
        }
        if test {
            args.push("--test".to_owned());
        }
        args.extend(set.rpms().iter().map(|rpm| inherited_path(rpm.file())));
        args
    }

    pub(crate) fn test(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<RpmAnswer, HostError> {
        set.check()?;
        let args = self.arguments(set, mode, true);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let finished = cmd::query_with("rpm", &args, &files(set), VERIFY)?;
        let output = format!("{}{}", finished.stdout, finished.stderr);
        Ok(RpmAnswer {
            code: finished.code,
            output,
        })
    }

    pub(crate) fn upgrade(
        &self,
        set: &StagedRpmSet,
        mode: RpmMode,
        log: &File,
        mark: &File,
    ) -> Result<RpmAnswer, HostError> {
        let args = self.arguments(set, mode, false);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        set.check()?;
        let mut inherited = files(set);
        inherited.push(mark);
        let finished = cmd::transaction("rpm", &args, &inherited, log)?;
        Ok(RpmAnswer {
            code: finished.code,
            output: finished.stderr,
        })
    }

    /// Checks package signatures in a scratch keyring below `scratch`; the host's own keyring is
    /// neither asked nor changed.
    pub(crate) fn signatures(
        set: &StagedRpmSet,
        keys: &[Vec<u8>],
        scratch: &Path,
    ) -> Result<RpmAnswer, HostError> {
        secure_fs::remove_tree(scratch)?;
        secure_fs::ensure_dir(scratch, 0o700)?;
        let answer = check_in(set, keys, scratch);
        secure_fs::remove_tree(scratch)?;
        answer
    }

    /// Removes the stale environment of a Berkeley DB database (facts: it cured 28 of 28), and builds
    /// the indexes anew if the database still cannot be read. Only called while nobody holds rpm's
    /// lock.
    pub(crate) fn heal(&self) -> Result<(), HostError> {
        let finished = self.query(&["--eval", "%{_dbpath}"], QUERY)?.success()?;
        let dbpath = self
            .root
            .join(finished.stdout.trim().trim_start_matches('/'));
        for entry in std::fs::read_dir(&dbpath).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with("__db.") {
                secure_fs::remove_if_present(&entry.path())?;
            }
        }
        let readable = self.query(&["-qa", "--qf", "%{NAME}\\n"], QUERY)?;
        let is_sick = !readable.succeeded() || readable.stderr.contains("error: rpmdb");
        if is_sick {
            self.query(&["--rebuilddb"], VERIFY)?.success()?;
        }
        Ok(())
    }

    /// Asks the kernel who holds rpm's transaction lock. Asking takes nothing.
    pub(crate) fn lock_holder(&self) -> Result<Option<String>, HostError> {
        let finished = self
            .query(&["--eval", "%{?_rpmlock_path}\n%{_dbpath}"], QUERY)?
            .success()?;
        let mut lines = finished.stdout.lines();
        let (lock, dbpath) = (
            lines.next().unwrap_or(""),
            lines.next().unwrap_or("/var/lib/rpm"),
        );
        let lock = if lock.is_empty() {
            format!("{dbpath}/.rpm.lock")
        } else {
            lock.to_owned()
        };
        let path = self.root.join(lock.trim_start_matches('/'));
        let Ok(file) = File::open(&path) else {
            return Ok(None);
        };
        let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock));
        let held = held
            .map_err(|error| secure_fs::FsError::new("ask for the lock of", &path, error.into()))?;
        Ok(held
            .and_then(|lock| lock.pid)
            .map(|pid| describe(pid.as_raw_nonzero().get())))
    }
}

fn files(set: &StagedRpmSet) -> Vec<&File> {
    set.rpms()
        .iter()
        .map(crate::bundle::StagedRpm::file)
        .collect()
}

fn check_in(set: &StagedRpmSet, keys: &[Vec<u8>], scratch: &Path) -> Result<RpmAnswer, HostError> {
    let dbpath = scratch.to_string_lossy().into_owned();
    for (at, key) in keys.iter().enumerate() {
        let path = scratch.join(format!("key-{at}.asc"));
        secure_fs::write_atomic(&path, key, 0o600)?;
        let path = path.to_string_lossy().into_owned();
        cmd::query("rpmkeys", &["--dbpath", &dbpath, "--import", &path], QUERY)?.success()?;
    }
    set.check()?;
    let names: Vec<String> = set
        .rpms()
        .iter()
        .map(|rpm| inherited_path(rpm.file()))
        .collect();
    let mut args = vec!["--dbpath", dbpath.as_str(), "-K"];
    args.extend(names.iter().map(String::as_str));
    let finished = cmd::query_with("rpmkeys", &args, &files(set), VERIFY)?;
    let output = format!("{}{}", finished.stdout, finished.stderr);
    let signed = finished
        .stdout
        .lines()
        .filter(|line| query::says_signed(line))
        .count();
    // An unsigned package passes rpmkeys with exit code 0; it does not pass here.
    let code = if signed == names.len() {
        finished.code
    } else {
        Some(1)
    };
    Ok(RpmAnswer { code, output })
}

fn describe(pid: i32) -> String {
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}
