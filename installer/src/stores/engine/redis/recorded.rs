//! What servers and tools of Redis 3.2, 5, 6 and 7 print, and how it is understood. The words are
//! those of the tools; versions that no distribution of the tests has are known by them alone.

use super::access::{Address, RedisAccess, RedisKind, Secret};
use super::client::{Server, field, keys};
use super::dump::{complaint, is_forbidden, major};
use super::error::Kind;
use super::{prove, save_permission};
use crate::host::cmd::Finished;

fn printed(code: i32, stdout: &str, stderr: &str) -> Finished {
    Finished {
        command: "redis-cli".to_owned(),
        code: Some(code),
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
    }
}

fn access(username: Option<&str>) -> RedisAccess {
    RedisAccess {
        kind: RedisKind::Single,
        addresses: vec![Address {
            host: "127.0.0.1".to_owned(),
            port: 6379,
        }],
        database: 0,
        username: username.map(str::to_owned),
        password: Some(Secret::new("Zebra".to_owned())),
        tls: None,
    }
}

/// Returns the kind of refusal of a question that was asked with a login.
fn refused(username: Option<&str>, stdout: &str) -> Kind {
    let access = access(username);
    let server = Server::new(&access, &access.addresses[0]);
    let answer = server.answer("INFO", true, &printed(0, stdout, ""));
    let refusal = answer.unwrap_err();
    assert!(!refusal.error.to_string().contains("Zebra"));
    refusal.kind
}

#[test]
fn every_version_of_the_tool_is_known() {
    for (text, version) in [
        ("redis-cli 3.2.12\n", 3),
        ("redis-cli 5.0.14\n", 5),
        ("redis-cli 6.0.16\n", 6),
        ("redis-cli 6.2.7 (git:3fe1b0-dirty)\n", 6),
        ("redis-cli 7.0.15\n", 7),
    ] {
        assert_eq!(major(text), Some(version), "{text}");
    }
}

#[test]
fn servers_of_every_version_report_themselves() {
    for (version, more) in [
        ("3.2.12", ""),
        ("5.0.14", ""),
        ("6.0.16", "io_threads_active:0\r\n"),
        ("7.0.15", "async_loading:0\r\n"),
    ] {
        let info = format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\nprocess_id:812\r\n\
             run_id:0a1b\r\n\r\n# Persistence\r\nloading:0\r\n{more}\r\n# Keyspace\r\n\
             db0:keys=5,expires=1,avg_ttl=0\r\ndb3:keys=2,expires=0,avg_ttl=0\r\n"
        );
        let access = access(None);
        let server = Server::new(&access, &access.addresses[0]);
        // The answer to the login stands first.
        let said = printed(0, &format!("OK\n{info}"), "");
        let answer = server.answer("INFO", true, &said).unwrap();
        assert_eq!(field(&answer, "redis_version"), Some(version));
        assert_eq!(field(&answer, "run_id"), Some("0a1b"));
        assert_eq!(keys(&answer), 7);
    }
}

#[test]
fn a_login_that_is_refused_has_its_cause_in_every_version() {
    let wrong = [
        "ERR invalid password\n\nNOAUTH Authentication required.\n\n",
        "WRONGPASS invalid username-password pair or user is disabled.\n\n\
         NOAUTH Authentication required.\n\n",
    ];
    for text in wrong {
        assert_eq!(refused(None, text), Kind::Password, "{text}");
    }
    // Before version 6 there are no users: the command has one argument too many.
    let no_users = "ERR wrong number of arguments for 'auth' command\n\n\
                    NOAUTH Authentication required.\n\n";
    assert_eq!(refused(Some("tyk"), no_users), Kind::NoUsers);
    for text in [
        "ERR Client sent AUTH, but no password is set\n\nredis_version:3.2.12\n",
        "ERR AUTH <password> called without any password configured for the default user. Are you \
         sure your configuration is correct?\n\nredis_version:6.0.16\n",
    ] {
        let access = access(None);
        let server = Server::new(&access, &access.addresses[0]);
        let answer = server.answer("INFO", true, &printed(0, text, ""));
        assert!(answer.unwrap().starts_with("redis_version"), "{text}");
    }
}

#[test]
fn a_whole_copy_is_told_by_its_last_words() {
    for stderr in [
        // 3.2 and 5
        "SYNC sent to master, writing 1024 bytes to '/proc/self/fd/5'\n\
         Transfer finished with success.\n",
        // 6
        "sending REPLCONF capa eof\n\
         SYNC sent to master, writing bytes of bulk transfer until EOF marker to '/proc/self/fd/5'\n\
         Transfer finished with success after 1024 bytes\n",
        // 7
        "sending REPLCONF capa eof\nsending REPLCONF rdb-only 1\n\
         SYNC sent to master, writing bytes of bulk transfer until EOF marker to '/proc/self/fd/5'\n\
         Transfer finished with success after 1024 bytes\n",
    ] {
        assert_eq!(complaint(&printed(0, "", stderr)), None, "{stderr}");
    }
    let torn = "SYNC sent to master, writing 1024 bytes to '/proc/self/fd/5'\n\
                I/O Error reading RDB payload from socket\n";
    assert!(complaint(&printed(0, "", torn)).is_some());
}

/// Fault 4: tools before 6.2 print a refused SYNC on standard output, and the server's own save was
/// never tried.
#[test]
fn a_refused_copy_is_understood_on_either_stream() {
    let access = access(None);
    let server = Server::new(&access, &access.addresses[0]);
    for (stdout, stderr, kind) in [
        (
            "SYNC with master failed: -ERR unknown command 'SYNC'\n",
            "",
            Kind::Unknown,
        ),
        (
            "SYNC with master failed: -ERR unknown command `SYNC`, with args beginning with: \n",
            "",
            Kind::Unknown,
        ),
        (
            "SYNC with master failed: -NOPERM this user has no permissions to run the 'sync' \
             command\n",
            "sending REPLCONF capa eof\n",
            Kind::Rights,
        ),
        (
            "",
            "sending REPLCONF capa eof\nsending REPLCONF rdb-only 1\n\
             SYNC with master failed: -NOPERM User tyk has no permissions to run the 'sync' command\n",
            Kind::Rights,
        ),
    ] {
        let words = complaint(&printed(1, stdout, stderr)).unwrap();
        let refusal = server.refusal("SYNC (redis-cli --rdb)", &words);
        assert_eq!(refusal.kind, kind, "{words}");
        assert!(is_forbidden(&refusal), "the server's own save is tried");
    }
}

/// Fault 1: with a tool before version 6 the server writes the copy over its own dump file, whatever
/// it is told about streams.
#[test]
fn an_operators_dump_file_is_spared_by_every_version_of_the_tool() {
    for (tool, writes_copies, is_allowed) in [
        (3, true, false),
        (3, false, false),
        (5, false, false),
        (6, true, false),
        (6, false, true),
        (7, false, true),
    ] {
        let judged = save_permission::judge("dump.rdb", tool, writes_copies);
        assert_eq!(judged.is_ok(), is_allowed, "{tool} {writes_copies}");
        if tool < 6 {
            let error = judged.unwrap_err();
            assert!(error.next.contains("redis-cli 6"), "{error}");
        }
    }
}

/// Fault 2: the check of 3.2 reports a wrong checksum and says afterwards that all is well.
#[test]
fn a_dump_is_proven_by_the_check_of_every_version() {
    let checked = |head: &str, end: &str| {
        format!(
            "{head}[offset 28] {end}\n[info] 7 keys read\n[info] 2 expires\n[info] 0 already expired\n"
        )
    };
    let well = "Checksum OK\n[offset 28] \\o/ RDB looks OK! \\o/";
    for version in ["3.2.12", "5.0.14", "6.0.16", "7.0.15"] {
        let head = format!(
            "[offset 0] Checking RDB file /proc/self/fd/5\n[offset 26] AUX FIELD redis-ver = '{version}'\n"
        );
        let proof = prove::judge("dump.rdb", &printed(0, &checked(&head, well), ""), 28).unwrap();
        assert_eq!((proof.keys, proof.expiring), (7, 2), "{version}");
    }
    let old = "RDB CRC error\n[offset 28] \\o/ RDB looks OK! \\o/";
    assert!(prove::judge("dump.rdb", &printed(0, &checked("", old), ""), 28).is_err());
    let new = "--- RDB ERROR DETECTED ---\n[offset 28] RDB CRC error\n\
               [additional info] While doing: check-sum\n[info] 7 keys read\n";
    assert!(prove::judge("dump.rdb", &printed(1, new, ""), 28).is_err());
}
