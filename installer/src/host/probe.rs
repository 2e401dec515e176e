//! The HTTP request of a health check.

mod words;

use std::io::Read as _;
use std::net::ToSocketAddrs as _;
use std::num::NonZeroU16;
use std::sync::mpsc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Where a health check goes and what it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// Whether it is asked over TLS.
    pub tls: bool,
    /// The address to connect to: an IP address, or a name that this host resolves.
    pub address: String,
    /// The port to connect to.
    pub port: NonZeroU16,
    /// The name to ask for (`Host`, and SNI over TLS), where it is not the address.
    pub name: Option<String>,
    /// The path, without the leading slash.
    pub path: String,
    /// Longest time.
    pub timeout: Duration,
}

impl ProbeTarget {
    /// Returns the address of the request. The connection goes to [`Self::address`] all the same.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let host = self.name.as_ref().unwrap_or(&self.address);
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.clone()
        };
        format!("{scheme}://{host}:{}/{}", self.port, self.path)
    }
}

/// The answer of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, up to a limit.
    pub body: Vec<u8>,
}

/// A health answer is a few hundred bytes.
const BODY_MAX_BYTES: u64 = 1024 * 1024;

/// Sends one request. Every status is an answer; only a missing answer is an error.
pub(crate) fn ask(target: &ProbeTarget) -> Result<ProbeAnswer, String> {
    // The request goes to this host, where a service presents a certificate for its external name.
    // There is nothing to compare that with, and no secret is sent.
    let tls = ureq::tls::TlsConfig::builder()
        .disable_verification(true)
        .build();
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(target.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .tls_config(tls)
        .build();
    let place = Place {
        address: target.address.clone(),
        port: target.port.get(),
    };
    let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), place);
    let described = |error: &ureq::Error| words::of(error, target.timeout);
    let mut response = agent
        .get(target.url())
        .call()
        .map_err(|error| described(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let reader = response.body_mut().as_reader();
    reader
        .take(BODY_MAX_BYTES)
        .read_to_end(&mut body)
        .map_err(|error| {
            let error = ureq::Error::from(error);
            format!("its answer broke off: {}", described(&error))
        })?;
    Ok(ProbeAnswer { status, body })
}

/// Where a connection goes, whatever name the request asks for.
#[derive(Debug)]
struct Place {
    address: String,
    port: u16,
}

impl Resolver for Place {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let place = (self.address.clone(), self.port);
        let (send, receive) = mpsc::sync_channel(1);
        // A name server may not answer; the thread then ends by itself, later.
        std::thread::spawn(move || {
            let found = place.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let _ = send.send(found);
        });
        let found = match receive.recv_timeout(*timeout.after) {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Vec::new(),
            Err(_) => return Err(ureq::Error::Timeout(timeout.reason)),
        };
        let mut addresses = self.empty();
        for address in found {
            if addresses.try_push(address).is_err() {
                break;
            }
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    fn target(address: &str, port: u16) -> ProbeTarget {
        ProbeTarget {
            tls: false,
            address: address.to_owned(),
            port: NonZeroU16::new(port).unwrap(),
            name: None,
            path: "canary".to_owned(),
            timeout: Duration::from_secs(2),
        }
    }

    /// Accepts one connection, answers it, and returns what was asked.
    fn serve(answer: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        (address, served)
    }

    #[test]
    fn a_question_that_cannot_be_asked_is_not_repeated() {
        for (address, path) in [
            ("127.0.0.1", "canary"),
            ("canary@127.0.0.1", "canary"),
            ("127.0.0.1", "a canary"),
            ("canary.invalid", ""),
            ("canary:", ""),
        ] {
            let target = ProbeTarget {
                path: path.to_owned(),
                ..target(address, 1)
            };
            let why = ask(&target).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
    }

    /// The name may belong to a load balancer: it must not decide who is asked.
    #[test]
    fn the_connection_goes_to_the_address_and_the_name_is_only_sent() {
        let (address, served) = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        let target = ProbeTarget {
            name: Some("control.elsewhere.invalid".to_owned()),
            ..target("127.0.0.1", address.port())
        };
        let answer = ask(&target).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{}"[..]));
        let asked = served.join().unwrap().to_lowercase();
        let host = format!("host: control.elsewhere.invalid:{}", address.port());
        assert!(asked.contains(&host), "{asked}");
    }

    #[test]
    fn each_cause_has_words_of_its_own() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let why = |target: &ProbeTarget| ask(target).unwrap_err();
        assert_eq!(
            why(&target("127.0.0.1", port)),
            "it refuses connections: nothing listens there"
        );
        assert_eq!(
            why(&target("canary.invalid", 1)),
            "this host cannot resolve the name of its listen address"
        );
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let short = ProbeTarget {
            timeout: Duration::from_secs(1),
            ..target("127.0.0.1", silent.local_addr().unwrap().port())
        };
        assert_eq!(why(&short), "it did not answer within 1 s");
        let broken = |answer| {
            let (address, served) = serve(answer);
            let why = why(&target("127.0.0.1", address.port()));
            served.join().unwrap();
            why
        };
        assert_eq!(broken(b""), "it closed the connection without an answer");
        assert_eq!(broken(b"220 mail\r\n\r\n"), "its answer is not HTTP");
        let cut = broken(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}");
        assert!(cut.starts_with("its answer broke off: "), "{cut}");
    }
}
