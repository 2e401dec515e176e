//! Reads files from an RPM that is not installed, or no longer installed: old and new defaults, and
//! programs.
//!
//! The host's own `rpm2cpio` unpacks it, so that every compression that its rpm supports can be
//! read. It inherits the open descriptor whose bytes were hashed. No file is written by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use manifests::cpio::{self, CpioError};
use manifests::digest::Sha256;

use crate::bundle::StagedRpm;
use crate::host::cmd::{self, CmdError, inherited_path};

/// The largest RPMs unpack in well under a minute; a slow disk gets more time.
const DEADLINE: Duration = Duration::from_secs(600);
/// Most bytes that are kept from one RPM.
const TOTAL_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The requested files that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayloadFiles {
    /// Contents of regular files by path. Files that are not in the RPM are missing here.
    pub contents: BTreeMap<String, Vec<u8>>,
    /// Files that exceed the caller's limit.
    pub too_large: BTreeSet<String>,
}

/// A payload that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The RPM cannot be unpacked.
    #[error(transparent)]
    Command(#[from] CmdError),
    /// The unpacked bytes are not a cpio archive.
    #[error("cannot read the payload of the RPM {sha256}")]
    Archive {
        /// The RPM.
        sha256: Sha256,
        /// Why.
        source: CpioError,
    },
    /// A requested file is not in the RPM.
    #[error("the RPM {sha256} has no regular file {path}")]
    Missing {
        /// The RPM.
        sha256: Sha256,
        /// The file.
        path: String,
    },
}

/// Reads the `wanted` regular files, which are named as in the RPM's file list. For files larger
/// than `limit_bytes`, only the names are returned.
pub fn read_files(
    rpm: &StagedRpm,
    wanted: &BTreeSet<String>,
    limit_bytes: u64,
) -> Result<PayloadFiles, PayloadError> {
    if wanted.is_empty() {
        return Ok(PayloadFiles::default());
    }
    unpack(rpm, |input| collect(input, wanted, limit_bytes))
}

/// Writes the content of one regular file at the current position of `into`, whatever its size.
pub fn extract(rpm: &StagedRpm, path: &str, mut into: &File) -> Result<(), PayloadError> {
    let is_there = unpack(rpm, |input| copy(input, path, &mut into))?;
    if is_there {
        return Ok(());
    }
    Err(PayloadError::Missing {
        sha256: *rpm.sha256(),
        path: path.to_owned(),
    })
}

fn unpack<T>(
    rpm: &StagedRpm,
    read: impl FnOnce(&mut dyn Read) -> Result<T, CpioError>,
) -> Result<T, PayloadError> {
    let path = inherited_path(rpm.file());
    let (finished, read) = cmd::stream_with("rpm2cpio", &[&path], &[rpm.file()], DEADLINE, read)?;
    let archive = |source| PayloadError::Archive {
        sha256: *rpm.sha256(),
        source,
    };
    // rpm2cpio compares the bytes written with a size that some packagers omit from an RPM, and
    // then exits with 1 without a message. The last entry was read, so nothing is missing. It
    // prints no message either when reading was stopped by an error here.
    if finished.succeeded() || finished.stderr.trim().is_empty() {
        return read.map_err(archive);
    }
    finished.success()?;
    read.map_err(archive)
}

/// For a file with several names, the archive contains the bytes once, at the last name.
fn collect(
    input: &mut dyn Read,
    wanted: &BTreeSet<String>,
    limit_bytes: u64,
) -> Result<PayloadFiles, CpioError> {
    let mut found = PayloadFiles::default();
    let mut waiting: BTreeMap<[u32; 3], Vec<String>> = BTreeMap::new();
    let mut left = TOTAL_MAX_BYTES;
    cpio::members(input, &mut |member, data| -> Result<(), CpioError> {
        if !member.is_file() {
            return Ok(());
        }
        let mut names = vec![member.path()];
        names.retain(|name| wanted.contains(name));
        if let Some(shared) = member.shared() {
            let others = waiting.entry(shared).or_default();
            others.append(&mut names);
            if member.size > 0 {
                names.append(others);
            }
        }
        let all = member.size.saturating_mul(names.len() as u64);
        if names.is_empty() {
            return Ok(());
        }
        if member.size > limit_bytes || all > left {
            found.too_large.extend(names);
            return Ok(());
        }
        left -= all;
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes)?;
        found
            .contents
            .extend(names.into_iter().map(|name| (name, bytes.clone())));
        Ok(())
    })?;
    // Empty files have no bytes that could follow.
    let empty = waiting.into_values().flatten();
    found.contents.extend(empty.map(|name| (name, Vec::new())));
    Ok(found)
}

fn copy(input: &mut dyn Read, path: &str, into: &mut dyn io::Write) -> Result<bool, CpioError> {
    let mut is_there = false;
    let mut waits_for = None;
    cpio::members(input, &mut |member, data| -> Result<(), CpioError> {
        if !member.is_file() {
            return Ok(());
        }
        let is_named = member.path() == path;
        let is_other_name = waits_for.is_some() && member.shared() == waits_for;
        is_there |= is_named;
        if is_named && member.size == 0 {
            waits_for = member.shared();
        }
        if member.size > 0 && (is_named || is_other_name) {
            waits_for = None;
            io::copy(data, into)?;
        }
        Ok(())
    })?;
    Ok(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u32 = 0o100_644;

    /// Writes an entry: name, mode, inode, links, bytes.
    fn entry(name: &str, mode: u32, inode: u32, links: u32, data: &str) -> Vec<u8> {
        let [size, length] = [data.len(), name.len() + 1].map(|n| u32::try_from(n).unwrap());
        let fields = [inode, mode, 0, 0, links, 0, size, 8, 1, 0, 0, length, 0];
        let mut bytes = b"070701".to_vec();
        for field in fields {
            bytes.extend(format!("{field:08x}").bytes());
        }
        for part in [format!("{name}\0"), data.to_owned()] {
            bytes.extend(part.bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn trailer() -> Vec<u8> {
        entry("TRAILER!!!", 0, 0, 1, "")
    }

    fn archive() -> Vec<u8> {
        [
            entry("./opt/p/first", FILE, 7, 3, ""),
            entry("./opt/p/alone", FILE, 8, 1, "alone"),
            entry("./opt/p/second", FILE, 7, 3, ""),
            entry("./opt/p/third", FILE, 7, 3, "shared"),
            entry("./opt/p/nothing", FILE, 9, 2, ""),
            entry("./opt/p/nothing too", FILE, 9, 2, ""),
            entry("./opt/p/link", 0o120_777, 10, 1, "alone"),
            entry("./opt/p/large", FILE, 11, 1, "more than ten bytes"),
            trailer(),
        ]
        .concat()
    }

    fn wanted(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| format!("/opt/p/{name}")).collect()
    }

    #[test]
    fn wanted_files_come_with_their_bytes_and_others_do_not() {
        let names = ["first", "alone", "nothing", "link", "large", "absent"];
        let found = collect(&mut &archive()[..], &wanted(&names), 10).unwrap();
        let text = |name: &str| found.contents.get(&format!("/opt/p/{name}"));
        assert_eq!(text("first").unwrap(), b"shared");
        assert_eq!(text("alone").unwrap(), b"alone");
        assert_eq!(text("nothing").unwrap(), b"");
        assert_eq!(
            found.contents.len(),
            3,
            "no link, nothing that is not there"
        );
        assert_eq!(found.too_large, wanted(&["large"]));
    }

    #[test]
    fn one_file_is_copied_under_any_of_its_names() {
        let copied = |name: &str| {
            let mut bytes = Vec::new();
            let path = format!("/opt/p/{name}");
            let is_there = copy(&mut &archive()[..], &path, &mut bytes).unwrap();
            is_there.then(|| String::from_utf8(bytes).unwrap())
        };
        for name in ["first", "second", "third"] {
            assert_eq!(copied(name).as_deref(), Some("shared"), "{name}");
        }
        assert_eq!(copied("large").as_deref(), Some("more than ten bytes"));
        assert_eq!(copied("nothing too").as_deref(), Some(""));
        assert_eq!(copied("link"), None);
        assert_eq!(copied("absent"), None);
    }
}
