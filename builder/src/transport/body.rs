//! A body that arrives in pieces, from the network or a local file.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::TransportErrorKind;
use super::http::{self, Answer, Extent};
use crate::interrupt;

const PIECE_BYTES: usize = 256 * 1024;
/// How often a waiting read looks whether the user asked to stop.
const LOOK: Duration = Duration::from_millis(200);

/// An open file or response.
#[derive(Debug)]
pub(crate) struct Body {
    source: Source,
    silence: Duration,
}

#[derive(Debug)]
enum Source {
    Local(tokio::fs::File),
    Http(reqwest::Response),
}

impl Body {
    pub(super) const fn from_response(response: reqwest::Response, silence: Duration) -> Self {
        Self {
            source: Source::Http(response),
            silence,
        }
    }

    /// Returns the next piece, or nothing at the end. Drop it before the next one is asked for: its
    /// memory is used again.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, TransportErrorKind> {
        watched(self.silence, self.read()).await?
    }

    async fn read(&mut self) -> Result<Option<Bytes>, TransportErrorKind> {
        match &mut self.source {
            Source::Local(file) => {
                let mut piece = BytesMut::with_capacity(PIECE_BYTES);
                let taken = file
                    .read_buf(&mut piece)
                    .await
                    .map_err(TransportErrorKind::Local)?;
                Ok((taken > 0).then(|| piece.freeze()))
            }
            Source::Http(response) => match response.chunk().await {
                Ok(piece) => Ok(piece),
                Err(error) => Err(http::explain(error)),
            },
        }
    }
}

/// Awaits `work` with a bound, and gives up early when the user asked to stop.
pub(super) async fn watched<T>(
    silence: Duration,
    work: impl Future<Output = T>,
) -> Result<T, TransportErrorKind> {
    let work = tokio::time::timeout(silence, work);
    tokio::pin!(work);
    loop {
        interrupt::check()?;
        match tokio::time::timeout(LOOK, &mut work).await {
            Ok(Ok(result)) => return Ok(result),
            Ok(Err(_)) => return Err(TransportErrorKind::Silent(silence)),
            Err(_) => {}
        }
    }
}

/// Waits, unless the user asks to stop.
pub(crate) async fn pause(pause: Duration) -> Result<(), TransportErrorKind> {
    let bound = pause + LOOK;
    watched(bound, tokio::time::sleep(pause)).await
}

/// Opens a local file; a pipe or a device is refused.
pub(super) async fn open_local(url: &Url) -> Result<Answer, TransportErrorKind> {
    let path = url
        .to_file_path()
        .map_err(|()| TransportErrorKind::Scheme(url.to_string()))?;
    let open = async {
        if !tokio::fs::metadata(&path).await?.is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        tokio::fs::File::open(&path).await
    };
    match open.await {
        Ok(file) => Ok(Answer {
            body: Body {
                source: Source::Local(file),
                silence: Duration::from_mins(5),
            },
            extent: Extent::Whole,
            validator: None,
            place: None,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(TransportErrorKind::NotFound)
        }
        Err(error) => Err(TransportErrorKind::Local(error)),
    }
}
