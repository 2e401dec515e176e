//! What a transport is made of.

use std::time::Duration;

use super::{Credentials, MetadataCache, Proxies};

/// How patient the transport is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest silence while connecting or between two pieces of a body.
    pub silence: Duration,
    /// Attempts for one file.
    pub attempts: usize,
    /// Pause before the second attempt; doubles from there.
    pub pause: Duration,
    /// Longest time for a small file and all its attempts; larger ones get more.
    pub deadline: Duration,
}

impl Patience {
    /// Returns the default with another limit for silence.
    #[must_use]
    pub const fn with_silence(silence: Duration) -> Self {
        Self {
            silence,
            attempts: 4,
            pause: Duration::from_millis(250),
            deadline: Duration::from_secs(300),
        }
    }
}

/// How many transfers there may be.
#[derive(Debug, Clone, Copy)]
pub struct Breadth {
    /// Files at a time.
    pub jobs: usize,
    /// Connections in all; a file gets its share of them.
    pub connections: usize,
    /// The least part of a file that gets a connection of its own.
    pub part_bytes: u64,
}

impl Breadth {
    /// Returns the defaults for so many files at a time.
    #[must_use]
    pub const fn of(jobs: usize) -> Self {
        Self {
            jobs,
            connections: 64,
            part_bytes: 1024 * 1024,
        }
    }
}

/// Whether there is a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// It may be used.
    #[default]
    Online,
    /// It may not: what is kept must do.
    Offline,
}

/// What a transport is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How patient it is.
    pub patience: Patience,
    /// How many transfers there may be.
    pub breadth: Breadth,
    /// Logins.
    pub credentials: Credentials,
    /// Proxies.
    pub proxies: Proxies,
    /// Files of certificates (PEM) that count beside the system's.
    pub authorities: Vec<Vec<u8>>,
    /// Where verified metadata are kept.
    pub kept: Option<MetadataCache>,
    /// Whether there is a network.
    pub network: Network,
}

impl Setup {
    /// Returns a setup without logins, proxies and anything kept.
    #[must_use]
    pub fn new(patience: Patience, jobs: usize) -> Self {
        Self {
            patience,
            breadth: Breadth::of(jobs),
            credentials: Credentials::default(),
            proxies: Proxies::default(),
            authorities: Vec::new(),
            kept: None,
            network: Network::Online,
        }
    }
}

/// A transport that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The system gives no threads.
    #[error("the system gives no threads: {0}")]
    Threads(std::io::Error),
    /// A file without a certificate.
    #[error("file {} of the extra certificates holds no certificate in PEM form", .0 + 1)]
    Authority(usize),
}
