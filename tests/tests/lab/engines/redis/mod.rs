//! Redis: real servers on this machine, each in a directory and on a port of its own.

mod many;
mod refusals;
mod server;
mod torn;

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use installer::stores::access::{Address, Secret, Tls};
use installer::stores::{
    Access, Limit, RedisAccess, RedisKind, StoreError, StoreLook, Stores as _,
};

use crate::engines::stores;
use server::{Authority, Server, escaped};

/// Longer than any dump that succeeds.
const LONG: Duration = Duration::from_mins(5);

fn never() -> bool {
    false
}

fn long() -> Limit<'static> {
    within(LONG)
}

fn within(time: Duration) -> Limit<'static> {
    Limit {
        time,
        stopped: &never,
    }
}

fn address(port: u16) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

fn to(port: u16) -> RedisAccess {
    RedisAccess {
        addresses: vec![address(port)],
        kind: RedisKind::Single,
        username: None,
        password: None,
        database: 0,
        tls: None,
    }
}

fn with_password(port: u16, user: Option<&str>, password: &str) -> RedisAccess {
    RedisAccess {
        username: user.map(str::to_owned),
        password: Some(Secret::new(password)),
        ..to(port)
    }
}

fn look(access: &RedisAccess) -> Result<StoreLook, StoreError> {
    stores().look(&Access::Redis(access.clone()), long())
}

fn dump(access: &RedisAccess, part: &str) -> Result<File, StoreError> {
    let file = tempfile::tempfile().unwrap();
    stores().dump(&Access::Redis(access.clone()), part, &file, long())?;
    Ok(file)
}

fn prove(access: &RedisAccess, file: &File) -> Result<Option<u64>, StoreError> {
    stores().prove(&Access::Redis(access.clone()), "dump.rdb", file, long())
}

/// Dumps the only part and counts its keys.
fn counted(access: &RedisAccess) -> u64 {
    let file = dump(access, "dump.rdb").unwrap();
    prove(access, &file).unwrap().unwrap()
}

#[test]
fn all_databases_are_in_the_dump_and_the_server_is_as_before() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.fill(&[(0, 100), (3, 20), (15, 3)]);
    let access = to(server.port);
    let seen = look(&access).unwrap();
    assert_eq!(
        (seen.items, seen.parts.clone()),
        (Some(123), vec!["dump.rdb".to_owned()])
    );
    assert!(
        seen.version.contains('.') && seen.bytes > 10_000,
        "{seen:?}"
    );
    let problem = seen.not_restorable.unwrap();
    assert!(problem.what.contains("no systemd service"), "{problem:?}");
    let before = server.names();
    let file = dump(&access, "dump.rdb").unwrap();
    assert!(file.metadata().unwrap().len() <= look(&access).unwrap().bytes);
    assert_eq!(prove(&access, &file).unwrap(), Some(123));
    assert_eq!(server.names(), before, "nothing was saved in its directory");
}

#[test]
fn an_empty_server_has_a_dump_without_keys() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let access = to(server.port);
    assert_eq!(look(&access).unwrap().items, Some(0));
    assert_eq!(counted(&access), 0);
}

#[test]
fn a_password_may_hold_any_character() {
    let word = "a \"b\" 'c' \\d %e $f \u{e9} #g";
    let quoted = escaped(word);
    let Some(server) = Server::start(&[&format!("requirepass \"{quoted}\"")]) else {
        return;
    };
    server.fill_as(word, &[(0, 7)]);
    let access = with_password(server.port, None, word);
    assert_eq!(look(&access).unwrap().items, Some(7));
    assert_eq!(counted(&access), 7);
}

#[test]
fn a_password_that_the_server_does_not_require_does_no_harm() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.fill(&[(0, 7)]);
    assert_eq!(counted(&with_password(server.port, None, "needless")), 7);
}

#[test]
fn a_user_needs_few_rights_for_a_dump() {
    let lines = [
        "user least on >least-word -@all +info +sync",
        "user documented on >documented-word -@all +info +sync +replconf +config|get",
    ];
    let Some(server) = Server::start(&lines) else {
        return;
    };
    server.fill(&[(0, 7), (1, 2)]);
    let least = with_password(server.port, Some("least"), "least-word");
    let seen = look(&least).unwrap();
    assert_eq!(seen.items, Some(9));
    let problem = seen.not_restorable.unwrap();
    assert!(problem.what.contains("CONFIG"), "{problem:?}");
    assert_eq!(counted(&least), 9);
    let documented = with_password(server.port, Some("documented"), "documented-word");
    let problem = look(&documented).unwrap().not_restorable.unwrap();
    assert!(problem.what.contains("no systemd service"), "{problem:?}");
    assert_eq!(counted(&documented), 9);
}

#[test]
fn where_no_copy_is_given_a_server_that_saves_by_itself_saves_once_more() {
    let user = "user saver on >word -@all +info +bgsave +config|get";
    let Some(server) = Server::start(&["save 86400 1000000", user]) else {
        return;
    };
    server.fill(&[(0, 7), (1, 2)]);
    let access = with_password(server.port, Some("saver"), "word");
    assert_eq!(counted(&access), 9);
    server.fill(&[(2, 5)]);
    assert_eq!(
        counted(&access),
        14,
        "the file is that of this save, not of the one before"
    );
    server.ask("CONFIG SET save ''");
    let before = server.file("dump.rdb");
    let error = dump(&access, "dump.rdb").unwrap_err();
    assert!(
        error.why.contains("SYNC") && error.why.contains("saves nothing by itself"),
        "{error}"
    );
    assert!(error.next.contains("ACL SETUSER saver"), "{error}");
    assert_eq!(
        server.file("dump.rdb"),
        before,
        "the operator's dump is not written over"
    );
}

#[test]
fn tls_with_certificates_of_both_sides() {
    let Some(authority) = Authority::make() else {
        return;
    };
    let Some(server) = Server::start_tls(&authority) else {
        return;
    };
    let tls = Tls {
        ca_file: Some(authority.path("ca.crt")),
        cert_file: Some(authority.path("client.crt")),
        key_file: Some(authority.path("client.key")),
        insecure: false,
    };
    let access = |tls: Tls| RedisAccess {
        tls: Some(tls),
        ..to(server.port)
    };
    let good = access(tls.clone());
    assert_eq!(look(&good).unwrap().items, Some(0));
    assert_eq!(counted(&good), 0);
    let unchecked = Tls {
        ca_file: None,
        insecure: true,
        ..tls.clone()
    };
    assert_eq!(counted(&access(unchecked)), 0);
    let foreign = Tls {
        ca_file: Some(authority.path("client.crt")),
        ..tls.clone()
    };
    let nameless = Tls {
        cert_file: None,
        key_file: None,
        ..tls.clone()
    };
    let missing = Tls {
        ca_file: Some(authority.path("none.crt")),
        ..tls
    };
    for bad in [foreign, nameless, missing] {
        let error = look(&access(bad)).unwrap_err();
        assert!(
            error.why.contains("TLS") && error.next.contains("TLS"),
            "{error}"
        );
    }
    let error = look(&to(server.port)).unwrap_err();
    assert!(error.next.contains("TLS"), "{error}");
}

#[test]
fn a_dump_that_is_not_whole_is_not_proven() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.fill(&[(0, 1000)]);
    let access = to(server.port);
    let mut bytes = Vec::new();
    let mut file = dump(&access, "dump.rdb").unwrap();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let judged = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        prove(&access, &file)
    };
    assert_eq!(judged(&bytes).unwrap(), Some(1000));
    for cut in [0, 5, 9, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        let error = judged(&bytes[..cut]).unwrap_err();
        assert!(!error.next.is_empty(), "{error}");
    }
    for place in [0, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[place] ^= 0x10;
        assert!(judged(&flipped).is_err(), "byte {place}");
    }
    // The file is cut inside and has an end mark where the last one is: only a full read finds
    // that.
    let mut forged = bytes[..bytes.len() / 2].to_vec();
    forged.extend_from_slice(&bytes[bytes.len() - 9..]);
    assert!(judged(&forged).is_err());
    bytes.extend_from_slice(b"0123456789012345678901234567890123456789");
    assert!(judged(&bytes).is_err());
}
