//! In which way the stores are entered.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How Redis is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum RedisAccess {
    /// By everyone on the host.
    Plain,
    /// With the one password of `requirepass`; what is written is appended to a file at once.
    Password,
    /// As the user `tyk`, who may dump the server but not administrate it. No other user may log
    /// in.
    Acl,
    /// With the one password, and over TLS alone.
    Tls,
}

impl RedisAccess {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Password, Self::Acl, Self::Tls];
}

/// How `PostgreSQL` is entered by way of 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum PostgresAccess {
    /// `trust`: by everyone on the host.
    Plain,
    /// With a password (`scram-sha-256`).
    Password,
    /// With a password, and over TLS alone; the client checks the certificate (`verify-full`).
    Tls,
}

impl PostgresAccess {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Password, Self::Tls];
}

/// What stores are to be like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoresOptions {
    pub redis: RedisAccess,
    pub postgres: PostgresAccess,
    /// Random when `None`.
    #[serde(skip)]
    pub redis_password: Option<String>,
    /// Random when `None`.
    #[serde(skip)]
    pub postgres_password: Option<String>,
    /// Whether connection strings are URLs (`postgres://…`), not `keyword=value`.
    pub url: bool,
    /// Whether Redis appends what is written to a file (AOF). So it does with
    /// [`RedisAccess::Password`].
    pub append_only: bool,
    /// Which database of Redis the components use.
    pub redis_database: u8,
}

impl StoresOptions {
    /// Random passwords, `keyword=value`, database 0.
    #[must_use]
    pub fn new(redis: RedisAccess, postgres: PostgresAccess) -> Self {
        Self {
            redis,
            postgres,
            redis_password: None,
            postgres_password: None,
            url: false,
            append_only: redis == RedisAccess::Password,
            redis_database: 0,
        }
    }
}
