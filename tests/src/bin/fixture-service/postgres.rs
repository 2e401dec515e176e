//! A `PostgreSQL` by way of the host's `psql`.

use crate::child;
use crate::config::Config;
use crate::dsn;

const CONNECTION_FAILED: i32 = 2;

/// A database, and how to enter it.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    environment: Vec<(&'static str, String)>,
}

/// Why SQL did not run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server does not answer, or refuses the login.
    Unreachable(String),
    /// The server reports an error.
    Refused(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Unreachable(text) | Self::Refused(text)) = self;
        write!(f, "postgres: {text}")
    }
}

impl Postgres {
    /// The database of a place such as `storage.main` or `pumps.sql.meta`, if it is a `PostgreSQL`.
    pub(crate) fn from_config(config: &Config, place: &[&str]) -> Result<Option<Self>, String> {
        let word = |key: &str| config.word(&[place, &[key]].concat());
        if word("type").as_deref() != Some("postgres") {
            return Ok(None);
        }
        let text = word("connection_string")
            .or_else(|| word("write_connection_string"))
            .ok_or(format!("{}: no connection_string", place.join(".")))?;
        let mut environment = dsn::environment(&text)
            .map_err(|error| format!("{}.connection_string: {error}", place.join(".")))?;
        environment.push(("PGCONNECT_TIMEOUT", "3".to_owned()));
        environment.push(("PGOPTIONS", "-c client_min_messages=warning".to_owned()));
        Ok(Some(Self { environment }))
    }

    /// Runs statements, all of them or none, and gives the rows of the last.
    pub(crate) fn run(&self, sql: &str) -> Result<String, Failure> {
        let arguments = [
            "--no-psqlrc",
            "--no-password",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
        ];
        let ended =
            child::run("psql", &arguments, &self.environment, sql).map_err(Failure::Unreachable)?;
        match ended.code {
            Some(0) => Ok(ended.stdout),
            Some(CONNECTION_FAILED) => Err(Failure::Unreachable(ended.stderr)),
            _ => Err(Failure::Refused(ended.stderr)),
        }
    }
}
