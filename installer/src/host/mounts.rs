//! Reads the mount points of this process's namespace.

use super::HostError;
use crate::secure_fs::at;

/// Largest list that is read; a host with ten thousand mounts has about 2 MiB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
const LIST: &str = "/proc/self/mountinfo";

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: String,
    /// The kind of its filesystem.
    pub kind: String,
}

pub(crate) fn all() -> Result<Vec<String>, HostError> {
    Ok(list()?.into_iter().map(|mount| mount.point).collect())
}

/// Lists all mounts in the order in which they were made.
pub(crate) fn list() -> Result<Vec<Mount>, HostError> {
    use std::io::Read as _;
    let file = std::fs::File::open(LIST).map_err(at("read", LIST.as_ref()))?;
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(at("read", LIST.as_ref()))?;
    let mount = |line: &str| {
        Some(Mount {
            point: mount_point(line)?,
            kind: kind(line),
        })
    };
    Ok(text.lines().filter_map(mount).collect())
}

/// Returns the field after the separator; a line without one has no kind.
fn kind(line: &str) -> String {
    let rest = line.split_once(" - ").map(|(_, rest)| rest);
    let kind = rest.and_then(|rest| rest.split(' ').next());
    kind.unwrap_or_default().to_owned()
}

/// Returns the fifth field of a line (proc(5)), in which blanks and backslashes are octal numbers.
fn mount_point(line: &str) -> Option<String> {
    let field = line.split(' ').nth(4)?.as_bytes();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(&byte) = field.get(at) {
        let code = field.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(code) = code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(code);
            at += 4;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{kind, mount_point};

    #[test]
    fn a_mount_point_is_read_as_the_kernel_writes_it() {
        for (line, expected) in [
            (
                "36 35 98:0 /mnt1 /opt/p/apps rw,noatime master:1 - ext3 /dev/root rw",
                Some("/opt/p/apps"),
            ),
            (
                "36 35 0:7 / /opt/a\\040b\\134c rw - nfs4 h:/x rw",
                Some("/opt/a b\\c"),
            ),
            ("36 35", None),
        ] {
            assert_eq!(mount_point(line).as_deref(), expected);
        }
        assert_eq!(kind("36 35 0:7 / /opt rw shared:1 - nfs4 h:/x rw"), "nfs4");
        assert_eq!(kind("36 35 0:7 / /opt rw"), "");
    }
}
