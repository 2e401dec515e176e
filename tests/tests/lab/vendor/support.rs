//! Functions that the tests share.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use lab::vendor::{Fixtures, PublicKey};

/// Prepared once for all tests.
pub(crate) fn fixtures() -> &'static Fixtures {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    FIXTURES.get_or_init(|| Fixtures::prepare().unwrap())
}

pub(crate) fn output(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"))
}

/// What a successful program prints.
pub(crate) fn stdout(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// `rpm -qp` without signature checks, which would only warn of the missing key.
pub(crate) fn query(rpm: &Path, arguments: &[&str]) -> String {
    let rpm = rpm.to_str().unwrap();
    stdout(
        "rpm",
        &[&["-qp", "--nosignature"], arguments, &[rpm]].concat(),
    )
}

/// Whether `rpmkeys -K` accepts a file when only `key` is known, and what it prints.
pub(crate) fn check_signature(key: &PublicKey, rpm: &Path) -> (bool, String) {
    let database = tempfile::tempdir().unwrap();
    let database = database.path().to_str().unwrap();
    stdout(
        "rpmkeys",
        &["--dbpath", database, "--import", key.file.to_str().unwrap()],
    );
    let output = output(
        "rpmkeys",
        &["--dbpath", database, "-Kv", rpm.to_str().unwrap()],
    );
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Extracts an RPM's files.
pub(crate) fn extract(rpm: &Path, into: &Path) {
    let archive = into.join("payload.tgz");
    let output = Command::new("rpm2archive")
        .arg("-")
        .stdin(std::fs::File::open(rpm).unwrap())
        .stdout(std::fs::File::create(&archive).unwrap())
        .status()
        .unwrap();
    assert!(output.success());
    stdout(
        "tar",
        &[
            "-xzf",
            archive.to_str().unwrap(),
            "-C",
            into.to_str().unwrap(),
        ],
    );
}
