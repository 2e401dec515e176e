//! The `lab` program, and what it leaves when it is killed.

#![expect(clippy::disallowed_methods, reason = "the program under test is run")]

use std::process::{Command, Output};
use std::time::Duration;

use lab::isolated::{HostRecord, Image, cache, reap};

use crate::isolated::assert_gone;

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn lab_ok(args: &[&str]) -> String {
    let output = lab(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Stops the host even when the test fails.
struct Started(String);

impl Started {
    fn new(label: &str, args: &[&str]) -> Self {
        let name = format!("{label}-{}", std::process::id());
        let mut words = vec!["host", "start", &name];
        words.extend(args);
        let said = lab_ok(&words);
        assert!(said.contains("is running"), "{said}");
        Self(name)
    }

    fn exec(&self, command: &[&str]) -> Output {
        let mut words = vec!["host", "exec", &self.0, "--"];
        words.extend(command);
        lab(&words)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        lab(&["host", "stop", "--hard", &self.0]);
        let log = cache::directory().join(format!("host-{}.log", self.0));
        let _ = std::fs::remove_file(log);
    }
}

#[test]
fn a_host_lives_until_it_is_stopped() {
    if Image::prepare_or_skip().is_none() {
        return;
    }
    let host = Started::new("cli", &["--major", "7"]);
    assert!(lab_ok(&["host", "list"]).contains(&format!("{}\trunning", host.0)));
    assert!(!lab(&["host", "start", &host.0]).status.success());

    let said = host.exec(&[
        "sh",
        "-c",
        ". /etc/os-release; echo $VERSION_ID; echo no >&2; exit 9",
    ]);
    assert_eq!(said.status.code(), Some(9));
    assert_eq!(
        (said.stdout.as_slice(), said.stderr.as_slice()),
        (&b"7\n"[..], &b"no\n"[..])
    );
    assert_eq!(
        host.exec(&["sh", "-c", "kill -9 $$"]).status.code(),
        Some(137)
    );
    let who = lab_ok(&[
        "host", "exec", &host.0, "--user", "operator", "--", "id", "-un",
    ]);
    assert_eq!(who, "operator\n");

    lab_ok(&[
        "host",
        "push",
        &host.0,
        "/bin/true",
        "/usr/local/bin/pushed",
        "--mode",
        "0755",
    ]);
    assert!(host.exec(&["pushed"]).status.success());
    lab_ok(&["host", "power-cycle", &host.0]);
    assert!(host.exec(&["pushed"]).status.success());

    let record = HostRecord::read(&host.0).unwrap();
    lab_ok(&["host", "stop", &host.0]);
    assert_gone(&record);
    assert!(
        !lab(&["host", "exec", &host.0, "--", "true"])
            .status
            .success()
    );
}

#[test]
fn what_a_killed_owner_leaves_is_reaped() {
    if Image::prepare_or_skip().is_none() {
        return;
    }
    let host = Started::new("orphan", &[]);
    let record = HostRecord::read(&host.0).unwrap();
    assert!(
        reap().unwrap().iter().all(|name| *name != host.0),
        "its owner lives"
    );

    record.owner.kill();
    assert!(
        record.owner.ends_within(Duration::from_mins(1)),
        "it is killed"
    );
    // Another test of this run may be the one that reaps it.
    reap().unwrap();
    assert_gone(&record);
}
