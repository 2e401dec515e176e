//! The zstd frame header, checked before a decoder sees it: it decides how much memory the
//! decoder takes.

use manifests::limits::ZSTD_WINDOW_MAX_LOG;

/// Longest frame header (RFC 8878, section 3.1.1.1), with the magic number.
pub(super) const HEADER_MAX_BYTES: usize = 18;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Checks that a file starts with one plain frame whose window is bounded.
pub(super) fn check(start: &[u8]) -> Result<(), &'static str> {
    let Some((magic, rest)) = start.split_first_chunk::<4>() else {
        return Err("the file is too short");
    };
    if *magic != MAGIC {
        return Err("it does not start with a zstd frame");
    }
    let Some((&descriptor, rest)) = rest.split_first() else {
        return Err("the file is too short");
    };
    if descriptor & 0b0000_1000 != 0 {
        return Err("a reserved bit of the zstd frame is set");
    }
    if descriptor & 0b0000_0011 != 0 {
        return Err("its zstd frame needs a dictionary");
    }
    let single_segment = descriptor & 0b0010_0000 != 0;
    let window = if single_segment {
        content_size(descriptor, rest)
    } else {
        rest.first().map(|&byte| window_size(byte))
    };
    match window {
        Some(bytes) if bytes <= 1 << ZSTD_WINDOW_MAX_LOG => Ok(()),
        Some(_) => Err("its zstd window is larger than 8 MiB"),
        None => Err("the file is too short"),
    }
}

fn window_size(byte: u8) -> u64 {
    let base = 1_u64 << (10 + (byte >> 3));
    base + (base / 8) * u64::from(byte & 7)
}

fn content_size(descriptor: u8, rest: &[u8]) -> Option<u64> {
    let width = 1_usize << (descriptor >> 6);
    let mut bytes = [0_u8; 8];
    bytes.get_mut(..width)?.copy_from_slice(rest.get(..width)?);
    // Two-byte sizes start at 256.
    Some(u64::from_le_bytes(bytes) + if width == 2 { 256 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(descriptor: u8, rest: &[u8]) -> Vec<u8> {
        [&MAGIC[..], &[descriptor], rest].concat()
    }

    #[test]
    fn windows_up_to_eight_mebibytes_pass() {
        assert!(check(&frame(0, &[(23 - 10) << 3])).is_ok());
        assert!(check(&frame(0, &[(23 - 10) << 3 | 1])).is_err());
        assert!(check(&frame(0, &[0xff])).is_err());
        assert!(check(&frame(0b1010_0000, &[0, 0, 128, 0])).is_ok());
        assert!(check(&frame(0b1010_0000, &[1, 0, 128, 0])).is_err());
    }

    #[test]
    fn skippable_frames_dictionaries_and_stubs_are_refused() {
        assert!(check(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]).is_err());
        assert!(check(&frame(1, &[0, 0])).is_err());
        assert!(check(&frame(8, &[0])).is_err());
        for length in 0..6 {
            assert!(check(&frame(0, &[0])[..length]).is_err(), "{length}");
        }
    }
}
