//! Access to a database: libpq's service file without a name, and the tools that read it.
//!
//! The file holds everything about the connection, and only child processes inherit it. Arguments
//! and environments hold no secret, and nothing stays on a disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use super::super::site::Site;
use super::access::{PostgresqlAccess, Secret};
use super::error;
use crate::host::cmd::tool::Tool;
use crate::host::cmd::{CmdError, Finished, inherited_path};
use crate::secure_fs;
use crate::stores::{Limit, StoreError};

/// Root's own logins are not lent: the writer of the product's configuration chooses the server
/// that would see them. A path below a file is one where nothing is.
const NOT_ROOTS: [(&str, &str); 4] = [
    ("PGPASSFILE", "/dev/null"),
    ("PGSSLCERT", "/dev/null/none"),
    ("PGSSLKEY", "/dev/null/none"),
    ("KRB5CCNAME", "FILE:/dev/null"),
];

/// The connection that the tools get as their argument.
pub(super) const SERVICE: &str = "service=airgap-bundle";
/// The directory of the file during the moment in which it has a name: memory.
const PLACE: &str = "/run";
/// The oldest versions read no longer lines of a service file.
const LINE_MAX_BYTES: usize = 250;
/// A setting that only a session with our own options has.
pub(super) const DIRECT: &str = "airgap_bundle.direct";
const CONNECT_SECONDS: &str = "10";
const FIELD: char = '\u{1f}';
const RECORD: char = '\u{1e}';
/// Where distributions keep the trusted certificates. Go's driver looks there when it checks a
/// server's certificate and no file is named; libpq does not.
const SYSTEM_CERTIFICATES: [&str; 2] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
];
/// Parameters that an older libpq refuses in a service file but ignores as variables.
const NEWER: [(&str, &str); 12] = [
    ("channel_binding", "PGCHANNELBINDING"),
    ("gssdelegation", "PGGSSDELEGATION"),
    ("gssencmode", "PGGSSENCMODE"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("require_auth", "PGREQUIREAUTH"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslsni", "PGSSLSNI"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
];

/// Access to one database until a deadline.
pub(super) struct Session<'a> {
    access: &'a PostgresqlAccess,
    database: String,
    service: File,
    environment: Vec<(&'static str, String)>,
    site: Site<'a>,
}

impl<'a> Session<'a> {
    /// Prepares the session with the database of the access.
    pub(super) fn new(access: &'a PostgresqlAccess, site: Site<'a>) -> Result<Self, StoreError> {
        let user = access.parameters.get("user");
        let named = access.parameters.get("dbname").or(user);
        let database = named.map_or("root", String::as_str).to_owned();
        Self::made(access, database, site)
    }

    /// Prepares a session with another database of the same server, with the same deadline.
    pub(super) fn to(&self, database: &str) -> Result<Self, StoreError> {
        Self::made(self.access, database.to_owned(), self.site)
    }

    fn made(
        access: &'a PostgresqlAccess,
        database: String,
        site: Site<'a>,
    ) -> Result<Self, StoreError> {
        let mut parameters = access.parameters.clone();
        parameters.insert("dbname".to_owned(), database.clone());
        let ours = "airgap-bundle".to_owned();
        parameters.insert("application_name".to_owned(), ours);
        let seconds = parameters.entry("connect_timeout".to_owned());
        seconds.or_insert_with(|| CONNECT_SECONDS.to_owned());
        // Some versions do not know it, and it has no variable.
        parameters.remove("tcp_user_timeout");
        trust_the_system(&mut parameters);
        let mut environment: Vec<(&str, String)> = NOT_ROOTS.map(|(n, v)| (n, v.to_owned())).into();
        for (name, variable) in NEWER {
            environment.extend(parameters.remove(name).map(|value| (variable, value)));
        }
        // A session of the server itself has this option; one that a pooler lends has not.
        let options = parameters.remove("options").unwrap_or_default();
        let options = format!("{options} -c {DIRECT}=on");
        environment.push(("PGOPTIONS", options.trim_start().to_owned()));
        let password = access.password.as_ref().map(Secret::reveal);
        // A value that does not fit into a line goes where only root and the child process see it.
        let (lined, bare) = match password {
            Some(word) if fits("password", word) => (Some(word), None),
            other => (None, other),
        };
        environment.extend(bare.map(|word| ("PGPASSWORD", word.to_owned())));
        let service = secure_fs::unnamed(Path::new(PLACE), text(&parameters, lined)?.as_bytes());
        let service = service.map_err(|error| {
            StoreError::new(
                "the way to a database cannot be written down",
                error.to_string(),
                format!("make room in {PLACE}"),
            )
        })?;
        environment.push(("PGSERVICEFILE", inherited_path(&service)));
        environment.push(("PGSERVICE", ours_as_service()));
        Ok(Self {
            access,
            database,
            service,
            environment,
            site,
        })
    }

    /// Returns the name of its database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn limit(&self) -> Limit<'a> {
        self.site.left()
    }

    /// Runs a tool of the server's version and returns its output if it succeeded.
    pub(super) fn run(
        &self,
        what: &str,
        version: Option<u32>,
        tool: &Tool<'_>,
    ) -> Result<Finished, StoreError> {
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(tool.environment.iter().copied())
            .collect();
        let mut files = vec![&self.service];
        files.extend(tool.files);
        let tool = Tool {
            environment: &environment,
            files: &files,
            ..*tool
        };
        let finished = tool.run_of(version, self.limit());
        let finished = finished.map_err(|error| {
            let error = match error {
                // The message names the whole limit: the rest of it means nothing to a reader.
                CmdError::Deadline { command, .. } => CmdError::Deadline {
                    command,
                    seconds: self.site.whole_time().as_secs(),
                },
                other => other,
            };
            error::of_tool(what, tool.program, &error)
        })?;
        if finished.succeeded() {
            return Ok(finished);
        }
        Err(error::of_failure(what, &self.database, &finished))
    }

    /// Asks in one transaction and returns the records of the answers. No setting outlives the
    /// transaction: behind a pooler, another client gets the session next.
    pub(super) fn ask(&self, what: &str, sql: &str) -> Result<Vec<Vec<String>>, StoreError> {
        let output = self.said(what, &in_transaction(sql))?;
        Ok(records(&output))
    }

    /// Runs statements that no transaction may hold, such as `CREATE DATABASE`, in a session that is
    /// known to be the server's own.
    pub(super) fn change(&self, what: &str, sql: &str) -> Result<Vec<Vec<String>>, StoreError> {
        let prelude = "SET client_min_messages = warning; SET search_path = pg_catalog; \
                       SET lock_timeout = '30s';\n";
        let output = self.said(what, &format!("{prelude}{sql}"))?;
        Ok(records(&output))
    }

    /// Runs statements as they are and returns what psql prints.
    pub(super) fn said(&self, what: &str, sql: &str) -> Result<String, StoreError> {
        let input = format!("{sql}\n");
        let (field, record) = (FIELD.to_string(), RECORD.to_string());
        let args = [
            "-X",
            "-A",
            "-t",
            "-q",
            "--no-password",
            "-v",
            "ON_ERROR_STOP=1",
            "-F",
            &field,
            "-R",
            &record,
            "-d",
            SERVICE,
        ];
        let tool = Tool {
            program: "psql",
            args: &args,
            environment: &[("PGCLIENTENCODING", "UTF8")],
            input: Some(input.as_bytes()),
            ..Tool::default()
        };
        Ok(self.run(what, None, &tool)?.stdout)
    }

    /// Returns what another thread needs to run a tool over this connection.
    pub(super) fn connection(&self) -> (Vec<(&str, &str)>, &File) {
        let all = self.environment.iter();
        let all = all.map(|(name, value)| (*name, value.as_str()));
        (all.collect(), &self.service)
    }

    /// Returns the tables whose data are not dumped.
    pub(super) fn exclude(&self) -> &'a [String] {
        &self.access.exclude
    }
}

/// Wraps statements into a transaction that brings its own settings.
pub(super) fn in_transaction(sql: &str) -> String {
    format!(
        "BEGIN; SET LOCAL client_min_messages = warning; SET LOCAL search_path = pg_catalog; \
         SET LOCAL lock_timeout = '30s';\n{sql}\nCOMMIT;"
    )
}

fn records(output: &str) -> Vec<Vec<String>> {
    // Each statement's answer ends with a line break.
    let output = output.trim_end_matches('\n');
    let records = output.split(RECORD).filter(|text| !text.is_empty());
    let fields = |text: &str| text.split(FIELD).map(str::to_owned).collect();
    records.map(fields).collect()
}

fn ours_as_service() -> String {
    SERVICE.trim_start_matches("service=").to_owned()
}

fn trust_the_system(parameters: &mut BTreeMap<String, String>) {
    let mode = parameters.get("sslmode");
    if mode.is_none_or(|mode| !mode.starts_with("verify-")) {
        return;
    }
    let known = SYSTEM_CERTIFICATES
        .iter()
        .find(|path| Path::new(path).is_file());
    if let Some(known) = known {
        let file = parameters.entry("sslrootcert".to_owned());
        file.or_insert_with(|| (*known).to_owned());
    }
}

/// Whether a line of a service file can hold a value as it is: such a line has no quoting.
fn fits(name: &str, value: &str) -> bool {
    let is_space = |letter: char| letter.is_ascii_whitespace() || letter == '\u{b}';
    !value.contains(['\n', '\r', '\0'])
        && !value.ends_with(is_space)
        && name.len() + 1 + value.len() <= LINE_MAX_BYTES
}

fn text(
    parameters: &BTreeMap<String, String>,
    password: Option<&str>,
) -> Result<String, StoreError> {
    let mut text = format!("[{}]\n", ours_as_service());
    for (name, value) in parameters {
        if !fits(name, value) {
            return Err(StoreError::new(
                "a database cannot be reached",
                format!(
                    "`{name}` of its connection string is longer than {LINE_MAX_BYTES} bytes or ends \
                     with a space, which the tools of PostgreSQL cannot read"
                ),
                "shorten it in the configuration",
            ));
        }
        text += &format!("{name}={value}\n");
    }
    if let Some(password) = password {
        text += &format!("password={password}\n");
    }
    Ok(text)
}

/// Writes a text as a literal of SQL, whatever the session's settings.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Writes a name as an identifier of SQL.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_a_line_cannot_hold_are_found() {
        for word in [" leading", "with # and = and ' and \\", "ü", "[x]"] {
            assert!(fits("password", word), "{word}");
        }
        for word in ["trailing ", "two\nlines", "cr\r", &"x".repeat(250)] {
            assert!(!fits("password", word), "{word}");
        }
    }

    #[test]
    fn the_file_holds_one_group() {
        let parameters = [("host", "h"), ("dbname", "d b")];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let parameters: BTreeMap<_, _> = parameters.map(owned).into();
        let expected = "[airgap-bundle]\ndbname=d b\nhost=h\npassword= p\n";
        assert_eq!(text(&parameters, Some(" p")).unwrap(), expected);
        let odd = BTreeMap::from([owned(("user", "Zebra "))]);
        let error = text(&odd, None).unwrap_err().to_string();
        assert!(
            error.contains("`user`") && !error.contains("Zebra"),
            "{error}"
        );
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
