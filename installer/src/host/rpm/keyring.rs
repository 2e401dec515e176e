//! Checks package signatures with chosen keys.

use std::path::Path;

use super::super::cmd::{self, inherited_path};
use super::super::{HostError, RpmAnswer, query};
use super::{Dialect, QUERY, Rpm, VERIFY, files};
use crate::bundle::StagedRpmSet;
use crate::secure_fs;

impl Rpm {
    /// Checks package signatures in a temporary keyring below `scratch`. The host's own keyring is
    /// neither used nor changed.
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
}

fn check_in(set: &StagedRpmSet, keys: &[Vec<u8>], scratch: &Path) -> Result<RpmAnswer, HostError> {
    let words = Dialect::detect()?.signed;
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
        .filter(|line| query::is_signed(line, words))
        .count();
    // rpmkeys exits with 0 for an unsigned package; here it is an error.
    let code = if signed == names.len() {
        finished.code
    } else {
        Some(1)
    };
    Ok(RpmAnswer { code, output })
}
