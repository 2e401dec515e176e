//! Proxies, as the environment names them for curl.

use manifests::secret::Secret;
use reqwest::{NoProxy, Proxy};
use url::Url;

/// The proxies of a build. Their addresses may hold passwords and are never shown.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Secret>,
    https: Option<Secret>,
    except: Option<String>,
}

/// A proxy that cannot be used. Its address is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct ProxyError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Proxies {
    /// Reads the variables that curl reads, in either case; lower case wins.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let first = |names: [&'static str; 2]| {
            let set = names
                .into_iter()
                .find_map(|name| Some((name, variable(name)?)));
            set.filter(|(_, value)| !value.trim().is_empty())
        };
        let all = first(["all_proxy", "ALL_PROXY"]);
        let read = |names| {
            first(names)
                .or_else(|| all.clone())
                .map(address)
                .transpose()
        };
        Ok(Self {
            http: read(["http_proxy", "HTTP_PROXY"])?,
            https: read(["https_proxy", "HTTPS_PROXY"])?,
            except: first(["no_proxy", "NO_PROXY"]).map(|(_, value)| value),
        })
    }

    /// Returns them in the client's form.
    pub(super) fn build(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        let except = || self.except.as_deref().and_then(NoProxy::from_string);
        let mut proxies = Vec::new();
        if let Some(address) = &self.http {
            proxies.push(Proxy::http(address.reveal())?.no_proxy(except()));
        }
        if let Some(address) = &self.https {
            proxies.push(Proxy::https(address.reveal())?.no_proxy(except()));
        }
        Ok(proxies)
    }
}

fn address((variable, value): (&'static str, String)) -> Result<Secret, ProxyError> {
    let fail = |problem| ProxyError { variable, problem };
    let value = value.trim();
    let whole = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    let url = Url::parse(&whole).map_err(|_| fail("does not hold an address"))?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(Secret::new(url)),
        "http" | "https" => Err(fail("names no host")),
        _ => Err(fail("names a proxy that is neither http nor https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<[Option<String>; 3], ProxyError> {
        let variable = |name: &str| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let Proxies {
            http,
            https,
            except,
        } = Proxies::from_environment(variable)?;
        let shown = |secret: Option<Secret>| secret.map(|s| s.reveal().to_owned());
        Ok([shown(http), shown(https), except])
    }

    #[test]
    fn variables_are_read_as_curl_reads_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(&[]), Ok([None, None, None]));
        let pairs = [
            ("HTTP_PROXY", "p:3128"),
            ("http_proxy", "q:1"),
            ("NO_PROXY", "a,.b"),
        ];
        assert_eq!(read(&pairs), Ok([some("http://q:1/"), None, some("a,.b")]));
        let pairs = [
            ("ALL_PROXY", "http://u:pw@p:1"),
            ("https_proxy", "https://s:2"),
        ];
        let expected = [some("http://u:pw@p:1/"), some("https://s:2/"), None];
        assert_eq!(read(&pairs), Ok(expected));
        // An empty one switches off.
        assert_eq!(
            read(&[("http_proxy", ""), ("HTTP_PROXY", "p")]),
            Ok([None, None, None])
        );
    }

    #[test]
    fn errors_do_not_repeat_the_address() {
        for bad in [
            "socks5://u:canary@h",
            "http://u:canary@",
            "http://u:canary@h:notaport",
        ] {
            let error = read(&[("ALL_PROXY", bad)]).unwrap_err();
            assert!(!error.to_string().contains("canary") && error.variable == "ALL_PROXY");
        }
        let proxies = Proxies {
            http: Some(Secret::new("http://u:canary@h".to_owned())),
            ..Proxies::default()
        };
        assert!(!format!("{proxies:?}").contains("canary"));
    }
}
