//! Proves that a dump is whole: `redis-check-rdb` reads all of it as a server would, with its
//! checksum.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::error::missing;
use crate::host::cmd::tool::Tool;
use crate::host::cmd::{CmdError, Finished, inherited_path, tail};
use crate::stores::{Limit, StoreError};

/// The program that reads dumps.
pub(super) const CHECK: &str = "redis-check-rdb";
const MAGIC: &[u8; 5] = b"REDIS";
/// Magic, version, end mark, checksum.
const LEAST: u64 = 5 + 4 + 1 + 8;
const END_MARK: u8 = 0xff;

/// What a dump was proven to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) keys: u64,
    /// How many of them expire.
    pub(super) expiring: u64,
}

/// Lets the tool read a dump to its end.
pub(super) fn prove(part: &str, file: &File, limit: Limit<'_>) -> Result<Proof, StoreError> {
    let bytes = shape(part, file)?;
    let path = inherited_path(file);
    let tool = Tool {
        program: CHECK,
        args: &[&path],
        files: &[file],
        ..Tool::default()
    };
    let finished = tool.run(limit).map_err(|error| match error {
        CmdError::NotFound(program) => missing(&program).into(),
        other => StoreError::new(
            format!("the dump `{part}` was read by {CHECK}"),
            crate::failure::chain(&other),
            "give it more time, and run again",
        ),
    })?;
    judge(part, &finished, bytes)
}

/// Reads both ends of a dump and returns its size: a torn dump has no mark at its end.
pub(super) fn shape(part: &str, file: &File) -> Result<u64, StoreError> {
    let what = || format!("the dump `{part}`");
    let unread = |error: std::io::Error| {
        StoreError::new(
            what(),
            format!("it cannot be read: {error}"),
            "look at the disk",
        )
    };
    let torn = |why: &str| Err(StoreError::new(what(), why, "make a new one"));
    let bytes = file.metadata().map_err(unread)?.len();
    if bytes < LEAST {
        return torn("it is empty or ends too early");
    }
    let (mut magic, mut mark) = ([0; 5], [0; 1]);
    file.read_exact_at(&mut magic, 0).map_err(unread)?;
    file.read_exact_at(&mut mark, bytes - 9).map_err(unread)?;
    if &magic != MAGIC {
        return torn("it does not begin as a dump of Redis does");
    }
    if mark != [END_MARK] {
        return torn("it ends too early, or something follows its end");
    }
    Ok(bytes)
}

pub(super) fn judge(part: &str, finished: &Finished, bytes: u64) -> Result<Proof, StoreError> {
    let text = &finished.stdout;
    // Version 3.2 reports a wrong checksum, and goes on to say that all is well.
    let is_bad = ["RDB CRC error", "RDB ERROR DETECTED"]
        .iter()
        .any(|words| text.contains(words));
    let is_well = finished.succeeded() && text.contains("RDB looks OK") && !is_bad;
    if !is_well {
        let what = format!("the dump `{part}` was read by {CHECK}");
        let output = tail(text, 6);
        let is_newer = output.contains("RDB format version");
        let next = if is_newer {
            "install the package `redis` of the server's version here, and run again"
        } else {
            "make a new dump; if that ends the same way, look at the server's memory and disk"
        };
        return Err(StoreError::new(
            what,
            format!("it is not whole: {output}"),
            next,
        ));
    }
    let counted = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("[info] "));
        lines.find_map(|line| line.strip_suffix(name)?.trim().parse().ok())
    };
    let end = text.lines().find(|line| line.contains("RDB looks OK"));
    let end = end.and_then(|line| line.strip_prefix("[offset ")?.split_once(']'));
    let end: Option<u64> = end.and_then(|(offset, _)| offset.parse().ok());
    let unclear = |why: String| {
        StoreError::new(
            format!("the dump `{part}` was read by {CHECK}"),
            why,
            "make a new dump, or take one by hand as docs/stores-redis.md describes",
        )
    };
    // A server would read what follows the end as commands, where the dump begins its append-only file.
    if let Some(end) = end.filter(|end| *end != bytes) {
        return Err(unclear(format!("it ends at byte {end} of {bytes}")));
    }
    match (counted("keys read"), counted("expires")) {
        (Some(keys), Some(expiring)) => Ok(Proof { keys, expiring }),
        _ => Err(unclear(
            "the tool does not report how many keys it holds".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn printed(stdout: &str) -> Finished {
        Finished {
            command: CHECK.to_owned(),
            code: Some(0),
            stdout: stdout.to_owned(),
            stderr: String::new(),
        }
    }

    const WELL: &str = "[offset 28] Checksum OK\n[offset 28] \\o/ RDB looks OK! \\o/\n\
                        [info] 7 keys read\n[info] 2 expires\n[info] 1 already expired\n";

    #[test]
    fn the_tool_is_trusted_only_after_it_read_to_the_end() {
        let proof = judge("d", &printed(WELL), 28).unwrap();
        assert_eq!((proof.keys, proof.expiring), (7, 2));
        assert!(judge("d", &printed(WELL), 68).is_err());
        assert!(judge("d", &printed("[info] 7 keys read\n"), 28).is_err());
        let failed = Finished {
            code: Some(1),
            ..printed(WELL)
        };
        assert!(judge("d", &failed, 28).is_err());
        // As 3.2.12 prints for a dump with a flipped bit.
        let corrupt = WELL.replace("Checksum OK", "RDB CRC error");
        assert!(judge("d", &printed(&corrupt), 28).is_err());
        let newer = printed("Can't handle RDB format version 11\n");
        assert!(judge("d", &newer, 28).unwrap_err().next.contains("version"));
    }

    #[test]
    fn both_ends_are_looked_at() {
        let whole = b"REDIS0010\xff12345678";
        let shaped = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            shape("d", &file)
        };
        assert_eq!(shaped(whole).unwrap(), 18);
        for bad in [
            &b""[..],
            &whole[..17],
            b"EXTRA0010\xff12345678",
            b"REDIS0010\xff123456789",
        ] {
            assert!(shaped(bad).is_err());
        }
    }
}
