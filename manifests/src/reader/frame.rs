//! The zstd frame header. It is checked before a decoder sees it, since it decides how much memory the
//! decoder takes.

use crate::limits::ZSTD_WINDOW_MAX_LOG;

/// Longest frame header (RFC 8878, section 3.1.1.1), with the magic number.
pub(super) const HEADER_MAX_BYTES: usize = 18;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Checks that a file starts with one plain frame that has a checksum and a bounded window.
pub(super) fn check(start: &[u8]) -> Result<(), &'static str> {
    const SHORT: &str = "the file is too short";
    let (magic, rest) = start.split_first_chunk().ok_or(SHORT)?;
    if *magic != MAGIC {
        return Err("it does not start with a zstd frame");
    }
    let (&descriptor, rest) = rest.split_first().ok_or(SHORT)?;
    if descriptor & 0b0000_1000 != 0 {
        return Err("a reserved bit of the zstd frame is set");
    }
    if descriptor & 0b0000_0011 != 0 {
        return Err("its zstd frame needs a dictionary");
    }
    let is_single_segment = descriptor & 0b0010_0000 != 0;
    let window = if is_single_segment {
        content_size(descriptor >> 6, rest)
    } else {
        rest.first().map(|&byte| window_size(byte))
    };
    if window.ok_or(SHORT)? > 1 << ZSTD_WINDOW_MAX_LOG {
        return Err("its zstd window is larger than 8 MiB");
    }
    if descriptor & 0b0000_0100 == 0 {
        return Err("its zstd frame has no checksum");
    }
    Ok(())
}

fn window_size(byte: u8) -> u64 {
    let base = 1_u64 << (10 + (byte >> 3));
    base + (base / 8) * u64::from(byte & 7)
}

/// A frame of a single segment has no window size: its content is the window.
fn content_size(flag: u8, rest: &[u8]) -> Option<u64> {
    let width = 1_usize << flag;
    let mut bytes = [0_u8; 8];
    bytes.get_mut(..width)?.copy_from_slice(rest.get(..width)?);
    // Two-byte sizes start at 256.
    Some(u64::from_le_bytes(bytes) + if width == 2 { 256 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKSUM: u8 = 0b0000_0100;

    fn frame(descriptor: u8, rest: &[u8]) -> Vec<u8> {
        [&MAGIC[..], &[descriptor], rest].concat()
    }

    #[test]
    fn windows_up_to_eight_mebibytes_pass() {
        let eight = (23 - 10) << 3;
        assert_eq!(check(&frame(CHECKSUM, &[eight])), Ok(()));
        assert!(check(&frame(CHECKSUM, &[eight | 1])).is_err());
        assert!(check(&frame(CHECKSUM, &[0xff])).is_err());
        let single = 0b1010_0000 | CHECKSUM;
        assert_eq!(check(&frame(single, &[0, 0, 128, 0])), Ok(()));
        assert!(check(&frame(single, &[1, 0, 128, 0])).is_err());
        assert!(check(&frame(single, &[0, 0, 0, 1])).is_err());
    }

    #[test]
    fn other_frames_and_stubs_are_refused() {
        assert!(check(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]).is_err());
        for (descriptor, word) in [(CHECKSUM | 1, "dictionary"), (CHECKSUM | 8, "reserved")] {
            let refusal = check(&frame(descriptor, &[0, 0])).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
        for length in 0..6 {
            assert!(check(&frame(CHECKSUM, &[0])[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_frame_without_a_checksum_is_refused() {
        let refusal = check(&frame(0, &[0])).unwrap_err();
        assert!(refusal.contains("no checksum"), "{refusal}");
    }
}
