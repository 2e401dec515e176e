//! HTTP: one client, no cookies, no referer, and redirects that we follow ourselves, so that a login
//! cannot leave with one.

use std::fmt;
use std::time::Duration;

use manifests::explained::chain;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, LOCATION,
    RANGE,
};
use url::Url;

use super::body::{Body, watched};
use super::credentials::{Credentials, same_origin};
use super::{Proxies, TransportErrorKind};

const REDIRECTS_MAX: usize = 10;

/// What the client is made of.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) credentials: Credentials,
    pub(super) proxies: Proxies,
    pub(super) authorities: Vec<reqwest::Certificate>,
}

impl Client {
    /// Makes the client at first use: a build from local files needs no TLS and no roots.
    pub(super) fn build(&self, silence: Duration) -> Result<reqwest::Client, String> {
        // One may be installed in the process already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("airgap-bundle/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(silence)
            .read_timeout(silence)
            .referer(false)
            // Ranges are worth it only where each has a connection of its own.
            .http1_only()
            .no_proxy()
            .tls_certs_merge(self.authorities.iter().cloned())
            .redirect(reqwest::redirect::Policy::none());
        for proxy in self
            .proxies
            .build()
            .map_err(|error| chain(&error.without_url()))?
        {
            client = client.proxy(proxy);
        }
        client.build().map_err(|error| chain(&error))
    }
}

/// The part of a file that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) first: u64,
    /// The last byte; without one, all that follow.
    pub(crate) last: Option<u64>,
    /// Only if the file still is the one that had this.
    pub(crate) validator: Option<String>,
}

/// Where a file was found after redirects: an address that expires, and that nothing prints.
#[derive(Clone)]
pub(crate) struct Place {
    url: Url,
    at_origin: bool,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// What a server sends.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The bytes.
    pub(crate) body: Body,
    /// All of the file, or some.
    pub(crate) extent: Extent,
    /// `ETag` (strong) or `Last-Modified`.
    pub(crate) validator: Option<String>,
    /// Where it was found.
    pub(crate) place: Option<Place>,
}

/// How much of a file an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// From `first` on; `total` is the size of the whole file, as the server states it.
    Part { first: u64, total: Option<u64> },
}

/// Asks for a file at its own address, or at a place found before.
pub(super) async fn open(
    client: &reqwest::Client,
    credentials: &Credentials,
    url: &Url,
    place: Option<&Place>,
    span: Option<&Span>,
    silence: Duration,
) -> Result<Answer, TransportErrorKind> {
    let mut place = place.cloned().unwrap_or_else(|| Place {
        url: url.clone(),
        at_origin: true,
    });
    for _ in 0..=REDIRECTS_MAX {
        let mut request = client.get(place.url.clone());
        // A login goes to the host it is for, and to no other: not even back by a detour.
        if let Some(login) = credentials.login_for(url)?.filter(|_| place.at_origin) {
            request = request.basic_auth(login.user.reveal(), Some(login.password.reveal()));
        }
        if let Some(span) = span {
            request = ask_for(request, span);
        }
        let response = watched(silence, request.send()).await?.map_err(explain)?;
        if !response.status().is_redirection() {
            return judge(response, place, url, span, silence);
        }
        let next = next_address(&place.url, response.headers())?;
        place.at_origin &= same_origin(url, &next);
        place.url = next;
    }
    let problem = "there are too many in a row".to_owned();
    Err(TransportErrorKind::Redirect(problem))
}

fn ask_for(request: reqwest::RequestBuilder, span: &Span) -> reqwest::RequestBuilder {
    let last = span.last.map_or(String::new(), |last| last.to_string());
    let request = request.header(RANGE, format!("bytes={}-{last}", span.first));
    match &span.validator {
        Some(validator) => request.header(IF_RANGE, validator),
        None => request,
    }
}

/// A redirect is followed within `http(s)`, never from `https` to `http`, and not for ever.
fn next_address(from: &Url, headers: &HeaderMap) -> Result<Url, TransportErrorKind> {
    let fail = |problem: &str| TransportErrorKind::Redirect(problem.to_owned());
    let location = text(headers, &LOCATION)
        .ok_or_else(|| fail("it leads to nothing that http or https can reach"))?;
    let mut next = from
        .join(location)
        .map_err(|_| fail("it leads to nothing that http or https can reach"))?;
    // A login inside a redirect's address is never used.
    if next
        .set_username("")
        .and_then(|()| next.set_password(None))
        .is_err()
    {
        return Err(fail("it leads away from http and https"));
    }
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        (_, "http") => Err(fail("it leads from https to http")),
        _ => Err(fail("it leads away from http and https")),
    }
}

fn judge(
    response: reqwest::Response,
    place: Place,
    asked: &Url,
    span: Option<&Span>,
    silence: Duration,
) -> Result<Answer, TransportErrorKind> {
    let extent = match (response.status().as_u16(), span) {
        (200, _) => Extent::Whole,
        (206, Some(span)) => part_of(response.headers(), span)?,
        (404 | 410, _) if place.url != *asked => return Err(TransportErrorKind::RedirectedAway),
        (404 | 410, _) => return Err(TransportErrorKind::NotFound),
        (other, _) => return Err(TransportErrorKind::Status(other)),
    };
    Ok(Answer {
        extent,
        validator: validator(response.headers()),
        place: Some(place),
        body: Body::from_response(response, silence),
    })
}

fn part_of(headers: &HeaderMap, span: &Span) -> Result<Extent, TransportErrorKind> {
    let wrong = || TransportErrorKind::WrongPart;
    let range = text(headers, &CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
    let (span_text, total) = range
        .and_then(|range| range.split_once('/'))
        .ok_or_else(wrong)?;
    let (first, last) = span_text.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u64, u64) = match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if last >= first => (first, last),
        _ => return Err(wrong()),
    };
    let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let is_stated = length.is_none_or(|length| length == last - first + 1);
    if first != span.first || span.last.is_some_and(|end| last > end) || !is_stated {
        return Err(wrong());
    }
    Ok(Extent::Part {
        first,
        total: total.parse().ok(),
    })
}

/// A weak tag does not identify bytes.
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, &ETAG).filter(|tag| !tag.starts_with("W/"));
    tag.or_else(|| text(headers, &LAST_MODIFIED))
        .map(str::to_owned)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Sorts an error, without the address: after a redirect that is a signed one.
pub(super) fn explain(error: reqwest::Error) -> TransportErrorKind {
    let error = error.without_url();
    let text = chain(&error);
    // Before a tunnel there is no response, only this text of the client's (`tests/sources/tunnel.rs`).
    if error.is_connect() && text.contains("proxy authorization required") {
        return TransportErrorKind::Status(407);
    }
    if error.is_connect() || error.is_timeout() {
        TransportErrorKind::Unreachable(text)
    } else {
        TransportErrorKind::Truncated(text)
    }
}
