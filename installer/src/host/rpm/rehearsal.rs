//! Rehearses a way back: rpm's own test of the previous packages, in a copy of its database that
//! stands as the run will leave it. The host's database is only read.

use std::fs::File;
use std::io;
use std::path::Path;

use manifests::nevra::Nevra;
use rustix::fs::statvfs;

use super::super::cmd;
use super::super::{HostError, RpmAnswer, RpmMode};
use super::{Dialect, Rpm, VERIFY, files, label};
use crate::bundle::StagedRpmSet;
use crate::secure_fs::{self, FsError};

/// Larger databases are not copied.
const DATABASE_MAX_BYTES: u64 = 4 << 30;
/// What stays free beside the copy.
const SPARE_BYTES: u64 = 64 << 20;

/// What the copy goes through. `--nodeps` and `--replacefiles` are safe here: the way there had its
/// own test, and no file is written.
const ONLY_RECORD: &[&str] = &["--justdb", "--noscripts", "--notriggers", "--nodeps"];
const WHATEVER_IS_THERE: &[&str] = &["--oldpackage", "--replacepkgs", "--replacefiles"];

/// A way there, and the way back from it.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    /// What the run installs.
    pub coming: &'a StagedRpmSet,
    /// What the run removes.
    pub going: &'a [&'a Nevra],
    /// What the way back installs.
    pub back: &'a StagedRpmSet,
    /// What the way back removes, if rpm does not install the rest beside it.
    pub brought: &'a [&'a Nevra],
}

impl Rpm {
    /// Rehearses a way back below `scratch`, which lies below the root.
    pub(crate) fn rehearse(
        &self,
        rehearsal: &Rehearsal<'_>,
        scratch: &Path,
    ) -> Result<RpmAnswer, HostError> {
        secure_fs::remove_tree(scratch)?;
        secure_fs::ensure_dir(scratch, 0o700)?;
        let answer = self.rehearse_in(rehearsal, scratch);
        secure_fs::remove_tree(scratch)?;
        answer
    }

    fn rehearse_in(
        &self,
        rehearsal: &Rehearsal<'_>,
        scratch: &Path,
    ) -> Result<RpmAnswer, HostError> {
        copy_database(&self.dbpath()?, scratch)?;
        let stage = Stage {
            rpm: self,
            dbpath: match scratch.strip_prefix(&self.root) {
                Ok(below) => format!("/{}", below.display()),
                Err(_) => scratch.display().to_string(),
            },
        };
        stage.install(rehearsal.coming)?;
        stage.erase(rehearsal.going)?;
        let answer = stage.test(rehearsal.back)?;
        if answer.code == Some(0) || rehearsal.brought.is_empty() {
            return Ok(answer);
        }
        stage.erase(rehearsal.brought)?;
        stage.test(rehearsal.back)
    }
}

/// The copy of the database, with the commands on it.
struct Stage<'a> {
    rpm: &'a Rpm,
    dbpath: String,
}

impl Stage<'_> {
    fn arguments(&self, parts: &[&[&str]]) -> Vec<String> {
        let mut args = self.rpm.relocation();
        args.extend(["--dbpath".to_owned(), self.dbpath.clone()]);
        args.extend(parts.concat().into_iter().map(str::to_owned));
        args
    }

    fn run(args: &[String], set: &[&File]) -> Result<RpmAnswer, HostError> {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let finished = cmd::query_with("rpm", &args, set, VERIFY)?;
        let output = format!("{}{}", finished.stdout, finished.stderr);
        Ok(RpmAnswer {
            code: finished.code,
            output,
        })
    }

    fn install(&self, set: &StagedRpmSet) -> Result<(), HostError> {
        if set.rpms().is_empty() {
            return Ok(());
        }
        set.check()?;
        let dialect = Dialect::detect()?;
        let mut args = self.arguments(&[
            &["-U"],
            dialect.literal,
            dialect.quiet,
            ONLY_RECORD,
            WHATEVER_IS_THERE,
        ]);
        args.extend(paths(set));
        done(&Self::run(&args, &files(set))?)
    }

    fn erase(&self, packages: &[&Nevra]) -> Result<(), HostError> {
        if packages.is_empty() {
            return Ok(());
        }
        let mut args = self.arguments(&[&["-e"], Dialect::detect()?.quiet, ONLY_RECORD]);
        args.extend(packages.iter().map(|nevra| label(nevra)));
        done(&Self::run(&args, &[])?)
    }

    fn test(&self, set: &StagedRpmSet) -> Result<RpmAnswer, HostError> {
        if set.rpms().is_empty() {
            return Ok(RpmAnswer {
                code: Some(0),
                output: String::new(),
            });
        }
        set.check()?;
        let flags = Dialect::detect()?.flags(RpmMode::GoBack);
        let mut args = self.arguments(&[&flags, &["--test"]]);
        args.extend(paths(set));
        Self::run(&args, &files(set))
    }
}

fn paths(set: &StagedRpmSet) -> impl Iterator<Item = String> {
    set.rpms().iter().map(|rpm| cmd::inherited_path(rpm.file()))
}

fn done(answer: &RpmAnswer) -> Result<(), HostError> {
    if answer.code == Some(0) {
        return Ok(());
    }
    Err(HostError::Answer {
        command: "rpm --justdb in a copy of its database",
        reason: cmd::tail(&answer.output, 3),
    })
}

/// Copies the files of a database. Its environment and its locks stay behind.
fn copy_database(from: &Path, to: &Path) -> Result<(), HostError> {
    let failed = |source| FsError::new("copy rpm's database", from, source);
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.path().metadata().map_err(failed)?;
        let stays = name.starts_with("__db.") || name.starts_with('.') || name.ends_with("-shm");
        if metadata.is_file() && !stays {
            parts.push((name, metadata.len()));
        }
    }
    let bytes = parts.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let space = statvfs(to).map_err(|error| failed(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if bytes > DATABASE_MAX_BYTES || free < bytes + SPARE_BYTES {
        let why = format!(
            "a copy of its {} MiB does not fit into the {} MiB that are free at {}",
            bytes >> 20,
            free >> 20,
            to.display()
        );
        return Err(failed(io::Error::other(why)).into());
    }
    for (name, _) in parts {
        let mut original = secure_fs::open_read(&from.join(&name))?;
        let mut copy = secure_fs::create_new(&to.join(&name), 0o600)?;
        io::copy(&mut original, &mut copy).map_err(failed)?;
    }
    Ok(())
}
