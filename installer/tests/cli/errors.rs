//! Errors that need neither a bundle nor a host: one snapshot for each group.

#![expect(
    clippy::disallowed_methods,
    reason = "a test runs the program and makes files for it"
)]

use std::process::Command;

use tempfile::TempDir;

/// A fingerprint that matches no document.
const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An empty host, and a directory with files of the wrong kind.
fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("root")).unwrap();
    for (name, text) in [
        ("text.tar.zst", "not a bundle\n"),
        ("empty.tar.zst", ""),
        ("bundle.tar.zst.part001", "a part\n"),
        ("bundle.tar.zst.parts.json", "{}\n"),
        ("root.json", "{}\n"),
        ("broken.json", "{"),
        ("identity", "not an identity\n"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn said(place: &TempDir, args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_install"))
        .args(["--root", "root"])
        .args(args.split_whitespace())
        .env_clear()
        .current_dir(place.path())
        .output()
        .unwrap();
    let code = output.status.code();
    let code = code.map_or("a signal".to_owned(), |code| code.to_string());
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    format!("$ install {args}\n{stdout}{stderr}exit code {code}\n\n")
}

fn compare(name: &str, invocations: &[&str]) {
    let place = place();
    let all: String = invocations.iter().map(|args| said(&place, args)).collect();
    let all = all.replace(&place.path().display().to_string(), "[dir]");
    let all = all.replace(env!("CARGO_BIN_EXE_install"), "[install]");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/errors");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, all));
}

#[test]
fn command_lines_that_cannot_be_read() {
    let seal = format!("--encrypt-backups-to {FINGERPRINT} status");
    compare(
        "command_line",
        &[
            "--output yaml history",
            "--colour",
            "undo",
            "undo one",
            "bundle.tar.zst history",
            &seal,
            "trust remove 0123",
            "backup restore 1",
            "history info",
        ],
    );
}

#[test]
fn files_that_are_not_bundles() {
    compare(
        "bundles",
        &[
            "verify gone.tar.zst",
            "verify text.tar.zst",
            "verify empty.tar.zst",
            "verify bundle.tar.zst.part001",
            "verify bundle.tar.zst.parts.json",
            "plan gone.tar.zst",
            "plan --check text.tar.zst",
        ],
    );
}

#[test]
fn runs_that_were_never_made() {
    compare(
        "runs",
        &[
            "history",
            "history info 7",
            "--output json history",
            "status",
            "status --follow",
            "trust list",
            "trust show gone.json",
            "trust show root.json",
        ],
    );
}

#[test]
fn commands_of_root_without_their_subject() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this needs root");
        return;
    }
    let remove = format!("trust remove {FINGERPRINT}");
    compare(
        "root",
        &[
            "text.tar.zst",
            "gone.tar.zst",
            "trust add gone.json",
            "trust add root.json",
            "trust add broken.json",
            &remove,
            "undo 7",
            "rollback 7",
            "resume",
            "close 7 --as-it-is nothing-is-open",
            "close 7 --as-it-is short",
            "execute 7",
            "history prune",
            "backup list",
            "backup verify 7",
            "backup restore 7 --store data",
            "backup prune --keep 1",
            "config-changes 7",
            "support -o gone/support.tar",
            "inventory -o gone/host.json",
        ],
    );
}
