//! Fetching by URL: `http`, `https` and `file`.
//!
//! This room and [`crate::download`] are the only ones that know of async. Redirects are followed
//! (packagecloud redirects every file to an expiring address), but the address a file was finally
//! served from is never kept.

mod body;
mod http;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use url::Url;

use backon::{ExponentialBuilder, Retryable as _};

use crate::interrupt::Interrupted;
pub(crate) use body::Body;

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

/// The slowest transfer of metadata that is still worth waiting for.
const BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

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

/// Fetches files, a few at a time.
#[derive(Debug, Clone)]
pub struct Transport {
    runtime: Arc<Runtime>,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
    patience: Patience,
    jobs: usize,
}

/// A file to fetch into memory.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it is.
    pub url: Url,
    /// The most bytes to take.
    pub limit_bytes: u64,
}

/// A file that could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {kind}")]
pub struct TransportError {
    /// The address as asked for, never the one of a redirect.
    pub url: Box<Url>,
    /// What went wrong.
    pub kind: TransportErrorKind,
}

/// What can go wrong while fetching.
#[derive(Debug, thiserror::Error)]
pub enum TransportErrorKind {
    /// 404, 410 or no such local file.
    #[error("there is no such file")]
    NotFound,
    /// The same, at the address that a redirect led to.
    #[error("there is no such file where the server redirects to")]
    RedirectedAway,
    /// Another refusal by the server.
    #[error("the server answered {0}")]
    Status(u16),
    /// No connection.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing came for too long.
    #[error("the server fell silent for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// All in all too slow.
    #[error("it took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// The body ended early.
    #[error("the transfer broke off: {0}")]
    Truncated(String),
    /// More bytes than allowed.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// A redirect that is not followed.
    #[error("the redirect is not followed: {0}")]
    Redirect(String),
    /// Not `http`, `https` or `file`.
    #[error("`{0}` addresses are not supported")]
    Scheme(String),
    /// TLS or proxy settings that do not work.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
    /// A local file.
    #[error("it cannot be read: {0}")]
    Local(std::io::Error),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl TransportErrorKind {
    /// Whether another attempt, from the original address, may help. 403 is what a content network
    /// says when a redirect's signature has expired, and so may 404 be.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Status(code) => matches!(code, 403 | 408 | 425 | 429 | 500..=599),
            Self::Unreachable(_) | Self::Silent(_) | Self::Truncated(_) | Self::RedirectedAway => {
                true
            }
            _ => false,
        }
    }
}

impl Transport {
    /// Makes a transport with its own threads.
    pub fn new(patience: Patience, jobs: usize) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Arc::new(runtime),
            client: Arc::default(),
            patience,
            jobs: jobs.max(1),
        })
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) const fn jobs(&self) -> usize {
        self.jobs
    }

    /// Fetches small files into memory, several at a time, and returns them in order.
    #[must_use]
    pub fn fetch_all(&self, requests: Vec<Request>) -> Vec<Result<Vec<u8>, TransportError>> {
        let permits = Arc::new(Semaphore::new(self.jobs));
        let fetch = async {
            let tasks: Vec<_> = requests
                .into_iter()
                .map(|request| {
                    let (transport, permits) = (self.clone(), Arc::clone(&permits));
                    let url = Box::new(request.url.clone());
                    let task = tokio::spawn(async move {
                        let _permit = permits.acquire_owned().await;
                        transport.fetch(&request).await
                    });
                    (url, task)
                })
                .collect();
            let mut results = Vec::new();
            for (url, task) in tasks {
                results.push(task.await.unwrap_or_else(|gone| {
                    let kind = TransportErrorKind::Truncated(gone.to_string());
                    Err(TransportError { url, kind })
                }));
            }
            results
        };
        self.runtime.block_on(fetch)
    }

    /// Fetches one small file into memory.
    pub fn fetch_one(&self, request: Request) -> Result<Vec<u8>, TransportError> {
        let url = Box::new(request.url.clone());
        let kind = TransportErrorKind::NotFound;
        let mut fetched = self.fetch_all(vec![request]);
        fetched.pop().unwrap_or(Err(TransportError { url, kind }))
    }

    async fn fetch(&self, request: &Request) -> Result<Vec<u8>, TransportError> {
        let attempt = || async {
            let mut body = self.open(&request.url).await?;
            let mut bytes = Vec::new();
            while let Some(piece) = body.next().await? {
                if (bytes.len() + piece.len()) as u64 > request.limit_bytes {
                    return Err(TransportErrorKind::TooLarge(request.limit_bytes));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes)
        };
        let more = Duration::from_secs(request.limit_bytes / BYTES_PER_SECOND_MIN);
        let deadline = self.patience.deadline + more;
        let attempts = attempt
            .retry(self.backoff())
            .when(TransportErrorKind::is_passing);
        tokio::time::timeout(deadline, attempts)
            .await
            .unwrap_or(Err(TransportErrorKind::TooSlow(deadline)))
            .map_err(|kind| TransportError {
                url: Box::new(request.url.clone()),
                kind,
            })
    }

    /// Returns the pauses between attempts.
    pub(crate) fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_times(self.patience.attempts.saturating_sub(1))
    }

    /// Opens one file for reading piece by piece. One attempt.
    pub(crate) async fn open(&self, url: &Url) -> Result<Body, TransportErrorKind> {
        match url.scheme() {
            "file" => body::open_local(url).await,
            "http" | "https" => {
                let client = self
                    .client
                    .get_or_init(|| http::client(self.patience.silence));
                let client = client
                    .as_ref()
                    .map_err(|text| TransportErrorKind::Client(text.clone()))?;
                http::open(client, url, self.patience.silence).await
            }
            other => Err(TransportErrorKind::Scheme(other.to_owned())),
        }
    }
}
