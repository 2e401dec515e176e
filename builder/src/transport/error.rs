//! What can go wrong while fetching.

use std::time::Duration;

use url::Url;

use crate::interrupt::Interrupted;

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
    /// A range that was not asked for.
    #[error("the server sent another part of the file than it was asked for")]
    WrongPart,
    /// Not the file that it was, or not the one that was expected.
    #[error("the file changed on the server while it was fetched")]
    Changed,
    /// A login that would travel unencrypted.
    #[error("the login for {0} would be sent unencrypted, over http")]
    PlainLogin(String),
    /// Not kept, and no network.
    #[error("it is not in the cache, and --offline forbids the network")]
    Offline,
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
    /// Whether another attempt, from the original address, may help. A content network answers 403,
    /// and perhaps 404, when a redirect's signature has expired.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Status(code) => matches!(code, 403 | 408 | 425 | 429 | 500..=599),
            Self::Unreachable(_)
            | Self::Silent(_)
            | Self::Truncated(_)
            | Self::RedirectedAway
            | Self::WrongPart
            | Self::Changed => true,
            _ => false,
        }
    }
}
