//! `lab host stores` and `lab host stores-picture`.

#![expect(clippy::disallowed_methods, reason = "the program under test is run")]

use std::process::{Command, Output};

use lab::isolated::{Guest, Image};

const PASSWORD: &str = "from the caller's environment";

fn lab(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(args)
        .env("LAB_POSTGRES_PASSWORD", PASSWORD)
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

impl Drop for Started {
    fn drop(&mut self) {
        lab(&["host", "stop", "--hard", &self.0]);
    }
}

#[test]
fn people_give_a_host_stores_and_look_at_them() {
    if Image::prepare_or_skip().is_none() {
        return;
    }
    let name = format!("stores-cli-{}", std::process::id());
    lab_ok(&["host", "start", &name, "--layer", "tyk-5.2.5"]);
    let host = Started(name);
    let stores = ["host", "stores", &host.0, "--redis", "acl", "--postgres"];
    let wanted = ["password", "--url", "--fill"];
    let said = lab_ok(&[&stores[..], &wanted].concat());
    assert!(!said.contains(PASSWORD), "{said}");

    let config = "/opt/tyk-dashboard/tyk_analytics.conf";
    let config = Guest::attach(&host.0).unwrap().read(config).unwrap();
    let config = String::from_utf8(config).unwrap();
    let encoded = "postgres://tyk:from%20the%20caller%27s%20environment@127.0.0.1:5432/";
    assert!(config.contains(encoded), "{config}");

    let picture = ["host", "stores-picture", &host.0];
    let without = [&picture[..], &["--without", "tyk_analytics"]].concat();
    let shown = lab_ok(&without);
    assert_eq!(shown, lab_ok(&without), "nothing was written");
    assert!(shown.contains("redis 1 cache-79: hash "), "{shown}");
    assert!(shown.contains("table public.tyk_apis: api-60\t"), "{shown}");
    assert!(!shown.contains("tyk_analytics"), "{shown}");
    let whole = lab_ok(&picture);
    assert!(whole.contains("table public.tyk_analytics: "), "{whole}");
}
