//! Calls rpm.
//!
//! Files are named `/proc/self/fd/N` and hashed from that descriptor just before, so that nothing
//! can be swapped between check and use. One table, [`DIALECTS`], has the differences between the
//! versions of rpm. `--force` and `--nodigest` are never passed.

mod database;
mod keyring;
pub(crate) mod rehearsal;
mod room;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use manifests::nevra::Nevra;

use super::cmd::{self, inherited_path};
use super::{
    Erasure, HostError, InstalledPackage, RpmAnswer, RpmContents, RpmMode, query, query_all,
};
use crate::bundle::StagedRpmSet;

const QUERY: Duration = Duration::from_secs(120);
/// Verifying reads every installed byte.
const VERIFY: Duration = Duration::from_secs(600);

/// The differences between the versions of rpm on hosts, as far as this project calls rpm. The
/// facts come from the upstream source at each tag; 4.16.1 and 4.18 were also tried.
#[derive(Debug)]
struct Dialect {
    /// The first version that this row describes.
    since: (u32, u32),
    /// Options that make rpm treat a file name as exactly one package: `--nomanifest` stops it from
    /// reading a text file as a list of packages, `--noglob` stops a bracket from matching another
    /// file.
    literal: &'static [&'static str],
    /// Words in the answer of `rpmkeys -K`, one of which shows that a signature was checked.
    signed: &'static [&'static str],
    /// Options that keep rpm's plugins, such as the audit log, out of a rehearsal.
    quiet: &'static [&'static str],
    /// The query tag of the strongest header digest that the database has.
    header: &'static str,
}

/// Every version has these. `--nopreun` is for a replaced package whose `%preun` makes the way back
/// fail.
const GO_BACK: &[&str] = &["--oldpackage", "--replacepkgs"];
const GO_BACK_WITHOUT_PREUN: &[&str] = &["--oldpackage", "--replacepkgs", "--nopreun"];

/// Oldest first.
const DIALECTS: &[Dialect] = &[
    // EL7. It accepts `--noglob` and ignores it; our names contain only digits, so nothing can
    // match. It lists algorithms (`rsa sha1 (md5) pgp md5 OK`).
    Dialect {
        since: (4, 11),
        literal: &["--nomanifest"],
        quiet: &[],
        signed: &["pgp", "gpg", "rsa", "dsa"],
        header: "sha1:%{SHA1HEADER}",
    },
    // EL8, EL9 and later.
    Dialect {
        since: (4, 14),
        literal: &["--nomanifest", "--noglob"],
        quiet: &["--noplugins"],
        signed: &["signatures"],
        header: "sha256:%{SHA256HEADER}",
    },
];

impl Dialect {
    /// Returns the row of a version. A version newer than the table uses the last row.
    fn of(version: &str) -> Option<&'static Self> {
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse::<u32>().ok();
        let version = (next()?, next()?);
        DIALECTS
            .iter()
            .rev()
            .find(|dialect| dialect.since <= version)
    }

    /// Detects the version of the installed rpm.
    fn detect() -> Result<&'static Self, HostError> {
        let version = Rpm::version()?;
        Self::of(&version).ok_or(HostError::RpmVersion { version })
    }

    fn flags(&self, mode: RpmMode) -> Vec<&'static str> {
        let direction: &[&str] = match mode {
            RpmMode::Upgrade => &[],
            RpmMode::GoBack => GO_BACK,
            RpmMode::GoBackWithoutPreun => GO_BACK_WITHOUT_PREUN,
        };
        [&["-U"], self.literal, direction].concat()
    }
}

/// Calls rpm for the host below a root directory.
#[derive(Debug, Clone)]
pub(crate) struct Rpm {
    root: PathBuf,
    dbpath: OnceLock<PathBuf>,
}

impl Rpm {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            dbpath: OnceLock::new(),
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

    pub(crate) fn installed(&self, names: &[&str]) -> Result<Vec<InstalledPackage>, HostError> {
        // `-qa` with names exits with 0 even if none is installed; `-q` does not.
        let mut args = vec!["-qa", "--qf", query::PACKAGE_FORMAT];
        args.extend(names);
        let finished = self.ask_database(&args, QUERY)?.success()?;
        // For an unreadable database rpm prints no package and an error, and exits with 0.
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

    /// Lists everything. A database that does not report its format is Berkeley DB: rpm had no
    /// other format before 4.16.
    pub(crate) fn contents(&self) -> Result<RpmContents, HostError> {
        let format = query_all::format(Dialect::detect()?.header);
        let finished = self
            .ask_database(&["-qa", "--qf", &format], QUERY)?
            .success()?;
        if finished.stderr.contains("error:") {
            return Err(HostError::Answer {
                command: "rpm -qa",
                reason: cmd::tail(&finished.stderr, 3),
            });
        }
        let (packages, skipped) = query_all::parse(&finished.stdout)?;
        let backend = self
            .query(&["--eval", "%{?_db_backend}"], QUERY)?
            .success()?;
        let database = match backend.stdout.trim() {
            "" => "bdb".to_owned(),
            backend => backend.to_owned(),
        };
        Ok(RpmContents {
            packages,
            skipped,
            database,
        })
    }

    pub(crate) fn verify(&self, names: &[&str]) -> Result<Vec<String>, HostError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = vec!["-V", "--nodeps", "--noscripts"];
        args.extend(names);
        // If rpm finds differences it exits with 1; the differences are the result.
        let finished = self.ask_database(&args, VERIFY)?;
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

    fn arguments(
        &self,
        set: &StagedRpmSet,
        mode: RpmMode,
        test: bool,
    ) -> Result<Vec<String>, HostError> {
        let mut args = self.relocation();
        args.extend(
            Dialect::detect()?
                .flags(mode)
                .into_iter()
                .map(str::to_owned),
        );
        if test {
            args.push("--test".to_owned());
        }
        args.extend(set.rpms().iter().map(|rpm| inherited_path(rpm.file())));
        Ok(args)
    }

    /// Reads the headers of a set. Their signatures are checked separately.
    pub(crate) fn headers(set: &StagedRpmSet) -> Result<Vec<InstalledPackage>, HostError> {
        set.check()?;
        let paths: Vec<String> = set
            .rpms()
            .iter()
            .map(|rpm| inherited_path(rpm.file()))
            .collect();
        let mut args = vec!["-qp", "--nosignature", "--qf", query::PACKAGE_FORMAT];
        args.extend(Dialect::detect()?.literal);
        args.extend(paths.iter().map(String::as_str));
        let finished = cmd::query_with("rpm", &args, &files(set), QUERY)?.success()?;
        query::parse_packages(&finished.stdout)
    }

    pub(crate) fn test(&self, set: &StagedRpmSet, mode: RpmMode) -> Result<RpmAnswer, HostError> {
        set.check()?;
        let args = self.arguments(set, mode, true)?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let finished = self.ask_database_with(&args, &files(set), VERIFY)?;
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
        let args = self.arguments(set, mode, false)?;
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

    pub(crate) fn erase(
        &self,
        packages: &[&Nevra],
        how: Erasure,
        log: &File,
        mark: &File,
    ) -> Result<RpmAnswer, HostError> {
        let mut args = self.relocation();
        args.extend(erase_flags(how).iter().map(|&flag| flag.to_owned()));
        args.extend(packages.iter().map(|nevra| label(nevra)));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let finished = cmd::transaction("rpm", &args, &[mark], log)?;
        Ok(RpmAnswer {
            code: finished.code,
            output: finished.stderr,
        })
    }
}

/// Names a package in a form that every rpm accepts: 4.11 does not understand an epoch in a label.
fn label(nevra: &Nevra) -> String {
    let (evr, arch) = (nevra.evr(), nevra.arch());
    let (version, release) = (evr.version(), evr.release());
    format!("{}-{version}-{release}.{arch}", nevra.name())
}

/// Every version has these.
const fn erase_flags(how: Erasure) -> &'static [&'static str] {
    match how {
        Erasure::Plain => &["-e"],
        Erasure::BeforeWhatNeedsThem => &["-e", "--nodeps"],
        Erasure::BeforeWhatNeedsThemWithoutPreun => &["-e", "--nodeps", "--nopreun"],
    }
}

fn files(set: &StagedRpmSet) -> Vec<&File> {
    set.rpms()
        .iter()
        .map(crate::bundle::StagedRpm::file)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_its_dialect_and_older_ones_none() {
        for (version, literal) in [
            ("4.11.3", "-U --nomanifest"),
            ("4.14.3", "-U --nomanifest --noglob"),
            ("4.16.1.3", "-U --nomanifest --noglob"),
            ("4.18.0", "-U --nomanifest --noglob"),
            ("4.20.0-rc1", "-U --nomanifest --noglob"),
            ("6.0.0", "-U --nomanifest --noglob"),
        ] {
            let dialect = Dialect::of(version).unwrap();
            assert_eq!(dialect.flags(RpmMode::Upgrade).join(" "), literal);
            assert_eq!(
                dialect.flags(RpmMode::GoBackWithoutPreun).join(" "),
                format!("{literal} --oldpackage --replacepkgs --nopreun")
            );
        }
        for version in ["4.8.1", "3.9", "", "four", "4"] {
            assert!(Dialect::of(version).is_none(), "{version}");
        }
    }

    #[test]
    fn no_dialect_asks_for_a_tag_that_its_rpm_does_not_know() {
        assert!(Dialect::of("4.11.3").unwrap().header.contains("SHA1HEADER"));
        assert!(
            Dialect::of("4.14.3")
                .unwrap()
                .header
                .contains("SHA256HEADER")
        );
    }

    #[test]
    fn no_dialect_forces_anything() {
        let modes = [
            RpmMode::Upgrade,
            RpmMode::GoBack,
            RpmMode::GoBackWithoutPreun,
        ];
        let upgrades = DIALECTS
            .iter()
            .flat_map(|d| modes.map(|mode| d.flags(mode)));
        let removal = erase_flags(Erasure::Plain).to_vec();
        for flag in upgrades.chain([removal]).flatten() {
            assert!(
                ![
                    "--force",
                    "--nodigest",
                    "--nosignature",
                    "--nodeps",
                    "--replacefiles"
                ]
                .contains(&flag)
            );
        }
    }

    #[test]
    fn an_unsigned_package_does_not_count_as_signed() {
        let signed = |version, line| query::is_signed(line, Dialect::of(version).unwrap().signed);
        assert!(signed("4.18.0", "/x.rpm: digests signatures OK"));
        assert!(!signed("4.18.0", "/x.rpm: digests OK"));
        assert!(!signed("4.18.0", "/x.rpm: digests SIGNATURES NOT OK"));
        assert!(signed("4.11.3", "/x.rpm: rsa sha1 (md5) pgp md5 OK"));
        assert!(!signed("4.11.3", "/x.rpm: sha1 md5 OK"));
        let missing = "/x.rpm: RSA sha1 ((MD5) PGP) md5 NOT OK (MISSING KEYS: PGP#1ed14c59)";
        assert!(!signed("4.11.3", missing));
    }
}
