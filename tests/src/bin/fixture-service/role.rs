//! The five programs: where each finds its port and path, and what it answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::behaviour::Behaviour;
use crate::config::Config;
use crate::http::Answer;
use crate::identity::Identity;
use crate::migration;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::vitals::{self, Vital};

/// How soon a service that lacks something looks again.
const SOON: Duration = Duration::from_millis(200);

/// Which program this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Gateway,
    Dashboard,
    Pump,
    /// The invented second product's server.
    Relay,
    /// The invented second product's console.
    RelayConsole,
}

impl Role {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "gateway" => Self::Gateway,
            "dashboard" => Self::Dashboard,
            "pump" => Self::Pump,
            "relay" => Self::Relay,
            "relay-console" => Self::RelayConsole,
            _ => return Err(format!("unknown role {text:?}")),
        })
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Gateway => "Tyk API Gateway",
            Self::Dashboard => "Tyk Dashboard",
            Self::Pump => "Tyk Pump",
            Self::Relay => "Acme relayd",
            Self::RelayConsole => "Acme relay-console",
        }
    }

    pub(crate) fn environment_prefix(self) -> &'static str {
        match self {
            Self::Gateway => "TYK_GW_",
            Self::Dashboard => "TYK_DB_",
            Self::Pump => "TYK_PMP_",
            Self::Relay | Self::RelayConsole => "RELAY_",
        }
    }

    /// The port of the health check.
    pub(crate) fn port(self, config: &Config) -> Result<u16, String> {
        let (path, default): (&[&str], u16) = match self {
            Self::Gateway => (&["listen_port"], 8080),
            Self::Dashboard => (&["listen_port"], 3000),
            Self::Pump => (&["health_check_endpoint_port"], 8083),
            Self::Relay => (&["listen", "port"], 9191),
            Self::RelayConsole => (&["http", "port"], 9292),
        };
        // The gateway may answer its control API on a port of its own.
        if self == Self::Gateway
            && let Some(port) = config
                .number(&["control_api_port"])?
                .filter(|&port: &u16| port != 0)
        {
            return Ok(port);
        }
        Ok(config.number(path)?.unwrap_or(default))
    }

    /// The path of the health check.
    fn endpoint(self, config: &Config) -> String {
        let name = match self {
            Self::Gateway | Self::Dashboard => config
                .word(&["health_check_endpoint_name"])
                .unwrap_or("hello".to_owned()),
            Self::Pump => config
                .word(&["health_check_endpoint_name"])
                .unwrap_or("health".to_owned()),
            Self::Relay => "healthz".to_owned(),
            Self::RelayConsole => "status".to_owned(),
        };
        format!("/{}", name.trim_start_matches('/'))
    }
}

/// The dashboard's flat redis keys.
pub(crate) fn dashboard_redis(config: &Config) -> Result<Option<Redis>, String> {
    Redis::from_config(config, |key| {
        vec![match key {
            "host" => "redis_host",
            "port" => "redis_port",
            "username" => "redis_username",
            "password" => "redis_password",
            "use_ssl" => "redis_use_ssl",
            "ca_file" => "redis_ca_file",
            "ssl_insecure_skip_verify" => "redis_ssl_insecure_skip_verify",
            _ => "redis_database",
        }]
    })
}

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) behaviour: Behaviour,
    pub(crate) identity: Identity,
    endpoint: String,
    started: Instant,
    vitals: Mutex<Vec<Vital>>,
}

impl Service {
    pub(crate) fn new(identity: Identity, behaviour: Behaviour, config: &Config) -> Self {
        Self {
            behaviour,
            endpoint: identity.role.endpoint(config),
            identity,
            started: Instant::now(),
            vitals: Mutex::new(Vec::new()),
        }
    }

    /// A dashboard with a database looks for its stores before it answers for the first time. It is
    /// ill until it has reached the database once.
    pub(crate) fn look_first(&self, config: &Config, migrated: bool) {
        let is_dashboard = self.identity.role == Role::Dashboard;
        if !is_dashboard || config.word(migration::ENGINE).is_none() {
            return;
        }
        self.note(if migrated {
            dashboards_systems(config)
        } else {
            let failure = Err("not reached yet".to_owned());
            vec![Vital::new("database", "datastore", failure)]
        });
    }

    /// Looks at the systems of the gateway or dashboard every `liveness_check.check_duration`
    /// nanoseconds, the first time after one such wait; one second unless the configuration sets it
    /// otherwise. A migration that had to wait for its database is tried again each time.
    pub(crate) fn watch_stores(self: &Arc<Self>, config: Config, mut migrated: bool) {
        let look = match self.identity.role {
            Role::Gateway => gateways_systems,
            Role::Dashboard => dashboards_systems,
            _ => return,
        };
        let service = Arc::clone(self);
        std::thread::spawn(move || {
            let wait = check_duration(&config);
            loop {
                let waits = migrated && !service.lacks_something();
                std::thread::sleep(if waits { wait } else { wait.min(SOON) });
                if !migrated {
                    let identity = &service.identity;
                    match migration::run(identity.role, &identity.version, &config) {
                        Ok(done) => migrated = done,
                        Err(error) => {
                            eprintln!("{error}");
                            std::process::exit(1);
                        }
                    }
                }
                if migrated {
                    service.note(look(&config));
                }
            }
        });
    }

    fn note(&self, found: Vec<Vital>) {
        *self.vitals.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn lacks_something(&self) -> bool {
        let vitals = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
        vitals.iter().any(|vital| vital.failure.is_some())
    }

    pub(crate) fn answer(&self, method: &str, path: &str) -> Answer {
        if path != self.endpoint {
            return Answer {
                status: "404 Not Found",
                body: r#"{"error":"not found"}"#.to_owned(),
            };
        }
        if method != "GET" {
            let body = r#"{"status":"error","message":"Method Not Allowed"}"#.to_owned();
            return Answer {
                status: "405 Method Not Allowed",
                body,
            };
        }
        let ill = self.is_ill();
        let status = match self.behaviour {
            Behaviour::Fail503 => "503 Service Unavailable",
            _ => "200 OK",
        };
        Answer {
            status,
            body: self.body(ill),
        }
    }

    fn is_ill(&self) -> bool {
        match self.behaviour {
            Behaviour::Fail200 | Behaviour::Fail503 => true,
            Behaviour::Flapping { secs } => self.started.elapsed().as_secs() / secs.max(1) % 2 == 1,
            _ => false,
        }
    }

    fn body(&self, ill: bool) -> String {
        let version = match &self.behaviour {
            Behaviour::WrongVersion { version } => version,
            _ => &self.identity.version,
        };
        match self.identity.role {
            Role::Gateway => self.gateway_body(ill, version),
            Role::Dashboard | Role::Pump => {
                let ill = ill || self.identity.role == Role::Dashboard && self.lacks_something();
                format!(r#"{{"status":"{}"}}"#, if ill { "error" } else { "ok" })
            }
            Role::Relay | Role::RelayConsole => {
                let state = if ill { "down" } else { "up" };
                format!(r#"{{"state":"{state}","build":"{version}"}}"#)
            }
        }
    }

    fn gateway_body(&self, ill: bool, version: &str) -> String {
        let mut vitals = self
            .vitals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if ill {
            for vital in &mut vitals {
                vital.failure =
                    Some("storage: Redis is either down or ws not configured".to_owned());
            }
        }
        let status = if ill {
            "fail"
        } else {
            vitals::verdict(&vitals)
        };
        format!(
            "{{\"status\":\"{status}\",\"version\":\"{version}\",\"description\":\"Tyk GW\"{}}}",
            vitals::details(&vitals)
        )
    }
}

fn check_duration(config: &Config) -> Duration {
    let nanos = config
        .number(&["liveness_check", "check_duration"])
        .ok()
        .flatten();
    Duration::from_nanos(nanos.filter(|&nanos| nanos > 0).unwrap_or(1_000_000_000))
}

/// The redis and the `PostgreSQL` of the dashboard, as far as its configuration names them.
fn dashboards_systems(config: &Config) -> Vec<Vital> {
    let redis = dashboard_redis(config).transpose();
    let redis = redis.map(|redis| redis.and_then(|redis| redis.ping()));
    let database = Postgres::from_config(config, migration::PLACE).transpose();
    let database = database.map(|database| {
        let asked = database?.run("SELECT 1;");
        asked.map(drop).map_err(|error| error.to_string())
    });
    let systems = [("redis", redis), ("database", database)];
    let named = systems
        .into_iter()
        .filter_map(|(name, found)| Some(Vital::new(name, "datastore", found?)));
    named.collect()
}

fn gateways_systems(config: &Config) -> Vec<Vital> {
    let redis = Redis::from_config(config, |key| vec!["storage", key])
        .and_then(|redis| redis.ok_or("no storage.host in the configuration".to_owned()))
        .and_then(|redis| redis.ping());
    let mut vitals = vec![Vital::new("redis", "datastore", redis)];
    if config.flag(&["use_db_app_configs"]) {
        let url = config
            .word(&["db_app_conf_options", "connection_string"])
            .unwrap_or_default();
        vitals.push(Vital::new("dashboard", "system", vitals::reach(&url)));
    }
    vitals
}
