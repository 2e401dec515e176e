//! People with keys, and the files that go between their machines.

#![expect(
    clippy::disallowed_methods,
    reason = "a test carries files and runs stock tools"
)]

use std::path::Path;
use std::process::Command;

use crate::program::{User, text};

/// Runs a stock tool that must succeed, and returns what it wrote.
#[track_caller]
pub(crate) fn stock(program: &str, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    let output = command.args(args).envs(variables.iter().copied()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Makes a key on a user's machine with the program, and returns its id.
#[track_caller]
pub(crate) fn make_key(user: &User, name: &str) -> String {
    let (key, public) = (format!("{name}.pem"), format!("{name}.pub.pem"));
    user.run(&["key", "create", "-o", &key]).assert_ok();
    let export = ["key", "export", "public", "--key", &key, "-o", &public];
    user.run(&export).assert_ok();
    id_of(&user.path(&public))
}

/// The id of a public key, by stock tools.
#[track_caller]
pub(crate) fn id_of(public: &Path) -> String {
    let script = "openssl pkey -pubin -in \"$0\" -outform DER | sha256sum | cut -c1-16";
    stock("sh", &["-c", script, text(public)], &[])
        .trim()
        .to_owned()
}

/// Copies every file of a directory into another, which is made.
pub(crate) fn carry(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Where a user's chain is.
pub(crate) const TRUST: &str = "config/airgap-bundle/trust";

/// Begins a chain in the user's configuration: these root keys, these release keys, all on this machine.
#[track_caller]
pub(crate) fn init(user: &User, root: (&str, &[&str]), release: (&str, &[&str])) {
    let mut args: Vec<String> = ["root", "init", "--title", "Team", "--product", "*"]
        .map(str::to_owned)
        .to_vec();
    for (role, (threshold, keys)) in [("root", root), ("release", release)] {
        args.extend([format!("--{role}-threshold"), threshold.to_owned()]);
        for key in keys {
            args.extend([format!("--{role}-key"), format!("{key}.pub.pem")]);
        }
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    user.run(&args).assert_ok();
    for key in root.1 {
        let key = format!("{key}.pem");
        user.run(&[
            "root",
            "sign",
            &format!("{TRUST}/root.1.json"),
            "--key",
            &key,
            "--yes",
        ])
        .assert_ok();
    }
}

/// Has stock openssl check a signature.
pub(crate) fn openssl_accepts(public: &Path, signature: &Path, document: &Path) {
    let key = ["dgst", "-sha256", "-verify", text(public)];
    let signed = ["-signature", text(signature), text(document)];
    stock("openssl", &[&key[..], &signed].concat(), &[]);
}
