//! The archive inside an RPM, entry by entry: `newc`, as rpm has always written it.

use std::io::{self, BufRead, Read};

const NAME_MAX_BYTES: usize = 4096;
const TRAILER: &str = "TRAILER!!!";
/// Some archivers fill the last block with zeros.
const BLOCK_BYTES: usize = 512;
const XZ_MEMORY_MAX_BYTES: u64 = 1024 * 1024 * 1024;
const ZSTD_WINDOW_MAX_LOG: u32 = 27;

/// An entry's header.
#[derive(Debug)]
pub(super) struct Entry {
    /// The path without its leading `./` or `/`.
    pub(super) name: String,
    /// Entries with one inode number and more than one link are one file.
    pub(super) inode: u32,
    /// Type and permissions, as `st_mode`.
    pub(super) mode: u32,
    /// The number of links.
    pub(super) links: u32,
    /// The size of the body in bytes.
    pub(super) size: u32,
}

/// The uncompressed archive. Bodies must be read to their end, or skipped by [`Archive::body`].
pub(super) struct Archive<'a> {
    input: Box<dyn Read + 'a>,
}

impl<'a> Archive<'a> {
    /// Opens a payload. What follows the compressed data is read as more of it, so that it cannot
    /// hide there.
    pub(super) fn open(mut payload: impl BufRead + 'a) -> io::Result<Self> {
        let start = payload.fill_buf()?;
        let input: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::bufread::MultiGzDecoder::new(payload))
        } else if start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            let all = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_MAX_BYTES, all)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(payload, stream))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)?;
            decoder.window_log_max(ZSTD_WINDOW_MAX_LOG)?;
            Box::new(decoder)
        } else if start.starts_with(b"0707") {
            Box::new(payload)
        } else {
            return Err(bad("its compression is not one of gzip, xz, zstd"));
        };
        Ok(Self { input })
    }

    /// Reads the next header, or checks that the archive ends: a trailer, and nothing after it.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut magic = [0; 6];
        self.input.read_exact(&mut magic)?;
        if &magic != b"070701" && &magic != b"070702" {
            return Err(bad("an entry is not of the format newc"));
        }
        let mut fields = [0_u32; 13];
        for field in &mut fields {
            *field = self.number()?;
        }
        let [inode, mode, _, _, links, _, size, _, _, _, _, name, _] = fields;
        let name = self.name(name)?;
        if name == TRAILER {
            return self.end(size).map(|()| None);
        }
        let plain = name.strip_prefix("./").or_else(|| name.strip_prefix('/'));
        Ok(Some(Entry {
            name: plain.unwrap_or(&name).to_owned(),
            inode,
            mode,
            links,
            size,
        }))
    }

    /// Reads the body of the entry that [`Self::next`] returned.
    pub(super) fn body(&mut self, size: u32, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let mut left = size as usize;
        while left > 0 {
            let wanted = left.min(buffer.len());
            self.input.read_exact(&mut buffer[..wanted])?;
            each(&buffer[..wanted]);
            left -= wanted;
        }
        self.pad(size as usize)
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut digits = [0; 8];
        self.input.read_exact(&mut digits)?;
        let text = std::str::from_utf8(&digits).ok();
        text.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| u32::from_str_radix(text, 16).ok())
            .ok_or_else(|| bad("a header has a field that is no number"))
    }

    fn name(&mut self, length: u32) -> io::Result<String> {
        let length = length as usize;
        if length == 0 || length > NAME_MAX_BYTES {
            return Err(bad("an entry's name is empty or too long"));
        }
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes)?;
        // The header before it has 110 bytes.
        self.pad(110 + length)?;
        if bytes.pop() != Some(0) || bytes.contains(&0) {
            return Err(bad("an entry's name does not end where it says"));
        }
        String::from_utf8(bytes).map_err(|_| bad("an entry's name is not text"))
    }

    fn pad(&mut self, length: usize) -> io::Result<()> {
        let mut padding = [0; 3];
        self.input
            .read_exact(&mut padding[..length.next_multiple_of(4) - length])
    }

    fn end(&mut self, size: u32) -> io::Result<()> {
        let mut rest = Vec::new();
        self.input
            .by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut rest)?;
        if size != 0 || rest.len() >= BLOCK_BYTES || rest.iter().any(|byte| *byte != 0) {
            return Err(bad("there are data after its end"));
        }
        Ok(())
    }
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
