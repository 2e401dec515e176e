//! Logins for servers, and the rule of who may see them.
//!
//! A login belongs to one host and is sent to that host alone: not to where it redirects, and not
//! over plain HTTP. Nothing here can be printed.

use manifests::secret::Secret;
use url::{Host, Url};

use super::TransportErrorKind;
use super::netrc::Machine;

/// A user name and a password; packagecloud's read tokens are user names without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub(super) user: Secret,
    pub(super) password: Secret,
}

impl Login {
    /// Reads `TOKEN` or `USER:PASSWORD`; nothing if it is empty or more than one line.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let line = text.trim();
        if line.is_empty() || line.contains(char::is_control) {
            return None;
        }
        let (user, password) = line.split_once(':').unwrap_or((line, ""));
        Some(Self {
            user: Secret::new(user.to_owned()),
            password: Secret::new(password.to_owned()),
        })
    }
}

/// Whether a login may travel unencrypted to a host that is not this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Never.
    #[default]
    Refused,
    /// The user asked for it with a long flag.
    UnsafelyAllowed,
}

/// The hosts that a login is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Scheme, host and port of an address.
    Origin(Box<Url>),
    /// A host, at a port or at any.
    Host(String, Option<u16>),
}

impl Audience {
    /// Reads `HOST` or `HOST:PORT`.
    #[must_use]
    pub fn host(text: &str) -> Option<Self> {
        let url = Url::parse(&format!("https://{text}/")).ok()?;
        let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        let port = text
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let host = url.host_str().filter(|_| bare)?.to_owned();
        // Without a port it is the one of https, as with an address.
        Some(Self::Host(host, Some(port.unwrap_or(443))))
    }

    fn includes(&self, url: &Url) -> bool {
        match self {
            Self::Origin(origin) => same_origin(origin, url),
            Self::Host(host, port) => {
                url.host_str().is_some_and(|h| h.eq_ignore_ascii_case(host))
                    && port.is_none_or(|port| url.port_or_known_default() == Some(port))
            }
        }
    }
}

/// Every login of a build. The first that is meant for a host counts.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    logins: Vec<(Audience, Login)>,
    plain: PlainHttp,
}

impl Credentials {
    /// Starts without any.
    #[must_use]
    pub const fn none(plain: PlainHttp) -> Self {
        Self {
            logins: Vec::new(),
            plain,
        }
    }

    /// Adds a login.
    pub fn add(&mut self, audience: Audience, login: Login) {
        self.logins.push((audience, login));
    }

    /// Adds what a netrc holds; as with curl, its entries are for every port of their host.
    pub fn add_netrc(&mut self, machines: Vec<Machine>) {
        for Machine { host, login } in machines {
            self.add(Audience::Host(host, None), login);
        }
    }

    /// Returns the login for the server that an address names, and refuses to send it unencrypted.
    pub(super) fn login_for(&self, url: &Url) -> Result<Option<&Login>, TransportErrorKind> {
        let found = self.logins.iter().find(|(who, _)| who.includes(url));
        let Some((_, login)) = found else {
            return Ok(None);
        };
        let private = url.scheme() == "https" || is_loopback(url);
        if private || self.plain == PlainHttp::UnsafelyAllowed {
            return Ok(Some(login));
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        Err(TransportErrorKind::PlainLogin(host))
    }
}

/// Whether two addresses share scheme, host and port.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(credentials: &Credentials, url: &str) -> Option<bool> {
        let url = Url::parse(url).unwrap();
        credentials
            .login_for(&url)
            .ok()
            .map(|found| found.is_some())
    }

    #[test]
    fn a_login_is_for_its_origin_alone() {
        let mut credentials = Credentials::none(PlainHttp::Refused);
        let origin = Url::parse("https://repo.example/a/").unwrap();
        let login = Login::read("canary\n").unwrap();
        credentials.add(Audience::Origin(Box::new(origin)), login.clone());
        assert_eq!(
            holds(&credentials, "https://repo.example/other"),
            Some(true)
        );
        for other in [
            "https://repo.example:8443/",
            "http://repo.example/",
            "https://evil.example/",
            "https://repo.example.evil/",
        ] {
            assert_eq!(holds(&credentials, other), Some(false), "{other}");
        }
        credentials.add(Audience::host("mirror:8080").unwrap(), login.clone());
        assert_eq!(holds(&credentials, "https://mirror:8080/"), Some(true));
        assert_eq!(holds(&credentials, "https://mirror/"), Some(false));
        // Unencrypted it is refused, except to this machine.
        assert_eq!(holds(&credentials, "http://mirror:8080/"), None);
        credentials.add(Audience::host("127.0.0.1:81").unwrap(), login);
        assert_eq!(holds(&credentials, "http://127.0.0.1:81/"), Some(true));
        credentials.plain = PlainHttp::UnsafelyAllowed;
        assert_eq!(holds(&credentials, "http://mirror:8080/"), Some(true));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let mut credentials = Credentials::default();
        let login = Login::read("canary:canary").unwrap();
        credentials.add(Audience::host("h").unwrap(), login);
        assert!(!format!("{credentials:?}").contains("canary"));
        assert!(Login::read(" \n").is_none() && Login::read("a\nb").is_none());
        for bad in ["", "u@h", "h/path", "h:port"] {
            assert_eq!(Audience::host(bad), None, "{bad}");
        }
    }
}
