//! A component's own configuration, and the health question and answer that follow from it. The input
//! is the configuration file, a zero byte, the environment file, a zero byte, the answer's body.
#![no_main]

use std::sync::LazyLock;

use installer::health::{judge, target};
use installer::host::ProbeAnswer;
use installer::settings::{Settings, environment_file};
use libfuzzer_sys::fuzz_target;
use manifests::product::{Health, ProductManifest, TYK};
use serde_json::Value;
use ureq::http::Uri;

static QUESTIONS: LazyLock<Vec<Health>> = LazyLock::new(|| {
    let product = ProductManifest::from_toml(TYK).unwrap();
    let components = product.components.into_iter();
    components
        .filter_map(|component| component.health)
        .collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut parts = text.splitn(3, '\0');
    let mut part = || parts.next().unwrap_or_default();
    let (config, environment, body) = (part(), part(), part());
    let (settings, notes) = Settings::read(
        environment_file(environment, 252),
        Some(("tyk.conf", config)),
    );
    let is_json = serde_json::from_str::<Value>(config).is_ok();
    assert_eq!(notes.is_empty(), is_json);
    for health in &*QUESTIONS {
        if let Ok(target) = target(&settings, health) {
            check(&target.url());
        }
        let answer = ProbeAnswer {
            status: 200,
            body: body.as_bytes().to_vec(),
        };
        if judge(&answer, health, "5.3.2").is_ok() {
            let body: Value = serde_json::from_str(body).unwrap();
            let says = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
            assert!(
                health
                    .expect
                    .iter()
                    .all(|rule| says(&rule.pointer).is_some())
            );
        }
    }
});

/// The question goes to a host and a port, and nothing in either moves it elsewhere.
fn check(url: &str) {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap();
    let (host, port) = (authority.host(), authority.port_u16().unwrap());
    assert!(port > 0);
    assert_eq!(authority.as_str(), format!("{host}:{port}"));
    let rest = uri.path_and_query().unwrap();
    let scheme = uri.scheme_str().unwrap();
    assert!(["http", "https"].contains(&scheme));
    assert_eq!(url, format!("{scheme}://{host}:{port}{rest}"));
}
