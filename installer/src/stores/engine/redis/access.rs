//! How a Redis is reached.

use manifests::product::RedisSettings;

use crate::stores::access::joined;
use crate::stores::discover::Look;

pub(super) use crate::stores::access::{Address, Secret, Tls};

/// What the addresses of a Redis stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisKind {
    /// One server.
    Single,
    /// The addresses are Sentinels, who know where the master is.
    Sentinel {
        /// The master's name.
        master: String,
        /// The sentinels' password.
        password: Option<Secret>,
    },
    /// A cluster.
    Cluster,
}

/// Access to Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAccess {
    /// One address, or several of a cluster or of Sentinels.
    pub addresses: Vec<Address>,
    /// What the addresses stand for.
    pub kind: RedisKind,
    /// ACL user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Number of the database that the product uses; a dump holds all of them.
    pub database: u32,
    /// TLS, if it is used.
    pub tls: Option<Tls>,
}

impl RedisAccess {
    /// Reads the settings of a component; nothing if they name no host.
    pub(in crate::stores::engine) fn of(
        look: &Look<'_>,
        settings: &RedisSettings,
    ) -> Result<Option<Self>, String> {
        let mut texts = look.list(&settings.addresses)?;
        if texts.is_empty() {
            let Some(host) = look.some(&settings.host)? else {
                return Ok(None);
            };
            let host = host.trim_matches(['[', ']']).to_owned();
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host
            };
            texts = vec![format!("{host}:{}", look.get(&settings.port)?)];
        }
        let addresses: Result<Vec<Address>, String> = texts.iter().map(|t| address(t)).collect();
        let addresses = addresses?;
        let secret = |setting| Ok::<_, String>(look.some(setting)?.map(Secret::new));
        let kind = match (
            look.some(&settings.sentinel_master)?,
            look.is_on(&settings.cluster)?,
        ) {
            (Some(master), _) => RedisKind::Sentinel {
                master,
                password: secret(&settings.sentinel_password)?,
            },
            (None, true) => RedisKind::Cluster,
            (None, false) if addresses.len() > 1 => {
                let why = "several addresses, and neither a cluster nor a master's name";
                return Err(why.to_owned());
            }
            (None, false) => RedisKind::Single,
        };
        let database = look.get(&settings.database)?;
        let database = match database.as_str() {
            "" => 0,
            text => text
                .parse()
                .map_err(|_| "the number of its database is not a number")?,
        };
        let tls = if look.is_on(&settings.tls)? {
            Some(Tls {
                ca_file: look.some(&settings.ca_file)?,
                cert_file: look.some(&settings.cert_file)?,
                key_file: look.some(&settings.key_file)?,
                insecure: look.is_on(&settings.tls_insecure)?,
            })
        } else {
            None
        };
        Ok(Some(Self {
            addresses,
            kind,
            username: look.some(&settings.username)?,
            password: secret(&settings.password)?,
            database,
            tls,
        }))
    }

    pub(super) fn endpoint(&self) -> String {
        let kind = match &self.kind {
            RedisKind::Single => String::new(),
            RedisKind::Sentinel { master, .. } => format!("{master} by sentinels "),
            RedisKind::Cluster => "cluster ".to_owned(),
        };
        format!("redis {kind}{}", joined(&self.addresses))
    }
}

/// Reads `host:port`, with the address of an IPv6 host in brackets.
fn address(text: &str) -> Result<Address, String> {
    let none = || {
        let text: String = text.chars().take(80).collect();
        format!("{text:?} is not a host and a port")
    };
    let (host, port) = text.trim().rsplit_once(':').ok_or_else(none)?;
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:%".contains(c);
    let starts_well = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':');
    let port = port.parse().ok().filter(|port| *port != 0);
    match port {
        Some(port) if starts_well && host.chars().all(is_plain) && host.len() <= 253 => {
            Ok(Address {
                host: host.to_owned(),
                port,
            })
        }
        _ => Err(none()),
    }
}
