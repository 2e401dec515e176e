//! Passwords, and how each place writes them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

const RANDOM_BYTES: usize = 16;

pub(super) fn random() -> Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    let source = "/dev/urandom";
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .with_context(|| format!("cannot read {source}"))?;
    Ok(hex(&bytes))
}

pub(super) fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// As a word of redis.conf.
pub(super) fn in_redis_conf(text: &str) -> String {
    escaped(text, "\\x", "\"", "\"")
}

/// As a part of a URL.
pub(super) fn in_url(text: &str) -> String {
    escaped(text, "%", "", "")
}

fn escaped(text: &str, escape: &str, open: &str, close: &str) -> String {
    let mut out = open.to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "{escape}{byte:02x}");
        }
    }
    out + close
}

/// As a value of `keyword=value`.
pub(super) fn in_keywords(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// As a literal of SQL.
pub(super) fn in_sql(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{in_keywords, in_redis_conf, in_sql, in_url, random};

    #[test]
    fn each_place_has_its_own_quotes() {
        let odd = r#"a'\ "b"#;
        assert_eq!(in_keywords(odd), r#"'a\'\\ "b'"#);
        assert_eq!(in_sql(odd), r#"'a''\ "b'"#);
        assert_eq!(in_redis_conf(odd), r#""a\x27\x5c\x20\x22b""#);
        assert_eq!(in_url(odd), "a%27%5c%20%22b");
    }

    #[test]
    fn two_random_passwords_differ() {
        assert_ne!(random().unwrap(), random().unwrap());
    }
}
