//! Sorts what a server refuses: each cause has its own cure, and no message repeats a secret.

use super::access::Secret;
use super::client::Server;
use crate::host::cmd::{CmdError, tail};
use crate::stores::StoreError;

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No server listens there, or the host does not exist.
    Unreachable,
    /// The server accepted the question and did not answer.
    Silent,
    /// The password is wrong or missing.
    Password,
    /// The user lacks the right.
    Rights,
    /// TLS failed.
    Tls,
    /// The server is still loading its data.
    Loading,
    /// Protected mode: the server answers only its own host.
    Protected,
    /// The server does not know the command.
    Unknown,
    /// The tool is too old.
    OldTool,
    /// The server is older than users with names.
    NoUsers,
    /// Something else.
    Other,
}

/// A question that got no answer.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    /// The error for people.
    pub(super) error: StoreError,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl Server<'_> {
    /// Makes an error of a call that did not finish.
    pub(super) fn unasked(&self, question: &str, error: &CmdError) -> Refusal {
        let (kind, why, next) = match error {
            CmdError::NotFound(program) => return missing(program),
            CmdError::Deadline { seconds, .. } => (
                Kind::Silent,
                format!("it gave no answer within {seconds} s"),
                "look whether the server is stopped or overloaded, and whether both sides agree \
                 about TLS",
            ),
            CmdError::Stopped { .. } => (
                Kind::Other,
                "the run was told to stop".to_owned(),
                "run again when you are ready",
            ),
            other => (
                Kind::Other,
                self.discreet(&crate::failure::chain(other)),
                "look at this host's messages",
            ),
        };
        self.error(kind, question, why, next)
    }

    /// Makes an error of the server's or the tool's answer.
    pub(super) fn refusal(&self, question: &str, answer: &str) -> Refusal {
        let kind = match kind_of(answer) {
            // With TLS 1.3 the client has finished the handshake before the server refuses the
            // certificate.
            Kind::Silent if self.tls.is_some() => Kind::Tls,
            kind => kind,
        };
        let text = self.discreet(&tail(answer, 2));
        let command = question.split(' ').next().unwrap_or(question);
        let user = self.username.unwrap_or("default");
        let (why, next) = match kind {
            Kind::Silent => (
                format!("it ended the conversation: {text}"),
                "look at the server's log, and whether both sides agree about TLS".to_owned(),
            ),
            Kind::Unreachable => (
                format!("it cannot be reached: {text}"),
                "start it, or correct host and port in the product's configuration".to_owned(),
            ),
            Kind::Password if self.login().is_none() => (
                "it requires a password, and the product's configuration has none".to_owned(),
                "put the password into the product's configuration".to_owned(),
            ),
            Kind::Password => (
                format!("it refuses the password of the user `{user}`"),
                "correct user and password in the product's configuration".to_owned(),
            ),
            Kind::Rights => (
                format!("the user `{user}` may not run {command}"),
                format!("give the rights of a dump: `{}`", rights(user)),
            ),
            Kind::Tls => (
                format!("TLS does not come about: {text}"),
                "compare the product's TLS settings (authority, certificate, key) with the \
                 server's; redis-cli must be 6 or newer, built with TLS"
                    .to_owned(),
            ),
            Kind::Loading => (
                "it is reading its data yet".to_owned(),
                "wait until `redis-cli INFO persistence` shows loading:0, and run again".to_owned(),
            ),
            Kind::Protected => (
                "it is in protected mode and answers only to its own host".to_owned(),
                "give it a password (requirepass), or run this on its host by 127.0.0.1".to_owned(),
            ),
            // The server's answer to an unknown login repeats the password.
            Kind::Unknown => (
                format!("it does not know the command {command}, or it was renamed"),
                "take the dump by hand as docs/stores-redis.md describes".to_owned(),
            ),
            Kind::NoUsers => (
                format!(
                    "the product's configuration names the user `{user}`, and this server, older than \
                     Redis 6, knows no users"
                ),
                "take the user name out of the product's configuration; the password alone counts there"
                    .to_owned(),
            ),
            Kind::OldTool | Kind::Other => (
                format!("it answered: {text}"),
                "look at the server's log".to_owned(),
            ),
        };
        self.error(kind, question, why, next)
    }

    /// Reports that this tool would show the password in its arguments.
    pub(super) fn too_old(&self, question: &str, own: u32, least: u32) -> Refusal {
        let why = format!(
            "redis-cli {own} takes a password of a copy only where everybody on this host could read it"
        );
        let next = format!("install redis-cli {least} or newer, and run again");
        self.error(Kind::OldTool, question, why, next)
    }

    /// Reports that the disk of the dump is full.
    pub(super) fn full(&self, question: &str) -> Refusal {
        let why = "there is no space left where the dump is written";
        let next = "make room there, and run again";
        self.error(Kind::Other, question, why, next)
    }

    fn error(
        &self,
        kind: Kind,
        question: &str,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Refusal {
        let what = format!("Redis at {} was asked for {question}", self.address);
        let error = StoreError::new(what, why, next);
        Refusal { kind, error }
    }

    /// Takes the password out of a text: a server repeats what it does not understand.
    pub(super) fn discreet(&self, text: &str) -> String {
        match self.password.map(Secret::reveal) {
            Some(word) if !word.is_empty() => text.replace(word, "(secret)"),
            _ => text.to_owned(),
        }
    }
}

/// The first words of error answers; no answer to our questions begins like this.
pub(super) const CODES: [&str; 10] = [
    "ERR",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "LOADING",
    "DENIED",
    "-DENIED",
    "MASTERDOWN",
    "NOMASTERLINK",
    "CLUSTERDOWN",
];

fn kind_of(answer: &str) -> Kind {
    let has = |texts: &[&str]| texts.iter().any(|text| answer.contains(text));
    if has(&["SSL", "certificate", "Certificate", "TLS", "'--tls'"]) {
        Kind::Tls
    } else if has(&["Could not connect"]) {
        Kind::Unreachable
    } else if has(&["NOAUTH", "WRONGPASS", "ERR invalid password"]) {
        Kind::Password
    } else if has(&["wrong number of arguments for 'auth'"]) {
        Kind::NoUsers
    } else if has(&["NOPERM"]) {
        Kind::Rights
    } else if has(&["unknown command", "unknown subcommand"]) {
        Kind::Unknown
    } else if has(&["LOADING"]) {
        Kind::Loading
    } else if has(&["DENIED"]) {
        Kind::Protected
    } else if has(&["closed the connection", "reset by peer", "I/O error"]) {
        Kind::Silent
    } else {
        Kind::Other
    }
}

/// Returns the command that gives a user what a dump needs.
fn rights(user: &str) -> String {
    format!("ACL SETUSER {user} +info +sync +replconf +config|get")
}

/// Reports a missing tool and the package that brings it.
pub(super) fn missing(program: &str) -> Refusal {
    let error = StoreError::new(
        format!("the program `{program}`"),
        "it is not installed",
        "install the package `redis` (on Debian `redis-tools`) of the server's version; \
         the server itself need not run here",
    );
    Refusal {
        kind: Kind::Other,
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_name() {
        for (answer, kind) in [
            ("WRONGPASS invalid username-password pair", Kind::Password),
            ("ERR invalid password", Kind::Password),
            ("NOAUTH Authentication required.", Kind::Password),
            ("NOPERM this user has no permissions", Kind::Rights),
            ("LOADING Redis is loading the dataset", Kind::Loading),
            (
                "-DENIED Redis is running in protected mode",
                Kind::Protected,
            ),
            ("ERR unknown command 'CONFIG'", Kind::Unknown),
            (
                "Could not connect to Redis at a:1: Connection refused",
                Kind::Unreachable,
            ),
            (
                "Could not connect to Redis at a:1: SSL_connect failed: certificate verify failed",
                Kind::Tls,
            ),
            (
                "Unrecognized option or bad number of args for: '--tls'",
                Kind::Tls,
            ),
            ("ERR max number of clients reached", Kind::Other),
            (
                "ERR wrong number of arguments for 'auth' command",
                Kind::NoUsers,
            ),
        ] {
            assert_eq!(kind_of(answer), kind, "{answer}");
        }
    }
}
