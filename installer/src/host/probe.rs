//! The HTTP request of a health check.

use std::io::Read as _;

use super::{ProbeAnswer, ProbeTarget};

/// A health answer is a few hundred bytes.
const BODY_MAX_BYTES: u64 = 1024 * 1024;

/// Sends one request. Every status is an answer; only a missing answer is an error.
pub(crate) fn ask(target: &ProbeTarget) -> Result<ProbeAnswer, String> {
    // The request goes to this host, where a service presents a certificate for its external name.
    // There is nothing to compare that with, and no secret is sent.
    let tls = ureq::tls::TlsConfig::builder()
        .disable_verification(true)
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(target.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .tls_config(tls)
        .build()
        .into();
    let mut response = agent
        .get(&target.url)
        .call()
        .map_err(|error| describe(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let reader = response.body_mut().as_reader();
    reader
        .take(BODY_MAX_BYTES)
        .read_to_end(&mut body)
        .map_err(|error| format!("its answer could not be read: {error}"))?;
    Ok(ProbeAnswer { status, body })
}

/// Describes why there was no answer, without quoting the request. Its address and path come from
/// configuration, where a mistake may have put anything.
fn describe(error: &ureq::Error) -> String {
    use ureq::Error::{
        BadUri, ConnectionFailed, HostNotFound, Http, Io, Protocol, Rustls, Timeout, Tls,
    };
    match error {
        BadUri(_) | Http(_) => {
            "the address that its configuration gives cannot be asked".to_owned()
        }
        ConnectionFailed | HostNotFound | Io(_) | Timeout(_) | Tls(_) | Rustls(_) | Protocol(_) => {
            error.to_string()
        }
        _ => "it could not be asked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_question_that_cannot_be_asked_is_not_repeated() {
        for url in [
            "http://127.0.0.1:1/canary",
            "http://canary@127.0.0.1:canary/canary",
            "http://127.0.0.1:1/a canary",
            "http://canary.invalid:1/",
            "http://[canary]:1/",
        ] {
            let target = ProbeTarget {
                url: url.to_owned(),
                timeout: Duration::from_secs(2),
            };
            let why = ask(&target).unwrap_err();
            assert!(!why.contains("canary"), "{why}");
        }
    }
}
