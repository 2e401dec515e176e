//! The stream of entries inside the frame: a closed subset of ustar, read once from front to back.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use manifests::digest::{Hasher, Sha256};
use manifests::format::{BLOCK_BYTES, HeaderClaim, padding, read_header};
use manifests::limits::{ENTRIES_MAX, ZSTD_WINDOW_MAX_LOG};
use manifests::trust::VerifyError;

use super::parts::PartsReader;
use super::{BundleError, PartsSet, frame};
use crate::secure_fs;

/// The bytes of a bundle file, wherever they are.
enum Bytes {
    File(File),
    Parts(PartsReader),
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Parts(parts) => parts.read(buffer),
        }
    }
}

/// A file that says it is a bundle. Nothing of it is believed.
pub struct UntrustedBundle {
    path: PathBuf,
    parts: Option<PartsSet>,
    decoder: zstd::Decoder<'static, BufReader<io::Chain<io::Cursor<Vec<u8>>, Bytes>>>,
    entries_read: usize,
}

impl std::fmt::Debug for UntrustedBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UntrustedBundle")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl UntrustedBundle {
    /// Opens a bundle file and checks its frame header.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        // The operator may name a symlink; what counts are the bytes of this one open file.
        let file = File::open(path).map_err(secure_fs::at("open", path))?;
        Self::start(path, Bytes::File(file), None)
    }

    /// Opens a bundle whose parts lie as a verified list says, in place. The list proves nothing but
    /// that the parts are those that somebody trusted split: the manifest is verified all the same.
    pub fn open_parts(set: PartsSet) -> Result<Self, BundleError> {
        let path = set.path().to_owned();
        let bytes = Bytes::Parts(set.reader());
        let blamed = set.clone();
        Self::start(&path, bytes, Some(set)).map_err(|error| blame(Some(&blamed), error))
    }

    fn start(path: &Path, mut bytes: Bytes, parts: Option<PartsSet>) -> Result<Self, BundleError> {
        let read_error = |source| BundleError::Read {
            path: path.to_owned(),
            source,
        };
        let mut start = Vec::new();
        let limit = frame::HEADER_MAX_BYTES as u64;
        (&mut bytes)
            .take(limit)
            .read_to_end(&mut start)
            .map_err(read_error)?;
        frame::check(&start).map_err(BundleError::Frame)?;
        let source = BufReader::new(io::Cursor::new(start).chain(bytes));
        let mut decoder = zstd::Decoder::with_buffer(source)
            .map_err(read_error)?
            .single_frame();
        decoder
            .window_log_max(ZSTD_WINDOW_MAX_LOG)
            .map_err(read_error)?;
        Ok(Self {
            path: path.to_owned(),
            parts,
            decoder,
            entries_read: 0,
        })
    }

    /// Returns the file's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the list of the bundle's parts, if it lies in parts.
    #[must_use]
    pub const fn parts(&self) -> Option<&PartsSet> {
        self.parts.as_ref()
    }

    /// Reads the next header, or checks the end: two zero blocks and nothing after them, neither in
    /// the archive nor behind the frame.
    pub(super) fn next_header(&mut self) -> Result<Option<HeaderClaim>, BundleError> {
        let mut block = [0_u8; BLOCK_BYTES];
        self.fill(&mut block)?;
        if block == [0; BLOCK_BYTES] {
            self.fill(&mut block)?;
            if block != [0; BLOCK_BYTES] {
                return Err(BundleError::Damaged(
                    "the end marker is incomplete".to_owned(),
                ));
            }
            self.check_end()?;
            return Ok(None);
        }
        let at = self.entries_read;
        if at >= ENTRIES_MAX {
            return Err(BundleError::Damaged(format!(
                "it has more than {ENTRIES_MAX} entries"
            )));
        }
        self.entries_read += 1;
        read_header(&block)
            .map(Some)
            .map_err(|source| BundleError::Header { at, source })
    }

    fn check_end(&mut self) -> Result<(), BundleError> {
        let trailing = |place| BundleError::Damaged(format!("there are data after the {place}"));
        let mut byte = [0_u8; 1];
        if self
            .decoder
            .read(&mut byte)
            .map_err(|error| damaged(&error))?
            != 0
        {
            return Err(trailing("end marker"));
        }
        let rest = self.decoder.get_mut().fill_buf();
        let rest = rest.map_err(|source| BundleError::Read {
            path: self.path.clone(),
            source,
        })?;
        if rest.is_empty() {
            Ok(())
        } else {
            Err(trailing("zstd frame"))
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), BundleError> {
        self.decoder
            .read_exact(buffer)
            .map_err(|error| damaged(&error))
    }

    /// Reads the body of a small entry, at most `max` bytes.
    pub(super) fn read_body(
        &mut self,
        claim: &HeaderClaim,
        max: u64,
    ) -> Result<Vec<u8>, BundleError> {
        if claim.size > max {
            return Err(BundleError::TooLarge {
                path: claim.path.clone(),
                size: claim.size,
                max,
            });
        }
        let mut body = Vec::with_capacity(usize::try_from(claim.size).unwrap_or(0));
        self.copy_body(claim.size, &mut body)?;
        Ok(body)
    }

    /// Copies the body of an entry of `size` bytes into `sink` and returns its digest.
    pub(super) fn copy_body(
        &mut self,
        size: u64,
        sink: &mut dyn Write,
    ) -> Result<Sha256, BundleError> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0_u8; 128 * 1024];
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let chunk = &mut buffer[..want];
            self.decoder
                .read_exact(chunk)
                .map_err(|error| damaged(&error))?;
            hasher.update(chunk);
            sink.write_all(chunk).map_err(|source| BundleError::Read {
                path: self.path.clone(),
                source,
            })?;
            left -= want as u64;
        }
        let mut pad = [0_u8; BLOCK_BYTES];
        let pad = &mut pad[..padding(size)];
        self.fill(pad)?;
        if pad.iter().any(|&byte| byte != 0) {
            return Err(BundleError::Damaged(
                "the padding of an entry is not zero".to_owned(),
            ));
        }
        Ok(hasher.finish())
    }
}

/// A bad part explains whatever its bytes led to: every part is hashed, and the bad ones are named.
pub(super) fn blame(parts: Option<&PartsSet>, error: BundleError) -> BundleError {
    let from_bytes = !matches!(
        error,
        BundleError::File(_)
            | BundleError::InstallerTooOld { .. }
            | BundleError::Untrusted(VerifyError::NoTrustRoot)
    );
    match parts.filter(|_| from_bytes).map(PartsSet::check) {
        Some(Err(named)) => named,
        _ => error,
    }
}

fn damaged(error: &io::Error) -> BundleError {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        _ => error.to_string(),
    };
    BundleError::Damaged(reason)
}
