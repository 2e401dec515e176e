//! Finds the address of a component's health check in the component's own configuration.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use manifests::product::Health;

use crate::host::ProbeTarget;
use crate::settings::Settings;

/// Returns the address of a component's health check, or why its configuration has none. The
/// service can write that file, so a value must not redirect the request to another host.
pub fn target(settings: &Settings, health: &Health) -> Result<ProbeTarget, String> {
    let address = host_of(&settings.get(&health.address))?;
    let name = settings.get(&health.host_name);
    let (port, path) = (settings.get(&health.port), settings.get(&health.path));
    let port: NonZeroU16 = port.parse().map_err(|_| no_place("port", &port))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || PATH_MARKS.contains(c);
    if path.len() > PATH_MAX_BYTES || !path.chars().all(is_plain) {
        return Err(no_place("path", &path));
    }
    if !name.is_empty() && !is_name(&name) {
        return Err(no_place("host name", &name));
    }
    Ok(ProbeTarget {
        tls: settings.is_on(&health.tls)?,
        address,
        port,
        name: (!name.is_empty()).then_some(name),
        path: path.trim_start_matches('/').to_owned(),
        timeout: Duration::from_millis(health.timeout_ms),
    })
}

/// Characters that a path may contain besides letters and digits (RFC 3986), including a query.
const PATH_MARKS: &str = "-._~!$&'()*+,;=:@%/?";
/// Longest path and longest host name.
const PATH_MAX_BYTES: usize = 1024;
const HOST_MAX_BYTES: usize = 253;

/// Returns the address that a request to this host connects to.
fn host_of(listening: &str) -> Result<String, String> {
    let bare = listening
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(listening);
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Ok("127.0.0.1".to_owned()),
        Ok(ip) => Ok(ip.to_string()),
        Err(_) if is_name(listening) => Ok(listening.to_owned()),
        Err(_) => Err(no_place("address", listening)),
    }
}

fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !text.is_empty() && text.len() <= HOST_MAX_BYTES && text.chars().all(is_plain)
}

fn no_place(what: &str, found: &str) -> String {
    let found: String = found.chars().take(80).collect();
    format!("its configuration has {found:?} as its health {what}, which is not a valid {what}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use manifests::product::ProductManifest;

    use super::*;

    fn asked(file: &str) -> Result<String, String> {
        let tyk = ProductManifest::from_toml(manifests::product::TYK).unwrap();
        let gateway = tyk.component("gateway").unwrap();
        let (settings, notes) = Settings::read(BTreeMap::new(), Some(("tyk.conf", file)));
        assert_eq!(notes, [""; 0]);
        target(&settings, gateway.health.as_ref().unwrap()).map(|target| target.url())
    }

    #[test]
    fn the_address_follows_the_configuration() {
        for (address, port, url) in [
            ("0.0.0.0", "9000", "http://127.0.0.1:9000/up"),
            ("::", "1", "http://127.0.0.1:1/up"),
            ("[::1]", "9000", "http://[::1]:9000/up"),
            ("fe80::1", "9000", "http://[fe80::1]:9000/up"),
            ("10.0.0.7", "9000", "http://10.0.0.7:9000/up"),
            ("gw-1.internal", "9000", "http://gw-1.internal:9000/up"),
        ] {
            let file = format!(
                r#"{{"listen_port": {port}, "listen_address": "{address}", "health_check_endpoint_name": "/up"}}"#
            );
            assert_eq!(asked(&file).as_deref(), Ok(url));
        }
    }

    /// A name of a load balancer would have another node answer.
    #[test]
    fn a_name_is_asked_for_and_not_connected_to() {
        let tyk = ProductManifest::from_toml(manifests::product::TYK).unwrap();
        let gateway = tyk.component("gateway").unwrap();
        let file = r#"{"control_api_hostname": "gw.example", "control_api_port": 9696,
                       "listen_address": "10.0.0.7"}"#;
        let (settings, _) = Settings::read(BTreeMap::new(), Some(("tyk.conf", file)));
        let target = target(&settings, gateway.health.as_ref().unwrap()).unwrap();
        assert_eq!(target.address, "10.0.0.7");
        assert_eq!(target.name.as_deref(), Some("gw.example"));
        assert_eq!(target.url(), "http://gw.example:9696/hello");
    }

    /// A port like the first one sent the request to another host. Fuzzing found the path with `>`.
    #[test]
    fn a_configuration_without_a_valid_address_is_refused_and_shown() {
        for (key, value) in [
            ("listen_port", "9000@elsewhere.invalid:80"),
            ("listen_port", "70000"),
            ("listen_port", "-1"),
            ("listen_address", "127.0.0.1@elsewhere.invalid"),
            ("listen_address", "elsewhere.invalid/"),
            ("listen_address", "a:b"),
            ("control_api_hostname", "gw@elsewhere.invalid"),
            ("control_api_hostname", "gw\\r\\nX: y"),
            ("health_check_endpoint_name", "up now"),
            ("health_check_endpoint_name", "up>"),
            ("health_check_endpoint_name", "up\\r\\nHost: x"),
        ] {
            let why = asked(&format!(r#"{{"{key}": "{value}"}}"#)).unwrap_err();
            assert!(why.contains("which is not a valid"), "{value}: {why}");
        }
    }
}
