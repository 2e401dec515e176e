//! The archive inside an RPM: cpio in its `newc` form, read front to back within bounds.
//!
//! Where rpm and others differ, rpm decides (`lib/cpio.c`): it writes and reads `070701` and reads
//! `070702`; it writes a name as a path with a dot before it, which Linux bounds at 4,095 bytes, and
//! neither asks for UTF-8; it stops at the trailer and looks at nothing behind it. A program whose
//! signature covers the whole payload may do the same; one that has only the files' digests calls
//! [`check_end`]. A file of more than 4 GiB needs another form of entry, and is refused with it.
//!
//! Names are compared, never used as places.

use std::borrow::Cow;
use std::io::{self, Read};

const HEADER_BYTES: usize = 110;
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
const TRAILER: &[u8] = b"TRAILER!!!";
/// Longest name, with the dot before it and the zero behind it.
const NAME_MAX_BYTES: u32 = 1 + 4096;
const MEMBERS_MAX: u32 = 1_000_000;
/// GNU cpio and others fill the last block with zeros; rpm does not.
const BLOCK_BYTES: u64 = 512;

/// An archive that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// It cannot be read, or what was read cannot be written.
    #[error("it cannot be copied")]
    Copy(#[from] io::Error),
    /// It is not what rpm writes.
    #[error("it is not a cpio archive as rpm writes it: {0}")]
    Form(&'static str),
}

/// An entry's own header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name as written, without the dot or slash before it.
    pub name: Vec<u8>,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// How many bytes follow. Of a file with several names, only one of them brings its bytes.
    pub size: u64,
    links: u32,
    identity: [u32; 3],
}

impl Member {
    /// Returns the path as a file list has it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", self.text())
    }

    /// Returns the name as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Whether it is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Returns what all names of a file have in common, if it has several.
    #[must_use]
    pub const fn shared(&self) -> Option<[u32; 3]> {
        if self.links > 1 {
            Some(self.identity)
        } else {
            None
        }
    }
}

/// Calls `each` for every entry with a reader of its bytes, which need not be read. Ends at the trailer.
pub fn members<E: From<CpioError>>(
    input: &mut dyn Read,
    each: &mut dyn FnMut(&Member, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    for _ in 0..MEMBERS_MAX {
        let Some(member) = header(input)? else {
            return Ok(());
        };
        let mut data = Read::take(&mut *input, member.size);
        each(&member, &mut data)?;
        io::copy(&mut data, &mut io::sink()).map_err(CpioError::Copy)?;
        if data.limit() != 0 {
            return Err(CpioError::Form("it ends within a file").into());
        }
        pad(input, member.size)?;
    }
    Err(CpioError::Form("it has too many entries").into())
}

/// Checks that nothing but the zeros of a last block follows the trailer.
pub fn check_end(input: &mut dyn Read) -> Result<(), CpioError> {
    let mut rest = Vec::new();
    input.take(BLOCK_BYTES).read_to_end(&mut rest)?;
    if rest.len() as u64 >= BLOCK_BYTES || rest.iter().any(|byte| *byte != 0) {
        return Err(CpioError::Form("there are data after its end"));
    }
    Ok(())
}

/// Reads the next header with its name; nothing at the end of the archive.
fn header(input: &mut dyn Read) -> Result<Option<Member>, CpioError> {
    let mut bytes = [0; HEADER_BYTES];
    fill(input, &mut bytes)?;
    let (magic, digits) = bytes.split_at(6);
    if !MAGICS.contains(&magic) {
        return Err(CpioError::Form("an entry does not begin with 070701"));
    }
    let mut fields = [0; 13];
    for (field, digits) in fields.iter_mut().zip(digits.chunks_exact(8)) {
        *field = number(digits)?;
    }
    let [
        inode,
        mode,
        _,
        _,
        links,
        _,
        size,
        major,
        minor,
        _,
        _,
        length,
        _,
    ] = fields;
    if !(2..=NAME_MAX_BYTES).contains(&length) {
        return Err(CpioError::Form("a name is empty or too long"));
    }
    let mut name = vec![0; usize::try_from(length).unwrap_or(0)];
    fill(input, &mut name)?;
    pad(input, HEADER_BYTES as u64 + u64::from(length))?;
    if name.pop() != Some(0) || name.contains(&0) {
        return Err(CpioError::Form("a name does not end where it should"));
    }
    if name == TRAILER {
        return match size {
            0 => Ok(None),
            _ => Err(CpioError::Form("there are data after its end")),
        };
    }
    let plain = name.strip_prefix(b"./").or(name.strip_prefix(b"/"));
    Ok(Some(Member {
        name: plain.map(<[u8]>::to_vec).unwrap_or(name),
        mode,
        size: u64::from(size),
        links,
        identity: [major, minor, inode],
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
        .ok_or(CpioError::Form("a field is not a number"))
}

/// Reads on to the next multiple of four.
fn pad(input: &mut dyn Read, length: u64) -> Result<(), CpioError> {
    let missing = usize::try_from(length.next_multiple_of(4) - length).unwrap_or(0);
    fill(input, &mut [0; 4][..missing])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u32 = 0o100_644;

    /// Writes an entry.
    fn entry(name: &[u8], mode: u32, inode: u32, links: u32, data: &[u8]) -> Vec<u8> {
        let size = u32::try_from(data.len()).unwrap();
        let length = u32::try_from(name.len()).unwrap() + 1;
        let fields = [inode, mode, 0, 0, links, 0, size, 8, 1, 0, 0, length, 0];
        let mut bytes = b"070701".to_vec();
        for field in fields {
            bytes.extend(format!("{field:08x}").bytes());
        }
        for part in [&[name, &[0]].concat()[..], data] {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn trailer() -> Vec<u8> {
        entry(TRAILER, 0, 0, 1, b"")
    }

    fn read(bytes: &[u8]) -> Result<Vec<(Member, String)>, CpioError> {
        let mut found = Vec::new();
        members(&mut &bytes[..], &mut |member, data| {
            let mut text = String::new();
            data.read_to_string(&mut text)?;
            found.push((member.clone(), text));
            Ok::<(), CpioError>(())
        })?;
        Ok(found)
    }

    fn archive() -> Vec<u8> {
        [
            entry(b"./etc", 0o040_755, 1, 2, b""),
            entry(b"./etc/a.conf", FILE, 2, 1, b"five5"),
            entry(b"/etc/b", 0o120_777, 3, 1, b"a.conf"),
            entry(b"etc/c", 0o100_600, 4, 1, b""),
            trailer(),
        ]
        .concat()
    }

    #[test]
    fn every_entry_is_seen_under_its_absolute_name() {
        let found = read(&archive()).unwrap();
        let seen: Vec<(String, &str, bool)> = found
            .iter()
            .map(|(member, text)| (member.path(), &**text, member.is_file()))
            .collect();
        let expected = [
            ("/etc", "", false),
            ("/etc/a.conf", "five5", true),
            ("/etc/b", "a.conf", false),
            ("/etc/c", "", true),
        ];
        assert_eq!(
            seen,
            expected.map(|(path, text, is)| (path.to_owned(), text, is))
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
            let mut bytes = [entry(b"./etc/a.conf", FILE, 2, 1, b"five5"), trailer()].concat();
            bytes[at..at + 8].copy_from_slice(digits.as_bytes());
            let error = read(&bytes).unwrap_err();
            assert!(matches!(error, CpioError::Form(_)), "{digits}: {error}");
        }
    }

    #[test]
    fn names_are_what_rpm_can_write() {
        let longest = [b".".as_slice(), &[b'/'; 1], &[b'x'; 4094]].concat();
        let found = read(&[entry(&longest, FILE, 1, 1, b""), trailer()].concat()).unwrap();
        assert_eq!(found[0].0.path().len(), 4095);
        let longer = [&longest[..], b"x"].concat();
        assert!(read(&[entry(&longer, FILE, 1, 1, b""), trailer()].concat()).is_err());
        let latin = read(&[entry(b"./\xe9", FILE, 1, 1, b""), trailer()].concat()).unwrap();
        assert_eq!(latin[0].0.path(), "/\u{fffd}");
        assert_eq!(latin[0].0.name, b"\xe9");
    }

    #[test]
    fn the_trailer_ends_it_and_what_follows_is_for_the_caller_to_refuse() {
        let followed = |rest: &[u8]| {
            let bytes = [&archive(), rest].concat();
            let mut input = &bytes[..];
            members(&mut input, &mut |_, _| Ok::<(), CpioError>(())).unwrap();
            check_end(&mut input)
        };
        for good in [&[][..], &[0; 511]] {
            followed(good).unwrap();
        }
        for bad in [&[1][..], &[0; 512], &trailer()] {
            assert!(followed(bad).is_err());
        }
        let sized = [
            &archive()[..archive().len() - trailer().len()],
            &entry(TRAILER, 0, 0, 1, b"x"),
        ];
        assert!(read(&sized.concat()).is_err());
    }
}
