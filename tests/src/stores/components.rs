//! The product's components on the stores: their configuration, and their health.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::certificates::AUTHORITY;
use super::options::RedisAccess;
use super::{Stores, redis};
use crate::isolated::Guest;

const CONFIG_MODE: u32 = 0o660;
const GATEWAY: &str = "/opt/tyk-gateway/tyk.conf";
const DASHBOARD: &str = "/opt/tyk-dashboard/tyk_analytics.conf";
const PUMP: &str = "/opt/tyk-pump/pump.conf";

/// Configuration, unit, port and path of the health check, and where the body names the stores.
const COMPONENTS: [(&str, &str, u16, &str, &str, &str); 3] = [
    (
        GATEWAY,
        "tyk-gateway.service",
        8080,
        "/hello",
        "/details/redis/status",
        "pass",
    ),
    (
        DASHBOARD,
        "tyk-dashboard.service",
        3000,
        "/hello",
        "/status",
        "ok",
    ),
    (PUMP, "tyk-pump.service", 8083, "/health", "/status", "ok"),
];

pub(super) fn configure(guest: &Guest, stores: &Stores) -> Result<()> {
    edit(guest, GATEWAY, |config| {
        set(&mut config["storage"], &redis_keys(stores, "", "ca_file"));
    })?;
    edit(guest, DASHBOARD, |config| {
        set(config, &redis_keys(stores, "redis_", "ca_file"));
        config["storage"]["main"] = database(stores);
        if let Some(config) = config.as_object_mut() {
            config.remove("mongo_url");
        }
    })?;
    edit(guest, PUMP, |config| {
        let keys = redis_keys(stores, "", "ssl_ca_file");
        set(&mut config["analytics_storage_config"], &keys);
        config["pumps"] = json!({ "sql": { "type": "sql", "meta": database(stores) } });
    })
}

fn database(stores: &Stores) -> Value {
    json!({ "type": "postgres", "connection_string": stores.connection_string() })
}

/// The settings of Redis, as each component spells them.
fn redis_keys(stores: &Stores, prefix: &str, ca_file: &str) -> Vec<(String, Value)> {
    let access = stores.options.redis;
    let user = if access == RedisAccess::Acl {
        redis::ACL_USER
    } else {
        ""
    };
    let password = match access {
        RedisAccess::Plain => "",
        _ => &stores.redis_password,
    };
    let tls = access == RedisAccess::Tls;
    let authority = if tls { AUTHORITY } else { "" };
    let keys = [
        ("host", json!("127.0.0.1")),
        ("port", json!(redis::PORT)),
        ("username", json!(user)),
        ("password", json!(password)),
        ("database", json!(stores.options.redis_database)),
        ("use_ssl", json!(tls)),
        ("ssl_insecure_skip_verify", json!(false)),
        (ca_file, json!(authority)),
    ];
    keys.map(|(key, value)| (format!("{prefix}{key}"), value))
        .into()
}

fn set(object: &mut Value, keys: &[(String, Value)]) {
    for (key, value) in keys {
        object[key] = value.clone();
    }
}

/// Changes a configuration where its component is installed; owner and mode stay.
fn edit(guest: &Guest, path: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
    if !guest.exists(path) {
        return Ok(());
    }
    let mut config: Value = serde_json::from_slice(&guest.read(path)?)
        .with_context(|| format!("{path} is not JSON"))?;
    change(&mut config);
    let text = serde_json::to_string_pretty(&config)? + "\n";
    Ok(guest.write(path, text, CONFIG_MODE)?)
}

pub(super) fn restart(guest: &Guest) -> Result<()> {
    for (config, unit, ..) in COMPONENTS {
        if guest.exists(config) {
            guest.check(&["systemctl", "reset-failed", unit])?;
            guest.check(&["systemctl", "restart", unit])?;
        }
    }
    Ok(())
}

pub(super) fn wait_until_well(guest: &Guest, deadline: Duration) -> Result<()> {
    for (config, unit, port, path, pointer, wanted) in COMPONENTS {
        if !guest.exists(config) {
            continue;
        }
        guest.wait_until(&format!("{unit} being well"), deadline, |guest| {
            let (status, body) = guest.http_get(port, path)?;
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            let said = body.pointer(pointer).and_then(Value::as_str);
            Ok(status == 200 && said == Some(wanted) && guest.unit(unit)?.is_active())
        })?;
    }
    Ok(())
}
