//! Data of every kind that a dump may lose.

use anyhow::{Result, ensure};

use super::Stores;
use crate::isolated::Guest;

pub(super) const SQL: &str = include_str!("data.sql");
const HOUR_SECS: u64 = 3600;
const LONG: usize = 100_000;

pub(super) fn fill_postgres(guest: &Guest, stores: &Stores) -> Result<()> {
    stores.sql(guest, SQL).map(drop)
}

pub(super) fn fill_redis(guest: &Guest, stores: &Stores) -> Result<()> {
    let finished = stores
        .redis_cli(guest, 0, &["--pipe"])
        .stdin(commands())
        .run()?
        .ok()?;
    ensure!(
        finished.stdout.contains("errors: 0,"),
        "redis refuses some of the data: {finished}"
    );
    Ok(())
}

/// Commands in Redis's own protocol.
#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    fn add<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        self.0.extend(format!("*{}\r\n", words.len()).bytes());
        for word in words {
            let word = word.as_ref();
            self.0.extend(format!("${}\r\n", word.len()).bytes());
            self.0.extend(word);
            self.0.extend(b"\r\n");
        }
    }

    fn words(&mut self, line: &str) {
        self.add(&line.split(' ').collect::<Vec<_>>());
    }
}

fn commands() -> Vec<u8> {
    let mut script = Script::default();
    for number in 0..120 {
        let key = format!("apikey-{number:04}");
        let session = format!(
            r#"{{"org_id":"o{number}","rate":{},"alias":"ключ"}}"#,
            number * 7
        );
        script.add(&["SET", &key, &session]);
        if number % 3 == 0 {
            let secs = 6 * HOUR_SECS + number * 60;
            script.add(&["EXPIRE", &key, &secs.to_string()]);
        }
    }
    strings(&mut script);
    collections(&mut script);
    stream(&mut script);
    script.words("SELECT 1");
    for number in 0..80 {
        script.words(&format!(
            "HSET cache-{number:02} body {number} etag e{number}"
        ));
        script.words(&format!(
            "EXPIRE cache-{number:02} {}",
            2 * HOUR_SECS + number
        ));
    }
    script.words("SET apikey-0001 another-in-database-1");
    script.0
}

fn strings(script: &mut Script) {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    for number in 0..20 {
        let key = format!("cert-raw-{number}");
        let value = every_byte.repeat(number + 1);
        script.add(&[b"SET", key.as_bytes(), &value]);
    }
    script.add(&[b"SET".as_slice(), b"key\0with\xff\r\nbytes", b"\0\xfe"]);
    script.add(&["SET", "empty", ""]);
    script.add(&["SET", "long", &"0123456789".repeat(LONG / 10)]);
    script.words("SET counter 41");
    script.words("INCR counter");
    script.words("SETBIT bits 4711 1");
    script.words("PFADD visitors a b c d e");
}

fn collections(script: &mut Script) {
    for size in [3, 700] {
        for number in 0..size {
            script.words(&format!("HSET hash-{size} field-{number} value-{number}"));
            script.words(&format!("RPUSH list-{size} item-{number}"));
            script.words(&format!("SADD set-{size} member-{number}"));
            script.words(&format!("SADD numbers-{size} {number}"));
            script.words(&format!("ZADD scores-{size} {number}.25 member-{number}"));
        }
    }
    script.words("ZADD scores-3 -inf lowest +inf highest");
    script.words("GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
    script.words(&format!("EXPIRE set-3 {}", 24 * HOUR_SECS));
}

/// With a group, a consumer, and entries that wait for its acknowledgement.
fn stream(script: &mut Script) {
    for number in 1..=150 {
        script.words(&format!(
            "XADD events 1700000000000-{number} kind k{number} n {number}"
        ));
    }
    script.words("XDEL events 1700000000000-7 1700000000000-150");
    script.words("XGROUP CREATE events workers 0");
    script.words("XREADGROUP GROUP workers alice COUNT 5 STREAMS events >");
    script.words("XACK events workers 1700000000000-2");
}
