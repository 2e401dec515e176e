//! How a store is reached. Secrets live here and nowhere else: never in a plan, a journal, an argument
//! or a message.

mod mongodb;
mod postgresql;
mod url;

use std::collections::BTreeMap;
use std::fmt;

use manifests::product::Engine;

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
    /// File of certificates that are believed; the system's without it.
    pub ca_file: Option<String>,
    /// File of the client's certificate; of certificate and key, for `MongoDB`.
    pub cert_file: Option<String>,
    /// File of the client's key.
    pub key_file: Option<String>,
    /// Whether the server's certificate is not checked.
    pub insecure: bool,
}

/// Access to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Redis.
    Redis(RedisAccess),
    /// `PostgreSQL`.
    Postgresql(PostgresqlAccess),
    /// `MongoDB`.
    Mongodb(MongodbAccess),
}

/// How the addresses of a Redis are meant.
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
    /// One, or several of a cluster or of Sentinels.
    pub addresses: Vec<Address>,
    /// How they are meant.
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

/// Access to a `PostgreSQL` database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresqlAccess {
    /// libpq's keywords and values (`host`, `port`, `dbname`, `user`, `sslmode`, …), without passwords.
    pub parameters: BTreeMap<String, String>,
    /// Password.
    pub password: Option<Secret>,
}

/// Access to a `MongoDB` database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MongodbAccess {
    /// The whole connection string, with its password.
    pub uri: Secret,
    /// Its hosts.
    pub addresses: Vec<Address>,
    /// Its database.
    pub database: String,
    /// TLS, if the configuration asks for it beside the string.
    pub tls: Option<Tls>,
}

impl Access {
    /// Returns the kind of store.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Redis(_) => Engine::Redis,
            Self::Postgresql(_) => Engine::Postgresql,
            Self::Mongodb(_) => Engine::Mongodb,
        }
    }

    /// Returns where it is, without secrets: what a plan shows, and by which two components are known
    /// to use one store.
    #[must_use]
    pub fn endpoint(&self) -> String {
        match self {
            Self::Redis(redis) => {
                let kind = match &redis.kind {
                    RedisKind::Single => String::new(),
                    RedisKind::Sentinel { master, .. } => format!("{master} by sentinels "),
                    RedisKind::Cluster => "cluster ".to_owned(),
                };
                format!("redis {kind}{}", joined(&redis.addresses))
            }
            Self::Postgresql(access) => access.endpoint(),
            Self::Mongodb(access) => {
                format!("mongodb {}/{}", joined(&access.addresses), access.database)
            }
        }
    }
}

impl PostgresqlAccess {
    fn endpoint(&self) -> String {
        let value = |name: &str, other: &str| {
            let known = self.parameters.get(name).filter(|text| !text.is_empty());
            known.map_or_else(|| other.to_owned(), Clone::clone)
        };
        let user = value("user", "root");
        let database = value("dbname", &user);
        let (host, port) = (value("host", "/var/run/postgresql"), value("port", "5432"));
        format!("postgresql {}:{port}/{database}", canonical(&host))
    }
}

/// Names one machine in one way, as far as that can be known without asking.
fn canonical(host: &str) -> &str {
    match host {
        "localhost" | "::1" => "127.0.0.1",
        other => other,
    }
}

fn joined(addresses: &[Address]) -> String {
    let text = |address: &Address| {
        let host = canonical(&address.host).to_owned();
        Address { host, ..*address }.to_string()
    };
    let mut all: Vec<String> = addresses.iter().map(text).collect();
    all.sort();
    all.dedup();
    all.join(",")
}
