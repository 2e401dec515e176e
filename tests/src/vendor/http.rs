//! A client that does one GET and hides nothing: no redirects followed, short bodies returned.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;

/// The answer of a server.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As many bytes as came.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Fetches `http://host:port/path`.
pub fn get(url: &str) -> Result<Response> {
    request("GET", url, &[])
}

/// The same, and gives up when the server stays silent for `patience`.
pub(crate) fn get_within(url: &str, patience: Duration) -> Result<Response> {
    request_within("GET", url, &[], patience)
}

/// Fetches as basic-auth user `user` with an empty password, as packagecloud's read tokens are used.
pub fn get_as(url: &str, user: &str) -> Result<Response> {
    request("GET", url, &[("Authorization", &basic_auth(user))])
}

/// The value of an `Authorization` header.
pub(crate) fn basic_auth(user: &str) -> String {
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:"))
    )
}

/// Sends one request with the given headers.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
    request_within(method, url, headers, PATIENCE)
}

fn request_within(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    patience: Duration,
) -> Result<Response> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("{url} is not http"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream =
        TcpStream::connect(authority).with_context(|| format!("cannot reach {authority}"))?;
    stream.set_read_timeout(Some(patience))?;
    let mut head =
        format!("{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([*name, ": ", *value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("no end of {url}"))?;
    parse(&bytes).with_context(|| format!("no HTTP answer from {url}"))
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Response {
        status,
        headers,
        body: bytes[end + 4..].to_vec(),
    })
}
