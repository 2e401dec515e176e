//! The zstd frame header, judged before a decoder allocates anything.

use manifests::limits::ZSTD_WINDOW_MAX_LOG;

use super::ArchiveError;

/// The longest frame header of RFC 8878: magic, descriptor, window, dictionary id, content size.
pub(super) const HEADER_MAX_BYTES: usize = 18;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Checks the start of a file: one ordinary frame with a checksum, no dictionary, and a window that
/// fits the bound.
pub(super) fn check(start: &[u8]) -> Result<(), ArchiveError> {
    let refuse = |reason| Err(ArchiveError::Frame(reason));
    let Some((magic, rest)) = start.split_first_chunk::<4>() else {
        return refuse("it is too short");
    };
    if *magic != MAGIC {
        return refuse("it does not start with a zstd frame");
    }
    let Some((&descriptor, rest)) = rest.split_first() else {
        return refuse("it is too short");
    };
    if descriptor & 0b0000_1011 != 0 {
        return refuse("its zstd frame uses a dictionary or a reserved bit");
    }
    if descriptor & 0b0000_0100 == 0 {
        return refuse("its zstd frame has no checksum");
    }
    let window = if descriptor & 0b0010_0000 == 0 {
        rest.first().map(|&byte| window_of(byte))
    } else {
        content_size(descriptor >> 6, rest)
    };
    match window {
        None => refuse("it is too short"),
        Some(bytes) if bytes > 1 << ZSTD_WINDOW_MAX_LOG => {
            refuse("its zstd frame asks for more memory than format 1 allows")
        }
        Some(_) => Ok(()),
    }
}

fn window_of(byte: u8) -> u64 {
    let base = 1_u64 << (10 + u32::from(byte >> 3));
    base + base / 8 * u64::from(byte & 7)
}

/// A frame of a single segment has no window: its content is the window.
fn content_size(flag: u8, rest: &[u8]) -> Option<u64> {
    let length = 1_usize << flag;
    let mut bytes = [0_u8; 8];
    bytes
        .get_mut(..length)?
        .copy_from_slice(rest.get(..length)?);
    let size = u64::from_le_bytes(bytes);
    Some(if length == 2 { size + 256 } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_frames_pass_and_others_are_refused() {
        let mut frame = MAGIC.to_vec();
        frame.extend([0b0000_0100, 13 << 3]);
        assert!(check(&frame).is_ok());
        for (at, byte) in [
            (0, 0x50),
            (4, 0b0000_0000),
            (4, 0b0000_0101),
            (4, 0b0000_1100),
            (5, 14 << 3),
            (5, (13 << 3) + 1),
        ] {
            let mut bad = frame.clone();
            bad[at] = byte;
            assert!(check(&bad).is_err(), "{at} {byte:#x}");
        }
        assert!(check(&frame[..5]).is_err());
        assert!(check(b"").is_err());
        let huge_single_segment = [&MAGIC[..], &[0b1010_0100, 0, 0, 0, 1]].concat();
        assert!(check(&huge_single_segment).is_err());
    }
}
