//! Writing a bundle: deterministic ustar in one zstd frame.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use manifests::bundle::Entry;
use manifests::bundle_path::BundlePath;
use manifests::digest;
use manifests::format::{
    BLOCK_BYTES, ZSTD_JOB_BYTES, ZSTD_LEVEL, ZSTD_OVERLAP_LOG, header_for, padding,
};
use manifests::limits::ZSTD_WINDOW_MAX_LOG;
use manifests::reader::{Checked, Visitor, check_with};
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder;

use super::{ArchiveError, Interruptible};
use crate::assemble::SignedBundle;
use crate::assemble::Source;

/// Writes a bundle. The bytes depend on the bundle alone: level, window, job size and overlap are
/// fixed, and with at least one worker the number of workers does not show.
pub fn write(
    bundle: &SignedBundle,
    output: &mut impl Write,
    workers: u32,
) -> Result<(), ArchiveError> {
    let mut encoder = encoder(output, workers).map_err(ArchiveError::Write)?;
    let mtime = bundle.unsigned().manifest().timestamp;
    put_front(&mut encoder, bundle.front(), mtime)?;
    for content in bundle.unsigned().contents() {
        let entry = &content.entry;
        put(&mut encoder, &header_for(&entry.path, entry.size, mtime)?)?;
        match &content.source {
            Source::Bytes(bytes) => put(&mut encoder, bytes)?,
            Source::File(path) => copy(&mut encoder, path, entry)?,
        }
        pad(&mut encoder, entry.size)?;
    }
    finish(encoder)
}

/// Writes a whole bundle again behind another front: the same bytes as [`write()`] gives for it. Every
/// entry is compared with its digest once more on the way.
pub fn rewrite(
    input: impl Read,
    checked: &Checked,
    front: &[(BundlePath, Vec<u8>)],
    output: &mut impl Write,
    workers: u32,
) -> Result<(), ArchiveError> {
    let mtime = checked.manifest.timestamp;
    let mut encoder = encoder(output, workers).map_err(ArchiveError::Write)?;
    put_front(&mut encoder, front, mtime)?;
    let mut again = Again { encoder, mtime };
    let second = check_with(Interruptible(input), &mut again)?;
    if second.front.manifest != checked.front.manifest {
        return Err(ArchiveError::Replaced);
    }
    finish(again.encoder)
}

/// Writes the listed entries as they are read.
struct Again<W: Write> {
    encoder: Encoder<'static, W>,
    mtime: u64,
}

impl<W: Write> Visitor for Again<W> {
    type Error = ArchiveError;

    fn begin(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let header = header_for(&entry.path, entry.size, self.mtime)?;
        put(&mut self.encoder, &header)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        put(&mut self.encoder, bytes)
    }

    fn end(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        pad(&mut self.encoder, entry.size)
    }
}

fn put_front(
    output: &mut impl Write,
    front: &[(BundlePath, Vec<u8>)],
    mtime: u64,
) -> Result<(), ArchiveError> {
    for (path, bytes) in front {
        let size = bytes.len() as u64;
        put(output, &header_for(path, size, mtime)?)?;
        put(output, bytes)?;
        pad(output, size)?;
    }
    Ok(())
}

fn finish(mut encoder: Encoder<'_, impl Write>) -> Result<(), ArchiveError> {
    put(&mut encoder, &[0; 2 * BLOCK_BYTES])?;
    encoder.finish().map_err(ArchiveError::Write)?;
    Ok(())
}

fn encoder<W: Write>(output: W, workers: u32) -> std::io::Result<Encoder<'static, W>> {
    let mut encoder = Encoder::new(output, ZSTD_LEVEL)?;
    encoder.multithread(workers.max(1))?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(false)?;
    encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_MAX_LOG))?;
    encoder.set_parameter(CParameter::JobSize(ZSTD_JOB_BYTES))?;
    encoder.set_parameter(CParameter::OverlapSizeLog(ZSTD_OVERLAP_LOG))?;
    Ok(encoder)
}

fn put(output: &mut impl Write, bytes: &[u8]) -> Result<(), ArchiveError> {
    output.write_all(bytes).map_err(ArchiveError::Write)
}

fn pad(output: &mut impl Write, size: u64) -> Result<(), ArchiveError> {
    put(output, &[0; BLOCK_BYTES][..padding(size)])
}

/// Copies a checked file, and checks once more that it is the file that was checked.
fn copy(output: &mut impl Write, path: &Path, entry: &Entry) -> Result<(), ArchiveError> {
    let open = |source| ArchiveError::Open {
        path: path.to_owned(),
        source,
    };
    let file = Interruptible(File::open(path).map_err(open)?).take(entry.size);
    let mut reading = Reading {
        file,
        has_failed: false,
    };
    let copied = digest::copy(&mut reading, output);
    crate::interrupt::check()?;
    match copied {
        Ok(found) if found == (entry.size, entry.sha256) => Ok(()),
        Ok(_) => Err(ArchiveError::Changed(path.to_owned())),
        Err(error) if reading.has_failed => Err(open(error)),
        Err(error) => Err(ArchiveError::Write(error)),
    }
}

/// Remembers that it was the reading that failed, not the writing.
struct Reading<R> {
    file: R,
    has_failed: bool,
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file
            .read(buffer)
            .inspect_err(|error| self.has_failed = error.kind() != io::ErrorKind::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_in_which_bytes_come_do_not_show() {
        // More than two jobs, so that their borders are crossed; not compressible to nothing.
        let jobs = ZSTD_JOB_BYTES as usize * 2 + 12_345;
        let bytes: Vec<u8> = (0..jobs as u64)
            .map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0])
            .collect();
        let packed = |piece: usize, workers: u32| {
            let mut encoder = encoder(Vec::new(), workers).unwrap();
            bytes
                .chunks(piece)
                .for_each(|piece| put(&mut encoder, piece).unwrap());
            encoder.finish().unwrap()
        };
        let whole = packed(bytes.len(), 1);
        for (piece, workers) in [(256 * 1024, 2), (100_003, 1), (ZSTD_JOB_BYTES as usize, 3)] {
            assert!(packed(piece, workers) == whole, "{piece} {workers}");
        }
    }
}
