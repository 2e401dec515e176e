//! The requests that the servers got, read from their access log.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Which server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The one whose address a user knows; it redirects.
    Origin,
    /// The one that holds the bytes.
    Cdn,
}

/// One finished request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who answered.
    pub server: Server,
    /// Such as `GET`.
    pub method: String,
    /// The path as the client meant it, the same for both servers.
    pub path: String,
    /// The query, empty if there was none.
    pub query: String,
    /// What the answer's status was.
    pub status: u16,
    /// How many bytes of body were sent.
    pub body_bytes: u64,
    /// Whether the client sent credentials.
    pub authorized: bool,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The client's `Range`.
    pub range: String,
}

/// For nginx: one JSON object per line.
pub(crate) const LOG_FORMAT: &str = r#"log_format lab escape=json '{"port":"$server_port",'
    '"method":"$request_method","path":"$uri","query":"$args","status":"$status",'
    '"body_bytes":"$body_bytes_sent","authorization":"$http_authorization",'
    '"user_agent":"$http_user_agent","range":"$http_range"}';"#;

/// Reads the log. `prefix` is what the second server's paths begin with.
pub(crate) fn read(log: &Path, origin_port: u16, prefix: &str) -> Result<Vec<Request>> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    let lines = text.lines().filter(|line| line.ends_with('}'));
    lines.map(|line| parse(line, origin_port, prefix)).collect()
}

fn parse(line: &str, origin_port: u16, prefix: &str) -> Result<Request> {
    let entry: Value = serde_json::from_str(line).with_context(|| format!("bad entry {line}"))?;
    let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let server = if field("port") == origin_port.to_string() {
        Server::Origin
    } else {
        Server::Cdn
    };
    let path = field("path");
    Ok(Request {
        server,
        method: field("method"),
        path: path
            .strip_prefix(prefix)
            .map_or(path.clone(), str::to_owned),
        query: field("query"),
        status: field("status").parse()?,
        body_bytes: field("body_bytes").parse()?,
        authorized: !field("authorization").is_empty(),
        user_agent: field("user_agent"),
        range: field("range"),
    })
}
