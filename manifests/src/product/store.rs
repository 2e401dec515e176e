//! Where a component's data stores stand in its own configuration, and what an upgrade does to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ProductError, ProductManifest, Setting};

/// A data store that a component's configuration may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreRule {
    /// Our name, such as `redis`; with `each`, every store is called `<id>-<entry>`.
    pub id: String,
    /// Name for people, with what is kept there.
    pub title: String,
    /// Only where a setting has one of some values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Condition>,
    /// One store for each entry of an object of the configuration; `{each}` in pointers and variables
    /// stands for the entry's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Each>,
    /// Which kind of store it is.
    pub engine: EngineRule,
    /// Whether one without content is nothing unusual.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_empty: bool,
    /// Whether the product makes the content anew by itself: such a store is not dumped unless a
    /// migration rewrites it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache: bool,
    /// Tables or collections whose data are not dumped, by name, or by the start of a name and `*`.
    /// No migration rewrites them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Where Redis is, if it is Redis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSettings>,
    /// Where a database is, if it is `PostgreSQL` or `MongoDB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseSettings>,
}

/// A setting with one of some values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The setting.
    pub setting: Setting,
    /// The values. `true` and `false` stand for every spelling of a switch.
    pub any_of: Vec<String>,
    /// Whether the product compares the words themselves, in any case. `true` and `false` are then
    /// words like others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// The entries of an object of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// JSON pointer to the object.
    pub pointer: String,
    /// Start of the variables that add entries: the entry's name follows, up to the next `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_prefix: Option<String>,
}

/// How the kind of a store is known. A kind that stands in no list is unknown: nothing is guessed
/// from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRule {
    /// The setting that names it.
    pub setting: Setting,
    /// What its values mean.
    pub names: BTreeMap<String, Engine>,
    /// Whether the product takes the values in any case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Values that name something that holds no data worth a dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_store: Vec<String>,
    /// Values that name a store which is not dumped here, with its name for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_dumped: BTreeMap<String, String>,
    /// A second setting that decides what some of the values mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtype: Option<Box<Subtype>>,
}

/// A second setting that decides the kind of a store, for some values of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subtype {
    /// The values of the first setting for which it does.
    pub of: Vec<String>,
    /// How the kind is known then.
    pub engine: EngineRule,
}

impl EngineRule {
    /// Returns every engine that a value may mean.
    pub fn engines(&self) -> impl Iterator<Item = Engine> {
        let sub = self
            .subtype
            .iter()
            .flat_map(|sub| sub.engine.names.values());
        self.names.values().chain(sub).copied()
    }
}

/// The kinds of store that can be dumped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Redis, or Valkey.
    Redis,
    /// `PostgreSQL`.
    Postgresql,
    /// `MongoDB`.
    Mongodb,
}

impl Engine {
    /// Returns the name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgresql => "PostgreSQL",
            Self::Mongodb => "MongoDB",
        }
    }
}

/// Where Redis is and how to enter it. A switch is on with `true`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisSettings {
    /// Host name or address.
    pub host: Setting,
    /// Port.
    pub port: Setting,
    /// Several `host:port`: a list, an object of host and port, or words between commas. They come
    /// before `host`.
    pub addresses: Setting,
    /// With Sentinel: the name of the master; `addresses` are the sentinels'.
    pub sentinel_master: Setting,
    /// With Sentinel: its password.
    pub sentinel_password: Setting,
    /// ACL user.
    pub username: Setting,
    /// Password.
    pub password: Setting,
    /// Number of the database.
    pub database: Setting,
    /// Whether it is a cluster.
    pub cluster: Setting,
    /// Whether it is reached over TLS.
    pub tls: Setting,
    /// Whether its certificate is not checked.
    pub tls_insecure: Setting,
    /// File of certificates that are believed.
    pub ca_file: Setting,
    /// File of the client's certificate.
    pub cert_file: Setting,
    /// File of the client's key.
    pub key_file: Setting,
}

impl RedisSettings {
    fn all(&self) -> [&Setting; 14] {
        let Self {
            host,
            port,
            addresses,
            sentinel_master,
            sentinel_password,
            username,
            password,
            database,
            cluster,
            tls,
            tls_insecure,
            ca_file,
            cert_file,
            key_file,
        } = self;
        [
            host,
            port,
            addresses,
            sentinel_master,
            sentinel_password,
            username,
            password,
            database,
            cluster,
            tls,
            tls_insecure,
            ca_file,
            cert_file,
            key_file,
        ]
    }
}

/// Where a database is and how to enter it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// Connection string: a URL, or libpq's keywords and values.
    pub connection: Setting,
    /// Whether it is reached over TLS, where the string does not state it.
    pub tls: Setting,
    /// Whether its certificate is not checked.
    pub tls_insecure: Setting,
    /// File of certificates that are believed.
    pub ca_file: Setting,
    /// File of the client's certificate and key.
    pub pem_file: Setting,
}

impl DatabaseSettings {
    fn all(&self) -> [&Setting; 5] {
        let Self {
            connection,
            tls,
            tls_insecure,
            ca_file,
            pem_file,
        } = self;
        [connection, tls, tls_insecure, ca_file, pem_file]
    }
}

/// A version that rewrites data so that older ones cannot read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// The component that does it.
    pub component: String,
    /// The first version that does it: a change from below it to it, or above, migrates.
    pub version: String,
    /// Ids of the component's stores that it rewrites.
    pub stores: Vec<String>,
    /// What happens, for people.
    pub title: String,
}

impl StoreRule {
    /// Returns the settings that say where the store is and how to enter it.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        let redis = self.redis.iter().flat_map(RedisSettings::all);
        let database = self.database.iter().flat_map(DatabaseSettings::all);
        redis.chain(database)
    }

    pub(super) fn check(&self, component: &str) -> Result<(), ProductError> {
        let refuse = |why: &str| {
            let text = format!("component `{component}`, store `{}`: {why}", self.id);
            Err(ProductError::Inconsistent(text))
        };
        if !super::check::is_plain(&self.id) {
            return refuse("its id is not of a-z, 0-9 and -");
        }
        let has = |wanted: &[Engine]| self.engine.engines().any(|e| wanted.contains(&e));
        if self.engine.engines().next().is_none() {
            return refuse("its engine has no name");
        }
        let deeper = self.engine.subtype.as_ref();
        if deeper.is_some_and(|sub| sub.engine.subtype.is_some()) {
            return refuse("the subtype of its engine has a subtype");
        }
        if let Some(name) = self.exclude.iter().find(|name| !is_pattern(name)) {
            return refuse(&format!(
                "`exclude` has {name:?}: write a name of a-z, A-Z, 0-9, _ and -, which may end with *"
            ));
        }
        if has(&[Engine::Redis]) && self.redis.is_none() {
            return refuse("it may be Redis, and `redis` does not name its settings");
        }
        if has(&[Engine::Postgresql, Engine::Mongodb]) && self.database.is_none() {
            return refuse("it may be a database, and `database` does not name its settings");
        }
        Ok(())
    }
}

/// Whether a word can be an exclusion: a plain name, or the start of one and `*`.
fn is_pattern(word: &str) -> bool {
    let name = word.strip_suffix('*').unwrap_or(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(is_plain)
}

impl Migration {
    pub(super) fn check(&self, product: &ProductManifest) -> Result<(), ProductError> {
        let refuse = |why: String| {
            let text = format!("migration at {}: {why}", self.version);
            Err(ProductError::Inconsistent(text))
        };
        let Some(component) = product.component(&self.component) else {
            return refuse(format!("no component `{}`", self.component));
        };
        if self.stores.is_empty() {
            return refuse("it names no store".to_owned());
        }
        let known = |id: &String| component.stores.iter().any(|rule| rule.id == *id);
        match self.stores.iter().find(|id| !known(id)) {
            Some(id) => refuse(format!("`{}` has no store `{id}`", component.name)),
            None => Ok(()),
        }
    }
}
