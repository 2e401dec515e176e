//! The host's `PostgreSQL`: a cluster, who may enter it, a role and a database.

use anyhow::{Context as _, Result};

use super::certificates::{AUTHORITY, CERTIFICATE, key_of};
use super::options::PostgresAccess;
use super::{Stores, login};
use crate::isolated::{Guest, GuestCommand};

pub(super) const PORT: u16 = 5432;
pub(super) const ROLE: &str = "tyk";
pub(super) const DATABASE: &str = "tyk_analytics";
const CONFIG_MODE: u32 = 0o640;

/// Makes the host's cluster if it has none, and prints its version.
const CREATE: &str = "
set -eu
version=$(ls /usr/lib/postgresql)
[ -e /etc/postgresql/$version/main ] ||
    pg_createcluster --locale C.UTF-8 --encoding UTF8 $version main >&2
echo $version
";

pub(super) fn set_up(guest: &Guest, stores: &Stores) -> Result<()> {
    let version = guest.check(&["sh", "-c", CREATE])?;
    let version = version.trim();
    let etc = format!("/etc/postgresql/{version}/main");
    let access = stores.options.postgres;
    guest.write(format!("{etc}/conf.d/lab.conf"), config(access), 0o644)?;
    guest.write(format!("{etc}/pg_hba.conf"), rules(access), CONFIG_MODE)?;
    guest.check(&["systemctl", "daemon-reload"])?;
    guest.check(&["systemctl", "enable", "postgresql.service"])?;
    guest.check(&["systemctl", "start", "postgresql.service"])?;
    let unit = format!("postgresql@{version}-main.service");
    guest.check(&["systemctl", "restart", &unit])?;
    let psql = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"];
    guest
        .command(&psql)
        .user("postgres")
        .stdin(role(&stores.postgres_password))
        .run()?
        .ok()
        .context("no role and no database")?;
    Ok(())
}

fn config(access: PostgresAccess) -> String {
    let ssl = match access {
        PostgresAccess::Tls => format!(
            "ssl = on\nssl_cert_file = '{CERTIFICATE}'\nssl_key_file = '{}'\n",
            key_of("postgres")
        ),
        _ => "ssl = off\n".to_owned(),
    };
    format!(
        "listen_addresses = '127.0.0.1'\nport = {PORT}\npassword_encryption = 'scram-sha-256'\n{ssl}"
    )
}

/// The administrator enters by the socket, everyone else in the chosen way.
fn rules(access: PostgresAccess) -> String {
    let rule = match access {
        PostgresAccess::Plain => "host all all 127.0.0.1/32 trust",
        PostgresAccess::Password => "host all all 127.0.0.1/32 scram-sha-256",
        PostgresAccess::Tls => "hostssl all all 127.0.0.1/32 scram-sha-256",
    };
    format!("local all postgres peer\n{rule}\n")
}

fn role(password: &str) -> String {
    let password = login::in_sql(password);
    format!(
        "SELECT 'CREATE ROLE {ROLE}'
            WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') \\gexec
         ALTER ROLE {ROLE} LOGIN CREATEDB PASSWORD {password};
         SELECT 'CREATE DATABASE {DATABASE} OWNER {ROLE}'
            WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
        "
    )
}

impl Stores {
    /// How the components find the database: `user=tyk password=…`, or a URL.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let (mode, password) = match self.options.postgres {
            PostgresAccess::Plain => ("disable", None),
            PostgresAccess::Password => ("disable", Some(self.postgres_password.as_str())),
            PostgresAccess::Tls => ("verify-full", Some(self.postgres_password.as_str())),
        };
        let authority = (self.options.postgres == PostgresAccess::Tls).then_some(AUTHORITY);
        if self.options.url {
            let password = password.map(|password| format!(":{}", login::in_url(password)));
            let authority = authority.map(|file| format!("&sslrootcert={}", login::in_url(file)));
            return format!(
                "postgres://{ROLE}{}@127.0.0.1:{PORT}/{DATABASE}?sslmode={mode}{}",
                password.unwrap_or_default(),
                authority.unwrap_or_default()
            );
        }
        let password =
            password.map(|password| format!(" password={}", login::in_keywords(password)));
        let authority = authority.map(|file| format!(" sslrootcert={file}"));
        format!(
            "user={ROLE}{} database={DATABASE} host=127.0.0.1 port={PORT} sslmode={mode}{}",
            password.unwrap_or_default(),
            authority.unwrap_or_default()
        )
    }

    /// One of `PostgreSQL`'s clients; its environment names the database.
    pub fn postgres_client<'g>(&self, guest: &'g Guest, argv: &[&str]) -> GuestCommand<'g> {
        let command = guest
            .command(argv)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", &PORT.to_string())
            .env("PGUSER", ROLE)
            .env("PGDATABASE", DATABASE)
            .env("PGOPTIONS", "-c client_min_messages=warning");
        match self.options.postgres {
            PostgresAccess::Plain => command,
            PostgresAccess::Password => command.env("PGPASSWORD", &self.postgres_password),
            PostgresAccess::Tls => command
                .env("PGPASSWORD", &self.postgres_password)
                .env("PGSSLMODE", "verify-full")
                .env("PGSSLROOTCERT", AUTHORITY),
        }
    }

    /// Runs SQL as the role of the components, all of it or none, and returns the rows of the last
    /// statement, a line each.
    pub fn sql(&self, guest: &Guest, sql: &str) -> Result<String> {
        let psql = [
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
        ];
        let asked = self.postgres_client(guest, &psql).stdin(sql).run()?.ok()?;
        Ok(asked.stdout.trim_end_matches('\n').to_owned())
    }
}
