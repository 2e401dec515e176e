//! How a store is reached. Secrets stay here: never in a plan, a journal, an argument or a message.

pub(super) mod url;

use std::fmt;

pub use manifests::secret::Secret;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Host name, or address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// TLS towards a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// File of trusted certificates; without it, the system's.
    pub ca_file: Option<String>,
    /// File of the client's certificate; for `MongoDB`, of certificate and key.
    pub cert_file: Option<String>,
    /// File of the client's key.
    pub key_file: Option<String>,
    /// Whether the server's certificate is not checked.
    pub insecure: bool,
}

/// Gives a machine one name, as far as the names alone show that they are equal.
pub(super) fn canonical(host: &str) -> &str {
    match host {
        "localhost" | "::1" => "127.0.0.1",
        other => other,
    }
}

/// Lists addresses in one order, each machine under one name.
pub(super) fn joined(addresses: &[Address]) -> String {
    let text = |address: &Address| {
        let host = canonical(&address.host).to_owned();
        Address { host, ..*address }.to_string()
    };
    let mut all: Vec<String> = addresses.iter().map(text).collect();
    all.sort();
    all.dedup();
    all.join(",")
}
