//! One file: from the cache, or from its address with a few attempts and a deadline.

use std::io::Write as _;
use std::time::Duration;

use backon::Retryable as _;

use super::cache::{Cache, Digests};
use super::{FailureKind, ReceivedFile, Wanted};
use crate::event::{Event, Observer};
use crate::output::OutputError;
use crate::transport::{Transport, TransportErrorKind};

/// The slowest transfer that is still worth waiting for.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;
const DEADLINE_MIN_SECS: u64 = 300;
/// How far beyond its locked size a replaced package is read, so that its digest can be shown.
const REPLACED_EXTRA_BYTES: u64 = 64 * 1024 * 1024;

pub(super) async fn obtain(
    transport: &Transport,
    cache: &Cache,
    wanted: &Wanted,
    index: usize,
    observer: &dyn Observer,
) -> Result<ReceivedFile, FailureKind> {
    let name = wanted.package.nevra.file_name();
    observer.event(&Event::DownloadStarted {
        index,
        name: &name,
        bytes: wanted.package.size,
    });
    let ended = |result: &str| observer.event(&Event::DownloadEnded { index, result });
    if let Some(file) = cache.find(wanted) {
        ended("cached");
        return Ok(file);
    }
    let result = fetch(transport, cache, wanted, index, observer).await;
    ended(if result.is_ok() { "done" } else { "failed" });
    result
}

async fn fetch(
    transport: &Transport,
    cache: &Cache,
    wanted: &Wanted,
    index: usize,
    observer: &dyn Observer,
) -> Result<ReceivedFile, FailureKind> {
    let deadline =
        Duration::from_secs(DEADLINE_MIN_SECS + wanted.package.size / BYTES_PER_SECOND_MIN);
    // Every attempt starts at the original address: a redirect may have expired.
    let attempt = || attempt(transport, cache, wanted, index, observer);
    let attempts = attempt
        .retry(transport.backoff())
        .when(|error| matches!(error, FailureKind::Fetch(kind) if kind.is_passing()))
        .notify(|error, _| {
            let reason = error.to_string();
            observer.event(&Event::DownloadRestarted {
                index,
                reason: &reason,
            });
        });
    match tokio::time::timeout(deadline, attempts).await {
        Ok(result) => result,
        Err(_) => Err(TransportErrorKind::TooSlow(deadline).into()),
    }
}

async fn attempt(
    transport: &Transport,
    cache: &Cache,
    wanted: &Wanted,
    index: usize,
    observer: &dyn Observer,
) -> Result<ReceivedFile, FailureKind> {
    let mut body = transport.open(&wanted.package.url).await?;
    let mut pending = cache.begin()?;
    let mut digests = Digests::new(wanted);
    let limit = match wanted.locked {
        Some(_) => wanted.package.size * 2 + REPLACED_EXTRA_BYTES,
        None => wanted.package.size,
    };
    while let Some(piece) = body.next().await? {
        digests.update(&piece);
        // The signed metadata bounds the file: stop at the first byte too many.
        if digests.size > limit {
            return Err(FailureKind::Size {
                expected: wanted.package.size,
                found: digests.size,
            });
        }
        let written = pending.file_mut().write_all(&piece);
        written.map_err(|source| OutputError {
            path: pending.temporary_path().to_owned(),
            source,
        })?;
        observer.event(&Event::DownloadAdvanced {
            index,
            bytes: piece.len() as u64,
        });
    }
    let (sha256, checksum, size) = digests.finish();
    // What the lock says is the sharper statement: a re-pushed package is an alarm of its own.
    if let Some(expected) = wanted.locked.filter(|expected| *expected != sha256) {
        return Err(FailureKind::Replaced {
            expected,
            found: sha256,
        });
    }
    if size != wanted.package.size {
        let expected = wanted.package.size;
        return Err(FailureKind::Size {
            expected,
            found: size,
        });
    }
    if checksum != wanted.package.checksum {
        return Err(FailureKind::Checksum {
            expected: wanted.package.checksum.clone(),
            found: checksum,
        });
    }
    let path = cache.keep(pending, wanted, &sha256)?;
    Ok(ReceivedFile { path, sha256, size })
}
