//! Fetching by URL: `http`, `https` and `file`.
//!
//! This room and [`crate::download`] are the only ones that know of async. Redirects are followed
//! (packagecloud redirects every file to an expiring address), but the address a file was finally
//! served from is never kept.

mod body;
mod credentials;
mod error;
mod http;
mod metadata_cache;
mod netrc;
mod proxies;
mod setup;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use url::Url;

use backon::{ExponentialBuilder, Retryable as _};

pub(crate) use body::{Body, pause};
pub use credentials::{Audience, Credentials, Login, PlainHttp};
pub use error::{TransportError, TransportErrorKind};
pub(crate) use http::{Answer, Extent, Place, Span};
pub use metadata_cache::MetadataCache;
pub use netrc::{Machine, NetrcError, parse as parse_netrc};
pub use proxies::{Proxies, ProxyError};
pub use setup::{Breadth, Network, Patience, Setup, SetupError};

/// The slowest transfer of metadata that is still worth waiting for.
const BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

/// Fetches files, a few at a time.
#[derive(Debug, Clone)]
pub struct Transport {
    runtime: Arc<Runtime>,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
    http: Arc<http::Client>,
    patience: Patience,
    breadth: Breadth,
    kept: Option<MetadataCache>,
    network: Network,
}

/// A file to fetch into memory.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it is.
    pub url: Url,
    /// The most bytes to take.
    pub limit_bytes: u64,
}

impl Transport {
    /// Makes a transport with its own threads.
    pub fn new(setup: Setup) -> Result<Self, SetupError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(SetupError::Threads)?;
        let mut authorities = Vec::new();
        for (at, pem) in setup.authorities.iter().enumerate() {
            match reqwest::Certificate::from_pem_bundle(pem) {
                Ok(found) if !found.is_empty() => authorities.extend(found),
                _ => return Err(SetupError::Authority(at)),
            }
        }
        Ok(Self {
            runtime: Arc::new(runtime),
            client: Arc::default(),
            http: Arc::new(http::Client {
                credentials: setup.credentials,
                proxies: setup.proxies,
                authorities,
            }),
            patience: setup.patience,
            breadth: setup.breadth,
            kept: setup.kept,
            network: setup.network,
        })
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns how many files are fetched at a time: never more than there are connections.
    pub(crate) fn jobs(&self) -> usize {
        self.breadth.jobs.min(self.breadth.connections).max(1)
    }

    pub(crate) const fn breadth(&self) -> Breadth {
        self.breadth
    }

    pub(crate) const fn network(&self) -> Network {
        self.network
    }

    /// Returns where verified metadata are kept.
    pub(crate) const fn kept(&self) -> Option<&MetadataCache> {
        self.kept.as_ref()
    }

    /// Fetches small files into memory, several at a time, and returns them in order.
    #[must_use]
    pub fn fetch_all(&self, requests: Vec<Request>) -> Vec<Result<Vec<u8>, TransportError>> {
        let permits = Arc::new(Semaphore::new(self.jobs()));
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
            let mut body = self.open(&request.url, None, None).await?.body;
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

    /// Waits, unless the user asks to stop.
    pub(crate) fn pause(&self, pause: Duration) -> Result<(), TransportErrorKind> {
        self.runtime.block_on(body::pause(pause))
    }

    /// Returns the pauses between attempts.
    pub(crate) fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(self.patience.pause)
            .with_max_times(self.patience.attempts.saturating_sub(1))
    }

    /// Opens a file, or a span of it, for reading piece by piece. One attempt; at `place`, if it was
    /// found there before.
    pub(crate) async fn open(
        &self,
        url: &Url,
        place: Option<&Place>,
        span: Option<&Span>,
    ) -> Result<Answer, TransportErrorKind> {
        match url.scheme() {
            "file" => body::open_local(url).await,
            "http" | "https" if self.network == Network::Offline => {
                Err(TransportErrorKind::Offline)
            }
            "http" | "https" => {
                let silence = self.patience.silence;
                let client = self.client.get_or_init(|| self.http.build(silence));
                let client = client
                    .as_ref()
                    .map_err(|text| TransportErrorKind::Client(text.clone()))?;
                http::open(client, &self.http.credentials, url, place, span, silence).await
            }
            other => Err(TransportErrorKind::Scheme(other.to_owned())),
        }
    }
}
