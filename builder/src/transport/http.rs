//! HTTP: one client, no cookies, no referer, and redirects that cannot weaken a request.

use std::error::Error as _;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use url::Url;

use super::body::watched;
use super::{Body, TransportErrorKind};

const REDIRECTS_MAX: usize = 10;

/// Makes the client at first use: a build from local files needs no TLS and no root certificates.
pub(super) fn client(silence: Duration) -> Result<reqwest::Client, String> {
    // Somebody else in the process may have installed one already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("airgap-bundle/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(silence)
        .read_timeout(silence)
        .referer(false)
        .redirect(Policy::custom(follow))
        .build()
        .map_err(|error| chain(&error))
}

/// A redirect is followed within `http(s)`, never from `https` to `http`, and not for ever.
/// `reqwest` drops authorization on the way to another host.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_https = attempt
        .previous()
        .last()
        .is_some_and(|previous| previous.scheme() == "https");
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("there are too many in a row");
    }
    match attempt.url().scheme() {
        "https" => attempt.follow(),
        "http" if !was_https => attempt.follow(),
        "http" => attempt.error("it leads from https to http"),
        _ => attempt.error("it leads away from http and https"),
    }
}

pub(super) async fn open(
    client: &reqwest::Client,
    url: &Url,
    silence: Duration,
) -> Result<Body, TransportErrorKind> {
    let request = client.get(url.clone()).send();
    let response = watched(silence, request).await?.map_err(explain)?;
    match response.status().as_u16() {
        200 => Ok(Body::from_response(response, silence)),
        300..=399 => Err(TransportErrorKind::Redirect(
            "it leads to nothing that http or https can reach".to_owned(),
        )),
        404 | 410 if response.url() != url => Err(TransportErrorKind::RedirectedAway),
        404 | 410 => Err(TransportErrorKind::NotFound),
        other => Err(TransportErrorKind::Status(other)),
    }
}

/// Sorts an error, without the address: after a redirect that is a signed one.
pub(super) fn explain(error: reqwest::Error) -> TransportErrorKind {
    let error = error.without_url();
    let text = chain(&error);
    if error.is_redirect() {
        TransportErrorKind::Redirect(innermost(&error))
    } else if error.is_connect() || error.is_timeout() {
        TransportErrorKind::Unreachable(text)
    } else {
        TransportErrorKind::Truncated(text)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    text
}
