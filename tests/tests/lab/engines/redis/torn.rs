//! Dumps that do not reach their end: killed servers, full disks, limits, and operators who stop
//! them.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use installer::stores::{Access, Limit, RedisAccess, StoreError, Stores as _};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;

use super::server::{Server, is_root};
use super::{LONG, dump, look, to, with_password, within};
use crate::engines::stores;

const PAUSE: Duration = Duration::from_millis(5);

/// Each key takes 2 ms of a dump, so a dump takes half a minute.
fn slow(lines: &[&str]) -> Option<Server> {
    let all: Vec<&str> = ["rdb-key-save-delay 2000"]
        .iter()
        .chain(lines)
        .copied()
        .collect();
    let server = Server::start(&all)?;
    Some(server)
}

const KEYS: u32 = 15_000;
const KEY_BYTES: u32 = 4000;

fn dump_into(access: &RedisAccess, file: &File, limit: Limit<'_>) -> Result<(), StoreError> {
    stores().dump(&Access::Redis(access.clone()), "dump.rdb", file, limit)
}

fn is_begun(file: &File) -> bool {
    file.metadata().unwrap().len() > 100_000
}

/// Does something in the midst of a dump.
fn amidst(access: &RedisAccess, act: impl FnOnce()) -> StoreError {
    let file = tempfile::tempfile().unwrap();
    thread::scope(|scope| {
        let dumping = scope.spawn(|| dump_into(access, &file, within(LONG)));
        while !is_begun(&file) && !dumping.is_finished() {
            thread::sleep(PAUSE);
        }
        act();
        dumping.join().unwrap().unwrap_err()
    })
}

#[test]
fn a_server_that_is_killed_amidst_a_dump() {
    let Some(mut server) = slow(&[]) else { return };
    server.populate(0, KEYS, KEY_BYTES);
    let access = to(server.port);
    let error = amidst(&access, || server.kill());
    assert!(
        error.what.contains("SYNC") && !error.next.is_empty(),
        "{error}"
    );
    assert!(!error.why.contains("Transfer finished"), "{error}");
}

#[test]
fn a_dump_ends_when_the_run_is_stopped_or_its_time_is_over() {
    let Some(server) = slow(&[]) else { return };
    server.populate(0, KEYS, KEY_BYTES);
    let access = to(server.port);
    let file = tempfile::tempfile().unwrap();
    let stopped = || is_begun(&file);
    let limit = Limit {
        time: LONG,
        stopped: &stopped,
    };
    let error = dump_into(&access, &file, limit).unwrap_err();
    assert!(error.why.contains("told to stop"), "{error}");
    let file = tempfile::tempfile().unwrap();
    let error = dump_into(&access, &file, within(Duration::from_secs(3))).unwrap_err();
    assert!(error.why.contains("within"), "{error}");
}

#[test]
fn a_server_that_does_not_answer() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.signal(Signal::STOP);
    let short = within(Duration::from_secs(1));
    let access = Access::Redis(to(server.port));
    let error = stores().look(&access, short).unwrap_err();
    assert!(error.why.contains("no answer within"), "{error}");
    let file = tempfile::tempfile().unwrap();
    let error = stores()
        .dump(&access, "dump.rdb", &file, short)
        .unwrap_err();
    assert!(error.why.contains("no answer within"), "{error}");
}

struct Mounted(tempfile::TempDir);

impl Mounted {
    fn small() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        match mount(
            "tmpfs",
            dir.path(),
            "tmpfs",
            MountFlags::empty(),
            c"size=1m",
        ) {
            Ok(()) => Some(Self(dir)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_disk_that_fills_up_is_named() {
    if !is_root() {
        return;
    }
    let Some(mounted) = Mounted::small() else {
        return;
    };
    let user = "user saver on >word -@all +info +bgsave +config|get";
    let Some(server) = Server::start(&["save 86400 1000000", "rdbcompression no", user]) else {
        return;
    };
    server.populate(0, 1000, 4000);
    let into = |name: &str| {
        let path = mounted.0.path().join(name);
        installer::secure_fs::create_new(&path, 0o600).unwrap()
    };
    let error = dump_into(&to(server.port), &into("streamed"), within(LONG)).unwrap_err();
    assert!(error.why.contains("no space left"), "{error}");
    assert!(error.next.contains("make room"), "{error}");
    let saver = with_password(server.port, Some("saver"), "word");
    let error = dump_into(&saver, &into("saved"), within(LONG)).unwrap_err();
    assert!(error.why.contains("No space left"), "{error}");
}

#[test]
fn the_password_never_stands_on_a_command_line() {
    let word = "rosebud-5fbc";
    let Some(server) = slow(&["user dumper on >rosebud-5fbc ~* &* +@all"]) else {
        return;
    };
    server.populate(0, 2000, 4000);
    let access = with_password(server.port, Some("dumper"), word);
    let is_done = AtomicBool::new(false);
    let lines = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut lines = std::collections::BTreeSet::new();
            while !is_done.load(Ordering::Relaxed) {
                lines.extend(command_lines().filter(|line| line.contains("redis-cli")));
                thread::sleep(PAUSE);
            }
            lines
        });
        look(&access).unwrap();
        let dumped = dump(&access, "dump.rdb");
        is_done.store(true, Ordering::Relaxed);
        dumped.unwrap();
        watching.join().unwrap()
    });
    let own = format!("-p {}", server.port);
    assert!(
        lines
            .iter()
            .any(|line| line.contains(&own) && line.contains("--rdb")),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| !line.contains(word)), "{lines:?}");
}

fn command_lines() -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| {
        let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = bytes
            .iter()
            .map(|byte| if *byte == 0 { b' ' } else { *byte });
        Some(String::from_utf8_lossy(&line.collect::<Vec<u8>>()).into_owned())
    })
}
