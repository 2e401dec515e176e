//! Whether the two headers of an RPM have the shape that the crate `rpm` takes for granted. It parses
//! before anything is verified, believes counts and offsets, and panics or takes gigabytes where they
//! lie.

use std::io::{self, Read};

const LEAD_BYTES: usize = 96;
const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 1];
const ENTRY_BYTES: usize = 16;
/// rpm itself refuses more entries.
const ENTRIES_MAX: usize = 65_535;

/// Checks lead, signature header and header, the start of an RPM.
pub(super) fn check(mut input: impl Read, data_max: usize) -> io::Result<()> {
    input.read_exact(&mut [0; LEAD_BYTES])?;
    let data = check_header(&mut input, data_max)?;
    let padding = data.next_multiple_of(8) - data;
    input.read_exact(&mut [0; 8][..padding])?;
    check_header(&mut input, data_max).map(|_| ())
}

/// Checks one header and returns the size of its data.
fn check_header(input: &mut impl Read, data_max: usize) -> io::Result<usize> {
    let mut intro = [0; 16];
    input.read_exact(&mut intro)?;
    let (entries, data) = (number(&intro[8..]), number(&intro[12..]));
    if intro[..4] != MAGIC || entries > ENTRIES_MAX || data > data_max {
        return Err(bad("no header, or one that is too large"));
    }
    let index = read(input, entries * ENTRY_BYTES)?;
    let store = read(input, data)?;
    // Items of different entries are different bytes. Entries that share many of them would make a
    // small header a large one in memory.
    let mut left = 2 * data;
    for entry in index.chunks(ENTRY_BYTES) {
        let size = size_of(entry, &store).ok_or_else(|| bad("an entry outside its header"))?;
        left = left
            .checked_sub(size)
            .ok_or_else(|| bad("entries that share their data"))?;
    }
    Ok(data)
}

/// Returns the size of an entry's items, if they lie within the data.
fn size_of(entry: &[u8], store: &[u8]) -> Option<usize> {
    let (kind, offset, count) = (
        number(&entry[4..]),
        number(&entry[8..]),
        number(&entry[12..]),
    );
    let rest = store.get(offset..)?;
    let width = match kind {
        0 => return Some(0),
        1 | 2 | 7 => 1,
        3 => 2,
        4 => 4,
        5 => 8,
        6 | 8 | 9 => return strings(rest, count),
        _ => return None,
    };
    count.checked_mul(width).filter(|&size| size <= rest.len())
}

/// Returns the size of so many strings, each of which ends with a zero byte.
fn strings(bytes: &[u8], count: usize) -> Option<usize> {
    let Some(before) = count.checked_sub(1) else {
        return Some(0);
    };
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0);
    ends.nth(before).map(|(at, _)| at + 1)
}

/// Reads `size` bytes; memory grows with what is there, not with what is claimed.
fn read(input: &mut impl Read, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(size as u64).read_to_end(&mut bytes)?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take(4)
        .fold(0, |value, &byte| value << 8 | usize::from(byte))
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA_MAX: usize = 1024;

    fn header(entries: &[[u32; 4]], data: &[u8]) -> Vec<u8> {
        let mut header = [&MAGIC[..], &[0; 4]].concat();
        let length = u32::try_from(data.len()).unwrap();
        header.extend(u32::try_from(entries.len()).unwrap().to_be_bytes());
        header.extend(length.to_be_bytes());
        header.extend(
            entries
                .iter()
                .flatten()
                .flat_map(|field| field.to_be_bytes()),
        );
        header.extend(data);
        header
    }

    fn verdict(entry: [u32; 4]) -> io::Result<()> {
        let start = [0; LEAD_BYTES].to_vec();
        let signatures = header(&[], b"");
        let rpm = [start, signatures, header(&[entry], b"one\0two\0three")].concat();
        check(rpm.as_slice(), DATA_MAX)
    }

    #[test]
    fn entries_within_the_data_are_taken() {
        for entry in [
            [1000, 6, 0, 1],
            [1000, 8, 0, 2],
            [1000, 4, 0, 3],
            [1000, 7, 13, 0],
        ] {
            assert!(verdict(entry).is_ok(), "{entry:?}");
        }
    }

    /// The crate panics at most of these.
    #[test]
    fn entries_outside_the_data_are_refused() {
        for entry in [
            [1000, 6, 14, 1],
            [1000, 6, 8, 1],
            [1000, 8, 0, 3],
            [1000, 8, 0, u32::MAX],
            [1000, 4, 0, 4],
            [1000, 5, 0, u32::MAX],
            [1000, 7, u32::MAX, 1],
            [1000, 10, 0, 1],
        ] {
            assert!(verdict(entry).is_err(), "{entry:?}");
        }
    }

    #[test]
    fn entries_that_share_their_data_are_refused() {
        let rpm = |times| {
            let entries = vec![[1000, 7, 0, 13]; times];
            let start = [&[0; LEAD_BYTES][..], &header(&[], b"")].concat();
            [start, header(&entries, b"one\0two\0three")].concat()
        };
        assert!(check(rpm(2).as_slice(), DATA_MAX).is_ok());
        assert!(check(rpm(3).as_slice(), DATA_MAX).is_err());
    }

    /// Found by fuzzing: the crate multiplied, and asked for what came out.
    #[test]
    fn a_header_that_claims_gigabytes_is_refused_before_they_are_taken() {
        let mut rpm = [0; LEAD_BYTES].to_vec();
        rpm.extend(MAGIC);
        rpm.extend([0, 0, 0, 0, 0xab, 0xee, 0xdb, 3, 0xff, 0xff, 0xff, 0xff]);
        assert!(check(rpm.as_slice(), DATA_MAX).is_err());
        rpm.truncate(LEAD_BYTES + 8);
        rpm.extend([0, 0, 0xff, 0xff, 0, 0, 4, 0]);
        assert!(check(rpm.as_slice(), DATA_MAX).is_err());
    }
}
