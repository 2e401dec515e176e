//! Reading a bundle entry by entry, with every bound checked before memory is taken.

use std::io::{BufRead, BufReader, Chain, Cursor, Read};

use manifests::bundle::BundleManifest;
use manifests::bundle_path::BundlePath;
use manifests::digest::{Hasher, Sha256};
use manifests::format::{BLOCK_BYTES, HeaderClaim, MANIFEST_PATH, Section, padding, read_header};
use manifests::limits::{
    MANIFEST_MAX_BYTES, SIGNATURE_MAX_BYTES, SIGNATURES_MAX, ZSTD_WINDOW_MAX_LOG,
};
use manifests::signature::Signature;

use super::{ArchiveError, frame};
use crate::interrupt;

type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// The entries of a bundle in file order.
pub struct Entries<R: Read> {
    decoder: zstd::stream::read::Decoder<'static, Input<R>>,
    /// What is left of the current entry, without its padding.
    current: Option<(HeaderClaim, u64)>,
}

impl<R: Read> std::fmt::Debug for Entries<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Entries<R> {
    /// Opens a bundle: looks at the frame header, then sets up the decoder.
    pub fn open(mut input: R) -> Result<Self, ArchiveError> {
        let mut start = Vec::new();
        input
            .by_ref()
            .take(frame::HEADER_MAX_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(ArchiveError::Damaged)?;
        frame::check(&start)?;
        let whole = BufReader::new(Cursor::new(start).chain(input));
        let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)
            .map_err(ArchiveError::Damaged)?
            .single_frame();
        decoder
            .window_log_max(ZSTD_WINDOW_MAX_LOG)
            .map_err(ArchiveError::Damaged)?;
        Ok(Self {
            decoder,
            current: None,
        })
    }

    /// Returns the next entry's header, or nothing at the end marker. The entry before must have
    /// been read to its end.
    pub fn advance(&mut self) -> Result<Option<HeaderClaim>, ArchiveError> {
        self.end_entry()?;
        let block = self.block()?;
        if block == [0; BLOCK_BYTES] {
            if self.block()? != [0; BLOCK_BYTES] {
                return Err(ArchiveError::Excess(
                    "there is an entry after the end marker",
                ));
            }
            return Ok(None);
        }
        let claim = read_header(&block)?;
        self.current = Some((claim.clone(), claim.size));
        Ok(Some(claim))
    }

    /// Reads the current entry into memory.
    pub fn bytes(&mut self, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let Some((claim, left)) = self.current.take() else {
            return Ok(Vec::new());
        };
        if left > limit {
            return Err(ArchiveError::TooLarge {
                path: claim.path,
                size: claim.size,
                limit,
            });
        }
        let mut bytes = Vec::new();
        self.decoder
            .by_ref()
            .take(left)
            .read_to_end(&mut bytes)
            .map_err(ArchiveError::Damaged)?;
        if bytes.len() as u64 != left {
            return Err(cut_off());
        }
        self.current = Some((claim, 0));
        Ok(bytes)
    }

    /// Passes the current entry on piece by piece and returns its digest.
    pub fn pass(
        &mut self,
        each: &mut dyn FnMut(&[u8]) -> Result<(), ArchiveError>,
    ) -> Result<Sha256, ArchiveError> {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; 256 * 1024];
        while let Some((_, left)) = self.current.as_mut().filter(|(_, left)| *left > 0) {
            interrupt::check()?;
            let wanted = usize::try_from(*left).map_or(buffer.len(), |n| n.min(buffer.len()));
            let taken = self
                .decoder
                .read(&mut buffer[..wanted])
                .map_err(ArchiveError::Damaged)?;
            if taken == 0 {
                return Err(cut_off());
            }
            hasher.update(&buffer[..taken]);
            each(&buffer[..taken])?;
            *left -= taken as u64;
        }
        Ok(hasher.finish())
    }

    /// Checks that nothing follows: in the archive, in the frame, in the file.
    pub fn finish(mut self) -> Result<(), ArchiveError> {
        let mut one = [0; 1];
        if self.decoder.read(&mut one).map_err(ArchiveError::Damaged)? != 0 {
            return Err(ArchiveError::Excess("there are bytes after the end marker"));
        }
        let mut rest = self.decoder.finish();
        let rest = rest.fill_buf().map_err(ArchiveError::Damaged)?;
        if !rest.is_empty() {
            return Err(ArchiveError::Excess(
                "there are bytes after the compressed frame",
            ));
        }
        Ok(())
    }

    fn end_entry(&mut self) -> Result<(), ArchiveError> {
        let Some((claim, left)) = self.current.take() else {
            return Ok(());
        };
        if left > 0 {
            return Err(ArchiveError::Size(claim.path));
        }
        let mut zeros = [0; BLOCK_BYTES];
        let zeros = &mut zeros[..padding(claim.size)];
        self.exact(zeros)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(ArchiveError::Excess("the padding of an entry is not zero"));
        }
        Ok(())
    }

    fn block(&mut self) -> Result<[u8; BLOCK_BYTES], ArchiveError> {
        let mut block = [0; BLOCK_BYTES];
        self.exact(&mut block)?;
        Ok(block)
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveError> {
        self.decoder
            .read_exact(bytes)
            .map_err(ArchiveError::Damaged)
    }
}

fn cut_off() -> ArchiveError {
    ArchiveError::Damaged(std::io::ErrorKind::UnexpectedEof.into())
}

/// The first entries of a bundle, believed by nobody yet.
#[derive(Debug)]
pub struct RawManifest {
    /// The exact bytes of `manifest.json`.
    pub bytes: Vec<u8>,
    /// The time that every entry has to have.
    pub mtime: u64,
    /// The signatures, as they say.
    pub signatures: Vec<Signature>,
    /// The header of the entry after them.
    pub next: Option<HeaderClaim>,
}

impl RawManifest {
    /// Parses the manifest without believing it.
    pub fn parse_unverified(&self) -> Result<BundleManifest, ArchiveError> {
        BundleManifest::parse(&self.bytes).map_err(ArchiveError::Manifest)
    }
}

/// Reads the manifest and the signatures, which are the first entries.
pub fn read_manifest<R: Read>(entries: &mut Entries<R>) -> Result<RawManifest, ArchiveError> {
    let first = entries.advance()?;
    let is_manifest = |claim: &&HeaderClaim| claim.path.as_str() == MANIFEST_PATH;
    let Some(manifest) = first.as_ref().filter(is_manifest) else {
        return Err(ArchiveError::Order {
            found: first.map_or("the end".to_owned(), |claim| claim.path.to_string()),
            expected: MANIFEST_PATH.to_owned(),
        });
    };
    let mtime = manifest.mtime;
    let bytes = entries.bytes(MANIFEST_MAX_BYTES)?;
    let mut signatures = Vec::new();
    let mut last: Option<BundlePath> = None;
    loop {
        let next = entries.advance()?;
        let is_signature =
            |claim: &&HeaderClaim| Section::of(&claim.path) == Some(Section::Signatures);
        let Some(claim) = next.as_ref().filter(is_signature) else {
            return Ok(RawManifest {
                bytes,
                mtime,
                signatures,
                next,
            });
        };
        if signatures.len() == SIGNATURES_MAX {
            return Err(ArchiveError::TooMany("signatures"));
        }
        if claim.mtime != mtime {
            return Err(ArchiveError::Time(claim.path.clone()));
        }
        check_rising(last.as_ref(), &claim.path)?;
        last = Some(claim.path.clone());
        let refuse = || ArchiveError::Order {
            found: claim.path.to_string(),
            expected: "signatures/<key id>.sig".to_owned(),
        };
        let key_id = claim.path.file_name().trim_end_matches(".sig");
        let key_id = key_id.parse().map_err(|_| refuse())?;
        let signature = Signature::new(key_id, entries.bytes(SIGNATURE_MAX_BYTES)?);
        signatures.push(signature.map_err(|_| refuse())?);
    }
}

/// Checks that a name comes after the one before it.
pub(super) fn check_rising(
    last: Option<&BundlePath>,
    path: &BundlePath,
) -> Result<(), ArchiveError> {
    match last {
        Some(last) if last >= path => Err(ArchiveError::Order {
            found: path.to_string(),
            expected: format!("a name after {last}"),
        }),
        _ => Ok(()),
    }
}
