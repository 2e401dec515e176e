//! One file: from the cache, or from its address with a few attempts and a deadline.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder as _;
use manifests::digest::Sha256;

use super::cache::{Cache, Digests};
use super::transfer::{Order, Transfer};
use super::{FailureKind, ReceivedFile, Wanted};
use crate::checksum::Checksum;
use crate::event::{Event, Observer};
use crate::output::{OutputError, Resumable};
use crate::transport::{Network, Transport, TransportErrorKind, pause};

/// The slowest transfer that is still worth waiting for.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;
const DEADLINE_MIN_SECS: u64 = 300;
/// How far beyond its locked size a replaced package is read, so that its digest can be shown.
const REPLACED_EXTRA_BYTES: u64 = 64 * 1024 * 1024;
/// No server is asked for one file over more connections than this.
const CONNECTIONS_PER_FILE_MAX: usize = 16;
/// How often to look whether another build has finished a file.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What all files of a build share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) transport: Transport,
    pub(super) cache: Cache,
    pub(super) observer: Arc<dyn Observer>,
    /// How many files there are.
    pub(super) files: usize,
}

pub(super) async fn obtain(
    shared: &Shared,
    wanted: &Wanted,
    index: usize,
) -> Result<ReceivedFile, FailureKind> {
    let name = wanted.package.nevra.file_name();
    let observer = &shared.observer;
    observer.event(&Event::DownloadStarted {
        index,
        name: &name,
        bytes: wanted.package.size,
    });
    let ended = |result: &str| observer.event(&Event::DownloadEnded { index, result });
    if let Some(file) = shared.cache.find(wanted) {
        ended("cached");
        return Ok(file);
    }
    let deadline =
        Duration::from_secs(DEADLINE_MIN_SECS + wanted.package.size / BYTES_PER_SECOND_MIN);
    let result = match tokio::time::timeout(deadline, fetch(shared, wanted, index)).await {
        Ok(result) => result,
        Err(_) => Err(TransportErrorKind::TooSlow(deadline).into()),
    };
    ended(if result.is_ok() { "done" } else { "failed" });
    result
}

async fn fetch(
    shared: &Shared,
    wanted: &Wanted,
    index: usize,
) -> Result<ReceivedFile, FailureKind> {
    let url = &wanted.package.url;
    if shared.transport.network() == Network::Offline && url.scheme() != "file" {
        return Err(TransportErrorKind::Offline.into());
    }
    let unfinished = match alone(shared, wanted).await? {
        Turn::Ours(unfinished) => unfinished,
        Turn::Finished(file) => return Ok(file),
    };
    let transfer = Transfer::take_up(
        shared.transport.clone(),
        order(shared, wanted, index),
        unfinished,
        Arc::clone(&shared.observer),
    )?;
    let result = attempts(shared, wanted, index, &transfer).await;
    let Some(unfinished) = transfer.into_unfinished() else {
        let lost = "a connection outlived its transfer".to_owned();
        return Err(TransportErrorKind::Truncated(lost).into());
    };
    match result {
        Ok(sha256) => {
            let path = shared.cache.keep(unfinished, wanted, &sha256)?;
            Ok(ReceivedFile { path, sha256 })
        }
        // What broke off may be taken up; what is wrong is not kept.
        Err(kind) => {
            if !matches!(kind, FailureKind::Fetch(_)) || unfinished.note().is_none() {
                unfinished.remove()?;
            }
            Err(kind)
        }
    }
}

enum Turn {
    Ours(Resumable),
    Finished(ReceivedFile),
}

/// Waits until no other build fetches the same file; often it is there then.
async fn alone(shared: &Shared, wanted: &Wanted) -> Result<Turn, FailureKind> {
    loop {
        let unfinished = shared.cache.unfinished(wanted)?;
        if let Some(file) = shared.cache.find(wanted) {
            if let Some(unfinished) = unfinished {
                unfinished.remove()?;
            }
            return Ok(Turn::Finished(file));
        }
        match unfinished {
            Some(unfinished) => return Ok(Turn::Ours(unfinished)),
            None => pause(LOOK_AGAIN).await?,
        }
    }
}

fn order(shared: &Shared, wanted: &Wanted, index: usize) -> Order {
    let (breadth, size) = (shared.transport.breadth(), wanted.package.size);
    let at_once = shared.transport.jobs().min(shared.files).max(1);
    let share = (breadth.connections / at_once).clamp(1, CONNECTIONS_PER_FILE_MAX);
    let least_part = breadth.part_bytes.max(1);
    Order {
        url: wanted.package.url.clone(),
        size,
        limit: match wanted.locked {
            Some(_) => size.saturating_mul(2).saturating_add(REPLACED_EXTRA_BYTES),
            None => size,
        },
        connections: (size / least_part).clamp(1, share as u64),
        least_part,
        index,
    }
}

/// Every attempt starts at the file's own address: a redirect may have expired. They are counted
/// anew whenever one came further than all before it.
async fn attempts(
    shared: &Shared,
    wanted: &Wanted,
    index: usize,
    transfer: &Arc<Transfer>,
) -> Result<Sha256, FailureKind> {
    let again = |reason: &FailureKind| {
        let reason = reason.to_string();
        let reason = &reason;
        shared
            .observer
            .event(&Event::DownloadRestarted { index, reason });
        transfer.report_position();
    };
    let mut pauses = shared.transport.backoff().build();
    let mut furthest = 0;
    loop {
        let failure = match transfer.attempt().await {
            Ok(length) => match judge(transfer, wanted, length).await {
                // The pieces do not fit together, or an old one was damaged: once more in one piece.
                Err(kind) if kind.is_about_bytes() && transfer.is_pieced() => {
                    transfer.start_plain()?;
                    again(&kind);
                    continue;
                }
                other => return other,
            },
            Err(kind) if kind.is_passing() => kind,
            Err(kind) => return Err(kind),
        };
        if transfer.done_bytes() > furthest {
            furthest = transfer.done_bytes();
            pauses = shared.transport.backoff().build();
        }
        let Some(wait) = pauses.next() else {
            return Err(failure);
        };
        pause(wait).await?;
        again(&failure);
    }
}

/// Reads the file in order and compares it with the metadata and the lock.
async fn judge(transfer: &Transfer, wanted: &Wanted, length: u64) -> Result<Sha256, FailureKind> {
    if length == 0 && wanted.package.size > 0 {
        return Err(FailureKind::Empty);
    }
    let (file, digests) = (transfer.file(), Digests::new(wanted));
    let hashed = tokio::task::spawn_blocking(move || hash(&file, digests, length)).await;
    let (sha256, checksum, size) = hashed
        .map_err(|gone| TransportErrorKind::Truncated(gone.to_string()))?
        .map_err(|source| {
            let path = wanted.package.nevra.file_name().into();
            OutputError { path, source }
        })?;
    let (expected, found) = (wanted.package.size, size);
    // The lock's digest is the sharper statement: a re-pushed package is an alarm of its own.
    if let Some(expected) = wanted.locked.filter(|expected| *expected != sha256) {
        let found = sha256;
        return Err(FailureKind::Replaced { expected, found });
    }
    if found != expected {
        return Err(FailureKind::Size { expected, found });
    }
    if checksum != wanted.package.checksum {
        return Err(FailureKind::Checksum {
            expected: wanted.package.checksum.clone(),
            found: checksum,
        });
    }
    Ok(sha256)
}

fn hash(
    file: &File,
    mut digests: Digests,
    length: u64,
) -> std::io::Result<(Sha256, Checksum, u64)> {
    let mut buffer = vec![0; 256 * 1024];
    while digests.size < length {
        match file.read_at(&mut buffer, digests.size)? {
            0 => break,
            taken => digests.update(&buffer[..taken]),
        }
    }
    Ok(digests.finish())
}
