//! Each refusal of a server has its own message, and never a secret in it.

#![expect(
    clippy::disallowed_methods,
    reason = "the test starts itself elsewhere"
)]

use std::process::Command;

use installer::stores::StoreError;
use installer::stores::access::Address;

use super::server::{Server, free_port, is_root};
use super::{counted, dump, look, to, with_password};

#[track_caller]
fn assert_reported(error: &StoreError, why: &str, next: &str) {
    assert!(
        error.why.contains(why) && error.next.contains(next),
        "{error}"
    );
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[test]
fn a_wrong_password_a_missing_one_and_an_unknown_user() {
    let Some(server) = Server::start(&["requirepass hush-hush"]) else {
        return;
    };
    let wrong = with_password(server.port, None, "hush");
    assert_reported(
        &look(&wrong).unwrap_err(),
        "refuses the password",
        "configuration",
    );
    assert_reported(
        &dump(&wrong, "dump.rdb").unwrap_err(),
        "refuses the password",
        "configuration",
    );
    assert_reported(
        &look(&to(server.port)).unwrap_err(),
        "requires a password",
        "configuration",
    );
    let powerless = with_password(server.port, Some("nobody"), "hush-hush");
    assert_reported(
        &look(&powerless).unwrap_err(),
        "of the user `nobody`",
        "configuration",
    );
}

#[test]
fn a_closed_port_and_an_unknown_host_are_reported() {
    if Server::start(&[]).is_none() {
        return;
    }
    let down = to(free_port());
    assert_reported(&look(&down).unwrap_err(), "Connection refused", "start it");
    assert_reported(
        &dump(&down, "dump.rdb").unwrap_err(),
        "Connection refused",
        "start it",
    );
    let mut nowhere = to(6379);
    nowhere.addresses = vec![Address {
        host: "no-such-host.invalid".to_owned(),
        port: 6379,
    }];
    assert_reported(
        &look(&nowhere).unwrap_err(),
        "cannot be reached",
        "correct host",
    );
}

#[test]
fn missing_rights_are_named() {
    let lines = [
        "user blind on >hush-1 -@all +ping",
        "user reader on >hush-2 -@all +info",
    ];
    let Some(server) = Server::start(&lines) else {
        return;
    };
    let blind = with_password(server.port, Some("blind"), "hush-1");
    assert_reported(
        &look(&blind).unwrap_err(),
        "`blind` may not run INFO",
        "+info",
    );
    let reader = with_password(server.port, Some("reader"), "hush-2");
    look(&reader).unwrap();
    assert_reported(
        &dump(&reader, "dump.rdb").unwrap_err(),
        "`reader` may not run SYNC",
        "+sync",
    );
}

#[test]
fn renamed_commands_are_missed() {
    let lines = [
        "rename-command SYNC \"\"",
        "rename-command CONFIG hush-config",
    ];
    let Some(server) = Server::start(&lines) else {
        return;
    };
    let access = to(server.port);
    let problem = look(&access).unwrap().not_restorable.unwrap();
    assert!(
        problem.what.contains("CONFIG, or it was renamed"),
        "{problem:?}"
    );
    assert_reported(
        &dump(&access, "dump.rdb").unwrap_err(),
        "does not know the command SYNC",
        "by hand",
    );
}

#[test]
fn an_operators_dump_file_is_not_written_over() {
    let Some(server) = Server::start(&["repl-diskless-sync no"]) else {
        return;
    };
    let access = to(server.port);
    let refused = look(&access).unwrap_err();
    assert_reported(
        &refused,
        "own dump file",
        "CONFIG SET repl-diskless-sync yes",
    );
    server.ask("CONFIG SET repl-diskless-sync yes");
    look(&access).unwrap();
}

#[test]
fn a_login_that_the_server_does_not_know_is_not_repeated() {
    let Some(server) = Server::start(&["rename-command AUTH \"\""]) else {
        return;
    };
    let access = with_password(server.port, None, "hush-hush");
    assert_reported(
        &look(&access).unwrap_err(),
        "does not know the command AUTH",
        "by hand",
    );
}

#[test]
fn a_replica_is_dumped_and_not_restored() {
    let Some(master) = Server::start(&[]) else {
        return;
    };
    master.fill(&[(0, 5)]);
    let Some(replica) = Server::start(&[&format!("replicaof 127.0.0.1 {}", master.port)]) else {
        return;
    };
    let access = to(replica.port);
    while !replica
        .ask("INFO replication")
        .contains("master_link_status:up")
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let problem = look(&access).unwrap().not_restorable.unwrap();
    assert!(problem.what.contains("replica"), "{problem:?}");
    assert_eq!(counted(&access), 5);
}

/// Hides one program after the other in a new mount namespace, and looks at the store there.
#[test]
fn a_missing_tool_is_named_with_its_package() {
    const PORT: &str = "AIRGAP_TEST_PORT";
    let tools = ["redis-cli", "redis-check-rdb"];
    if let Ok(port) = std::env::var(PORT) {
        let tool = std::env::var("AIRGAP_TEST_TOOL").unwrap();
        let error = look(&to(port.parse().unwrap())).unwrap_err();
        assert!(error.what.contains(&tool), "{error}");
        assert_reported(&error, "not installed", "`redis`");
        return;
    }
    if !is_root() {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    look(&to(server.port)).unwrap();
    let own = std::env::current_exe().unwrap();
    for tool in tools {
        let script = "mount --bind /dev/null /usr/bin/$AIRGAP_TEST_TOOL && exec \"$@\"";
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh"])
            .arg(&own)
            .args([
                "--exact",
                "engines::redis::refusals::a_missing_tool_is_named_with_its_package",
            ])
            .env(PORT, server.port.to_string())
            .env("AIRGAP_TEST_TOOL", tool)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("1 passed"), "it did run: {shown}");
    }
}
