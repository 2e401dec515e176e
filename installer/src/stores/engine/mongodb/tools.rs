//! `mongodump` and `mongorestore` of the database tools from version 100.3: the first version that
//! takes secrets from a file.

use std::fs::File;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use super::access::MongodbAccess;
use crate::host::cmd::tool::Tool;
use crate::host::cmd::{CmdError, Finished, inherited_path, tail};
use crate::secure_fs;
use crate::stores::{Limit, StoreError};

const PLACE: &str = "/run";
const OLDEST: (u32, u32) = (100, 3);
const CONNECT_TIME: Duration = Duration::from_secs(5);
const SHOWN_MAX_CHARS: usize = 400;

const KNOWN: [(&[&str], &str, &str); 7] = [
    (
        &[
            "authentication failed",
            "auth error",
            "unable to authenticate",
        ],
        "the server does not take this user's password",
        "correct user, password and authSource in the product's configuration",
    ),
    (
        &["not authorized", "unauthorized", "requires authentication"],
        "the user of the configuration may not do that",
        "give it the roles that docs/stores-mongodb.md lists",
    ),
    (
        // "handshake" alone is also in ordinary refusals.
        &["x509", "tls:", "certificate"],
        "TLS with the server fails",
        "compare the configuration's TLS settings and files with the server's",
    ),
    (
        &["no space left on device"],
        "a disk is full",
        "make room where dumps are kept, or on the server",
    ),
    (
        &[
            "no such host",
            "connection refused",
            "no reachable servers",
            "server selection",
            "i/o timeout",
        ],
        "the server cannot be reached",
        "start it, or correct hosts and ports in the configuration",
    ),
    (
        &[
            "corruption found in archive",
            "unexpected eof",
            "gzip: invalid",
        ],
        "the dump is damaged or cut off",
        "use another dump; look for a failing disk",
    ),
    (
        &[
            "unknown option",
            "unknown flag",
            "illegal argument combination",
            "conflict",
        ],
        "this version of the tools does not take these options",
        "install a newer mongodb-database-tools, and compare connection string and TLS settings",
    ),
];

/// Access to one database for both tools.
pub(super) struct Tools<'a> {
    access: &'a MongodbAccess,
    config: File,
    limit: Limit<'a>,
}

impl<'a> Tools<'a> {
    /// Writes the secrets to a file that only child processes read.
    pub(super) fn new(access: &'a MongodbAccess, limit: Limit<'a>) -> Result<Self, StoreError> {
        // JSON is valid YAML.
        let uri = serde_json::to_string(access.uri.reveal()).unwrap_or_default();
        let config = secure_fs::unnamed(Path::new(PLACE), format!("uri: {uri}\n").as_bytes());
        let config = config.map_err(|error| {
            StoreError::new(
                "the way to a database cannot be written down",
                error.to_string(),
                format!("make room in {PLACE}"),
            )
        })?;
        Ok(Self {
            access,
            config,
            limit,
        })
    }

    /// Runs one of the tools and returns its output if it succeeded.
    pub(super) fn run(
        &self,
        what: &str,
        program: &str,
        more: &[&str],
        files: &[&File],
        output: Option<&File>,
    ) -> Result<Finished, StoreError> {
        let config = format!("--config={}", inherited_path(&self.config));
        let encryption = encryption(self.access);
        let mut args = vec![config.as_str()];
        args.extend(encryption.iter().map(String::as_str));
        args.extend(more);
        let mut inherited = vec![&self.config];
        inherited.extend(files);
        let tool = Tool {
            program,
            args: &args,
            files: &inherited,
            output,
            ..Tool::default()
        };
        let finished = tool.run(self.limit);
        let finished = finished.map_err(|error| of_tool(what, program, &error))?;
        if finished.succeeded() {
            return Ok(finished);
        }
        Err(failed(what, &redacted(self.access, &finished.stderr)))
    }

    /// Refuses tools that are missing or cannot hide a secret.
    pub(super) fn fit(&self, program: &str) -> Result<(), StoreError> {
        let what = format!("database `{}` cannot be dumped", self.access.database);
        let tool = Tool {
            program,
            args: &["--version"],
            ..Tool::default()
        };
        let finished = tool.run(self.limit);
        let finished = finished.map_err(|error| of_tool(&what, program, &error))?;
        let version = version(&finished.stdout);
        if version.is_some_and(|version| version >= OLDEST) {
            return Ok(());
        }
        let (major, minor) = OLDEST;
        Err(StoreError::new(
            what,
            format!(
                "{program} is older than {major}.{minor}, which cannot be given a password unseen"
            ),
            carry(),
        ))
    }

    /// Checks whether any of the hosts answers: the tools themselves give up late.
    pub(super) fn reach(&self) -> Result<(), StoreError> {
        let mut reasons = Vec::new();
        for address in &self.access.addresses {
            if address.host.starts_with('/') {
                return Ok(());
            }
            let found = (address.host.as_str(), address.port).to_socket_addrs();
            let result = found.and_then(|mut all| {
                let none = || std::io::Error::other("its name has no address");
                let socket = all.next().ok_or_else(none)?;
                TcpStream::connect_timeout(&socket, CONNECT_TIME)
            });
            match result {
                Ok(_) => return Ok(()),
                Err(error) => reasons.push(format!("{address}: {error}")),
            }
        }
        reasons.truncate(3);
        Err(StoreError::new(
            format!("database `{}` cannot be looked at", self.access.database),
            format!(
                "none of its servers can be reached ({})",
                reasons.join(", ")
            ),
            "start them, or correct hosts and ports in the product's configuration",
        ))
    }
}

fn encryption(access: &MongodbAccess) -> Vec<String> {
    let Some(tls) = &access.tls else {
        return Vec::new();
    };
    let mut args = vec!["--ssl".to_owned()];
    let file =
        |name: &str, path: &Option<String>| path.as_ref().map(|path| format!("{name}={path}"));
    args.extend(file("--sslCAFile", &tls.ca_file));
    args.extend(file("--sslPEMKeyFile", &tls.cert_file));
    if tls.insecure {
        args.push("--tlsInsecure".to_owned());
    }
    args
}

fn version(printed: &str) -> Option<(u32, u32)> {
    let word = printed.lines().next()?.split_whitespace().last()?;
    let mut numbers = word.trim_start_matches(['r', 'v']).split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

fn carry() -> String {
    "install the package mongodb-database-tools; `bundle build --tool mongodb-database-tools` can carry it"
        .to_owned()
}

pub(super) fn of_tool(what: &str, program: &str, error: &CmdError) -> StoreError {
    let next = match error {
        CmdError::NotFound(_) if program == "gzip" => "install the package gzip".to_owned(),
        CmdError::NotFound(_) => carry(),
        CmdError::Deadline { .. } => {
            "see what the server is busy with, or allow more time; a replicaSet in the connection string \
             that is not the server's ends this way too"
                .to_owned()
        }
        CmdError::Stopped { .. } => "start again when ready".to_owned(),
        _ => "look into the system's log".to_owned(),
    };
    StoreError::new(what, error.to_string(), next)
}

/// Removes secrets from a tool's output.
fn redacted(access: &MongodbAccess, printed: &str) -> String {
    let uri = access.uri.reveal();
    let login = uri
        .strip_prefix("mongodb://")
        .and_then(|rest| rest.rsplit_once('@'));
    let password = login
        .and_then(|(login, _)| login.split_once(':'))
        .map(|(_, word)| word);
    let mut printed = printed.replace(uri, "(the connection string)");
    if let Some(word) = password.filter(|word| !word.is_empty()) {
        printed = printed.replace(word, "(secret)");
        let plain = access.password().filter(|plain| !plain.is_empty());
        if let Some(plain) = plain {
            printed = printed.replace(&plain, "(secret)");
        }
    }
    printed
}

fn failed(what: &str, stderr: &str) -> StoreError {
    let is_failure = |line: &&str| {
        let line = line.to_lowercase();
        ["failed", "error", "could not", "cannot", "unknown"]
            .iter()
            .any(|word| line.contains(word))
    };
    let lines: Vec<&str> = stderr.lines().filter(is_failure).collect();
    let shown: String = tail(&lines.join("\n"), 2)
        .chars()
        .take(SHOWN_MAX_CHARS)
        .collect();
    let text = shown.to_lowercase();
    let known = KNOWN
        .iter()
        .find(|(words, ..)| words.iter().any(|word| text.contains(word)));
    let (why, next) = known.map_or(
        ("the tool failed", "read the server's log"),
        |(_, why, next)| (why, next),
    );
    StoreError::new(what, format!("{why} ({shown})"), next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::access::Tls;

    fn access(uri: &str, tls: Option<Tls>) -> MongodbAccess {
        MongodbAccess::parse(uri, tls).unwrap()
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(
            version("mongodump version: 100.9.4\ngit version: x\n"),
            Some((100, 9))
        );
        assert_eq!(version("mongodump version: r4.0.28\n"), Some((4, 0)));
        assert_eq!(version(""), None);
    }

    #[test]
    fn each_complaint_of_a_tool_has_its_own_error_without_secrets() {
        let access = access("mongodb://u:Zebra%2F1@h/shop", None);
        for (text, why) in [
            (
                "Failed: can't create session: auth error: sasl conversation error: Zebra/1",
                "password",
            ),
            (
                "error parsing uri: mongodb://u:Zebra%2F1@h/shop",
                "the tool failed",
            ),
            (
                "Failed: server selection error: server selection timeout",
                "cannot be reached",
            ),
            // Fault 6: drivers name the handshake in ordinary refusals.
            (
                "Failed: can't create session: could not connect to server: server selection error: \
                 server selection timeout, current topology: { Type: Unknown, Servers: [{ Addr: h:1, \
                 Type: Unknown, Last error: connection() error occurred during connection handshake: \
                 dial tcp 127.0.0.1:1: connect: connection refused }, ] }",
                "cannot be reached",
            ),
            (
                "Failed: tls: failed to verify certificate: x509: certificate signed by unknown authority",
                "TLS with the server fails",
            ),
            (
                "Failed: (Unauthorized) not authorized on shop to execute command",
                "may not do that",
            ),
        ] {
            let error = failed("it failed", &redacted(&access, text));
            assert!(error.why.contains(why), "{error}");
            assert!(!error.why.contains("Zebra"), "{error}");
        }
    }

    /// Fault 7: the tool waits its whole time for a replica set that is not the server's.
    #[test]
    fn a_tool_that_only_waited_may_have_met_another_replica_set() {
        let error = CmdError::Deadline {
            command: "mongodump".to_owned(),
            seconds: 60,
        };
        let error = of_tool("it failed", "mongodump", &error);
        assert!(error.next.contains("replicaSet"), "{error:?}");
    }

    #[test]
    fn tls_is_asked_for() {
        let tls = Tls {
            ca_file: Some("/ca".to_owned()),
            cert_file: Some("/pem".to_owned()),
            key_file: None,
            insecure: true,
        };
        let args = encryption(&access("mongodb://h/shop", Some(tls)));
        assert_eq!(
            args,
            [
                "--ssl",
                "--sslCAFile=/ca",
                "--sslPEMKeyFile=/pem",
                "--tlsInsecure"
            ]
        );
    }
}
