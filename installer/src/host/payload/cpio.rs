//! The archive inside an RPM: cpio in its `newc` form, read front to back within bounds.
//!
//! Names are compared, never used as places. A file of more than 4 GiB needs another form of entry, and
//! is refused with it.

use std::io::{self, Read};

const HEADER_BYTES: usize = 110;
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
const TRAILER: &str = "TRAILER!!!";
/// Longest name, its end included.
const NAME_MAX_BYTES: u64 = 16 * 1024;
const MEMBERS_MAX: u64 = 1_000_000;

/// An archive that is none, or is cut off.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// It cannot be read, or what was read cannot be written on.
    #[error("it cannot be copied")]
    Copy(#[from] io::Error),
    /// It is not what it should be.
    #[error("it is no cpio archive as rpm writes it: {0}")]
    Form(&'static str),
}

/// What an entry says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// The name as a file list has it.
    pub(crate) path: String,
    mode: u32,
    /// Bytes that follow. Of a file with several names, only one of them brings its bytes.
    pub(crate) size: u64,
    links: u32,
    identity: [u32; 3],
}

impl Member {
    pub(crate) const fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Returns what all names of a file have in common, if it has several.
    pub(crate) const fn shared(&self) -> Option<[u32; 3]> {
        if self.links > 1 {
            Some(self.identity)
        } else {
            None
        }
    }
}

/// Calls `each` for every entry with a reader of its bytes, which need not be read.
pub(crate) fn members(
    input: &mut dyn Read,
    each: &mut dyn FnMut(&Member, &mut dyn Read) -> Result<(), CpioError>,
) -> Result<(), CpioError> {
    for _ in 0..MEMBERS_MAX {
        let Some(member) = header(input)? else {
            return Ok(());
        };
        let mut data = Read::take(&mut *input, member.size);
        each(&member, &mut data)?;
        io::copy(&mut data, &mut io::sink())?;
        if data.limit() != 0 {
            return Err(CpioError::Form("it ends within a file"));
        }
        pad(input, member.size)?;
    }
    Err(CpioError::Form("it has too many entries"))
}

/// Reads the next header with its name; nothing at the end of the archive.
fn header(input: &mut dyn Read) -> Result<Option<Member>, CpioError> {
    let mut bytes = [0; HEADER_BYTES];
    fill(input, &mut bytes)?;
    let (magic, fields) = bytes.split_at(6);
    if !MAGICS.contains(&magic) {
        return Err(CpioError::Form("an entry does not begin with 070701"));
    }
    let field = |at: usize| number(&fields[at * 8..][..8]);
    let name_bytes = u64::from(field(11)?);
    if !(2..=NAME_MAX_BYTES).contains(&name_bytes) {
        return Err(CpioError::Form("a name is empty or too long"));
    }
    let mut name = vec![0; usize::try_from(name_bytes).unwrap_or(0)];
    fill(input, &mut name)?;
    pad(input, HEADER_BYTES as u64 + name_bytes)?;
    if name.pop() != Some(0) || name.contains(&0) {
        return Err(CpioError::Form("a name does not end where it should"));
    }
    let name = String::from_utf8_lossy(&name);
    if name == TRAILER {
        return Ok(None);
    }
    let below = name.strip_prefix('.').filter(|rest| rest.starts_with('/'));
    let path = match below.unwrap_or(&name) {
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => format!("/{relative}"),
    };
    Ok(Some(Member {
        path,
        mode: field(1)?,
        size: u64::from(field(6)?),
        links: field(4)?,
        identity: [field(7)?, field(8)?, field(0)?],
    }))
}

fn fill(input: &mut dyn Read, bytes: &mut [u8]) -> Result<(), CpioError> {
    match input.read_exact(bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(CpioError::Form("it ends before its last entry"))
        }
        read => Ok(read?),
    }
}

fn number(digits: &[u8]) -> Result<u32, CpioError> {
    let text = std::str::from_utf8(digits).ok();
    // `from_str_radix` takes a sign too.
    text.filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|text| u32::from_str_radix(text, 16).ok())
        .ok_or(CpioError::Form("a number is none"))
}

/// Reads on to the next multiple of four.
fn pad(input: &mut dyn Read, length: u64) -> Result<(), CpioError> {
    let missing = usize::try_from(length.next_multiple_of(4) - length).unwrap_or(0);
    fill(input, &mut [0; 4][..missing])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes an entry: name, mode, inode, links, bytes.
    pub(crate) fn entry(name: &str, mode: u32, inode: u32, links: u32, data: &str) -> Vec<u8> {
        let fields = [
            inode,
            mode,
            0,
            0,
            links,
            0,
            u32::try_from(data.len()).unwrap(),
            8,
            1,
            0,
            0,
            u32::try_from(name.len()).unwrap() + 1,
            0,
        ];
        let mut bytes = b"070701".to_vec();
        for field in fields {
            bytes.extend(format!("{field:08x}").bytes());
        }
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(data.bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    pub(crate) fn trailer() -> Vec<u8> {
        entry(TRAILER, 0, 0, 1, "")
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Member, String)>, CpioError> {
        let mut found = Vec::new();
        members(&mut &bytes[..], &mut |member, data| {
            let mut text = String::new();
            data.read_to_string(&mut text)?;
            found.push((member.clone(), text));
            Ok(())
        })?;
        Ok(found)
    }

    fn archive() -> Vec<u8> {
        [
            entry("./etc", 0o040_755, 1, 2, ""),
            entry("./etc/a.conf", 0o100_644, 2, 1, "five5"),
            entry("/etc/b", 0o120_777, 3, 1, "a.conf"),
            entry("etc/c", 0o100_600, 4, 1, ""),
            trailer(),
        ]
        .concat()
    }

    #[test]
    fn every_entry_is_seen_under_its_absolute_name() {
        let found = read(&archive()).unwrap();
        let seen: Vec<(&str, &str, bool)> = found
            .iter()
            .map(|(member, text)| (&*member.path, &**text, member.is_file()))
            .collect();
        assert_eq!(
            seen,
            [
                ("/etc", "", false),
                ("/etc/a.conf", "five5", true),
                ("/etc/b", "a.conf", false),
                ("/etc/c", "", true),
            ]
        );
    }

    #[test]
    fn an_archive_that_is_cut_off_anywhere_is_refused() {
        let whole = archive();
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn other_forms_and_false_numbers_are_refused() {
        let large = [b"07070X00000000".as_slice(), &[0; 200]].concat();
        assert!(matches!(read(&large), Err(CpioError::Form(_))));
        for (at, digits) in [
            (54, "+0000005"),
            (94, "00000001"),
            (94, "7fffffff"),
            (94, "0000000c"),
        ] {
            let mut bytes = [entry("./etc/a.conf", 0o100_644, 2, 1, "five5"), trailer()].concat();
            bytes[at..at + 8].copy_from_slice(digits.as_bytes());
            let error = read(&bytes).unwrap_err();
            assert!(matches!(error, CpioError::Form(_)), "{digits}: {error}");
        }
    }
}
