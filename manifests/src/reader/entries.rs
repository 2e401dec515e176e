//! The stream of entries inside the frame: a closed subset of ustar, read once from front to back.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Chain, Cursor, Read};

use super::{ReadError, frame};
use crate::digest::{Hasher, Sha256};
use crate::format::{BLOCK_BYTES, HeaderClaim, padding, read_header};
use crate::limits::{ENTRIES_MAX, ZSTD_WINDOW_MAX_LOG};

/// The entries of a bundle in file order. Nothing of them is believed.
pub struct Entries<R: Read> {
    decoder: zstd::Decoder<'static, BufReader<Chain<Cursor<Vec<u8>>, Source<R>>>>,
    /// How many headers were read.
    read: usize,
    /// The current entry, and how much of it was not read yet.
    current: Option<(HeaderClaim, u64)>,
}

/// The file. It remembers that reading it failed, so that this is not taken for damage.
struct Source<R> {
    file: R,
    failed: bool,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.file.read(buffer);
        self.failed |= taken.is_err();
        taken
    }
}

impl<R: Read> fmt::Debug for Entries<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Entries<R> {
    /// Checks the frame header, then sets up the decoder.
    pub fn open(mut file: R) -> Result<Self, ReadError> {
        let mut start = Vec::new();
        file.by_ref()
            .take(frame::HEADER_MAX_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(ReadError::Input)?;
        frame::check(&start).map_err(ReadError::Frame)?;
        let failed = false;
        let source = BufReader::new(Cursor::new(start).chain(Source { file, failed }));
        let mut decoder = zstd::Decoder::with_buffer(source)
            .map_err(ReadError::Input)?
            .single_frame();
        decoder
            .window_log_max(ZSTD_WINDOW_MAX_LOG)
            .map_err(ReadError::Input)?;
        Ok(Self {
            decoder,
            read: 0,
            current: None,
        })
    }

    /// Reads the next header, or checks the end: two zero blocks and nothing after them, neither in the
    /// archive nor behind the frame. The entry before must have been read to its end.
    pub fn advance(&mut self) -> Result<Option<HeaderClaim>, ReadError> {
        self.end_entry()?;
        let mut block = [0; BLOCK_BYTES];
        self.fill(&mut block)?;
        if block == [0; BLOCK_BYTES] {
            self.fill(&mut block)?;
            if block != [0; BLOCK_BYTES] {
                return Err(damaged("the end marker is incomplete"));
            }
            self.check_end()?;
            return Ok(None);
        }
        let at = self.read;
        if at >= ENTRIES_MAX {
            let reason = format!("it has more than {ENTRIES_MAX} entries");
            return Err(ReadError::Damaged(reason));
        }
        self.read += 1;
        let claim = read_header(&block).map_err(|source| ReadError::Header { at, source })?;
        self.current = Some((claim.clone(), claim.size));
        Ok(Some(claim))
    }

    /// Reads the current entry into memory, if it has at most `max` bytes.
    pub fn bytes(&mut self, max: u64) -> Result<Vec<u8>, ReadError> {
        let Some((claim, left)) = &self.current else {
            return Ok(Vec::new());
        };
        if *left > max {
            return Err(ReadError::TooLarge {
                path: claim.path.clone(),
                size: claim.size,
                max,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(*left).unwrap_or(0));
        self.copy(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok::<(), ReadError>(())
        })?;
        Ok(bytes)
    }

    /// Passes the current entry on piece by piece, and returns its digest.
    pub fn copy<E: From<ReadError>>(
        &mut self,
        each: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Sha256, E> {
        let mut hasher = Hasher::default();
        let mut left = self.current.as_ref().map_or(0, |(_, left)| *left);
        let mut buffer = vec![0; usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))];
        while left > 0 {
            let wanted = usize::try_from(left).map_or(buffer.len(), |n| n.min(buffer.len()));
            self.fill(&mut buffer[..wanted])?;
            hasher.update(&buffer[..wanted]);
            each(&buffer[..wanted])?;
            left -= wanted as u64;
        }
        if let Some((_, rest)) = &mut self.current {
            *rest = 0;
        }
        self.end_entry()?;
        Ok(hasher.finish())
    }

    fn end_entry(&mut self) -> Result<(), ReadError> {
        let Some((claim, left)) = self.current.take() else {
            return Ok(());
        };
        if left > 0 {
            return Err(ReadError::HeaderMismatch(claim.path));
        }
        let mut zeros = [0; BLOCK_BYTES];
        let zeros = &mut zeros[..padding(claim.size)];
        self.fill(zeros)?;
        if zeros.iter().all(|byte| *byte == 0) {
            Ok(())
        } else {
            Err(damaged("the padding of an entry is not zero"))
        }
    }

    fn check_end(&mut self) -> Result<(), ReadError> {
        let read = self.decoder.read(&mut [0]);
        if read.map_err(|error| self.failed(error))? != 0 {
            return Err(damaged("there are data after the end marker"));
        }
        let rest = self.decoder.get_mut().fill_buf();
        if rest.map_err(ReadError::Input)?.is_empty() {
            Ok(())
        } else {
            Err(damaged("there are data after the zstd frame"))
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        let read = self.decoder.read_exact(bytes);
        read.map_err(|error| self.failed(error))
    }

    /// Distinguishes a file that cannot be read from one that is damaged.
    fn failed(&self, error: io::Error) -> ReadError {
        if self.decoder.get_ref().get_ref().get_ref().1.failed {
            ReadError::Input(error)
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            damaged("it ends too early")
        } else {
            ReadError::Damaged(error.to_string())
        }
    }
}

/// Bytes that are passed on at a time.
const PIECE: usize = 128 * 1024;

fn damaged(reason: &str) -> ReadError {
    ReadError::Damaged(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::format::header_for;

    fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, bytes) in entries {
            let size = bytes.len() as u64;
            tar.extend(header_for(&path.parse().unwrap(), size, 7).unwrap());
            tar.extend(*bytes);
            tar.resize(tar.len() + padding(size), 0);
        }
        tar.resize(tar.len() + 2 * BLOCK_BYTES, 0);
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(20).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    }

    /// A medium that fails after so many bytes.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("the medium")),
                taken => Ok(taken),
            }
        }
    }

    fn read(file: impl Read) -> Result<Vec<(HeaderClaim, Vec<u8>)>, ReadError> {
        let mut entries = Entries::open(file)?;
        let mut found = Vec::new();
        while let Some(claim) = entries.advance()? {
            found.push((claim, entries.bytes(1000)?));
        }
        Ok(found)
    }

    #[test]
    fn entries_come_in_order_with_their_bytes() {
        let file = packed(&[("docs/a", b"one"), ("docs/b", b""), ("docs/c", &[7; 512])]);
        let found = read(&file[..]).unwrap();
        let sizes: Vec<usize> = found.iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(sizes, [3, 0, 512]);
        assert_eq!(found[0].0.path.as_str(), "docs/a");
        let large = packed(&[("docs/a", &[0; 1001])]);
        assert!(matches!(read(&large[..]), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn an_entry_that_was_not_read_is_not_skipped() {
        let file = packed(&[("docs/a", b"one"), ("docs/b", b"two")]);
        let mut entries = Entries::open(&file[..]).unwrap();
        entries.advance().unwrap();
        let refusal = entries.advance().unwrap_err();
        assert!(matches!(refusal, ReadError::HeaderMismatch(_)), "{refusal}");
    }

    #[test]
    fn a_medium_that_fails_is_not_a_damaged_file() {
        let file = packed(&[("docs/a", b"one")]);
        for length in 0..file.len() {
            let cut = read(&file[..length]).unwrap_err();
            let is_cut = matches!(cut, ReadError::Damaged(_) | ReadError::Frame(_));
            assert!(is_cut, "{length}: {cut}");
            let failed = read(Failing(&file[..length])).unwrap_err();
            assert!(matches!(failed, ReadError::Input(_)), "{length}: {failed}");
        }
    }
}
