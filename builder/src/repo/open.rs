//! Decompression of metadata with a bound on what comes out.

use std::io::{self, BufRead, BufReader, Read};

/// The most a package list may unpack to, whatever size the repository states.
const OPEN_MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The same where the repository states no size.
const OPEN_UNSTATED_MAX_BYTES: u64 = 256 * 1024 * 1024;
const XZ_MEMORY_MAX_BYTES: u64 = 256 * 1024 * 1024;
const ZSTD_WINDOW_MAX_LOG: u32 = 27;

/// Metadata that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// bzip2 or something newer.
    #[error("its compression is not one of gzip, xz, zstd")]
    Unknown,
    /// The decoder cannot be set up.
    #[error("the decoder cannot be set up: {0}")]
    Decoder(#[source] io::Error),
}

/// Returns a reader of the uncompressed bytes. It fails after `open_size` bytes (as stated by the
/// signed `repomd.xml`) or the general bound.
pub fn reader(bytes: &[u8], open_size: Option<u64>) -> Result<Box<dyn BufRead + '_>, OpenError> {
    let limit = open_size
        .unwrap_or(OPEN_UNSTATED_MAX_BYTES)
        .min(OPEN_MAX_BYTES);
    let opened: Box<dyn Read + '_> = if bytes.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(bytes))
    } else if bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX_BYTES, 0)
            .map_err(|error| OpenError::Decoder(error.into()))?;
        Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut decoder =
            zstd::stream::read::Decoder::with_buffer(bytes).map_err(OpenError::Decoder)?;
        decoder
            .window_log_max(ZSTD_WINDOW_MAX_LOG)
            .map_err(OpenError::Decoder)?;
        Box::new(decoder)
    } else if bytes.trim_ascii_start().starts_with(b"<") {
        Box::new(bytes)
    } else {
        return Err(OpenError::Unknown);
    };
    Ok(Box::new(BufReader::new(Bounded {
        inner: opened,
        left: limit,
    })))
}

/// Fails, rather than ends, when more bytes come than allowed.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(taken as u64).ok_or_else(|| {
            io::Error::other("it unpacks to more bytes than repomd.xml states or this build takes")
        })?;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn unpacked(bytes: &[u8], open_size: Option<u64>) -> io::Result<String> {
        let mut text = String::new();
        reader(bytes, open_size)
            .map_err(io::Error::other)?
            .read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn gzip_xz_zstd_and_plain_are_opened() {
        let text = "<metadata/>".repeat(100);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(text.as_bytes()).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(text.as_bytes()).unwrap();
        let packed = [
            gz.finish().unwrap(),
            xz.finish().unwrap(),
            zstd::encode_all(text.as_bytes(), 3).unwrap(),
            text.clone().into_bytes(),
        ];
        for bytes in packed {
            assert_eq!(unpacked(&bytes, None).unwrap(), text);
            assert_eq!(unpacked(&bytes, Some(text.len() as u64)).unwrap(), text);
            assert!(unpacked(&bytes, Some(text.len() as u64 - 1)).is_err());
        }
    }

    #[test]
    fn other_compressions_are_refused() {
        assert!(reader(b"BZh9....", None).is_err());
        assert!(reader(b"", None).is_err());
    }

    #[test]
    fn a_bomb_without_a_stated_size_ends_at_the_bound() {
        let size = OPEN_UNSTATED_MAX_BYTES + 1;
        let packed = zstd::encode_all(io::repeat(b'<').take(size), 1).unwrap();
        let mut opened = reader(&packed, None).unwrap();
        assert!(io::copy(&mut opened, &mut io::sink()).is_err());
        let mut opened = reader(&packed, Some(size)).unwrap();
        assert!(io::copy(&mut opened, &mut io::sink()).is_ok());
    }
}
