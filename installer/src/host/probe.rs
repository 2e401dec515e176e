//! The HTTP question of a health check.

use std::io::Read as _;

use super::{ProbeAnswer, ProbeTarget};

/// A health answer is a few hundred bytes.
const BODY_MAX_BYTES: u64 = 1024 * 1024;

/// Asks once. Every status is an answer; only silence is an error.
pub(crate) fn ask(target: &ProbeTarget) -> Result<ProbeAnswer, String> {
    // The question goes to this very host, where a service shows a certificate for the outside
    // name: there is nothing to compare it with, and no secret is sent.
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
        .map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let reader = response.body_mut().as_reader();
    reader
        .take(BODY_MAX_BYTES)
        .read_to_end(&mut body)
        .map_err(|error| error.to_string())?;
    Ok(ProbeAnswer { status, body })
}
