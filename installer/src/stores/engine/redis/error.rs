//! What a server refuses, told apart: each cause has a cure of its own, and none repeats a secret.

use super::access::Secret;
use super::client::Server;
use crate::host::cmd::{CmdError, tail};
use crate::stores::StoreError;

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody listens, or there is no such host.
    Unreachable,
    /// It took the question and said nothing.
    Silent,
    /// The password, or its absence.
    Password,
    /// The user may not.
    Rights,
    /// TLS.
    Tls,
    /// It reads its data yet.
    Loading,
    /// It speaks to nobody from elsewhere.
    Protected,
    /// It does not know the command.
    Unknown,
    /// Another tool is needed.
    OldTool,
    /// Something else.
    Other,
}

/// A question without its answer.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    /// The whole story, for people.
    pub(super) error: StoreError,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        refusal.error
    }
}

impl Server<'_> {
    /// Makes an error of a call that did not come to its end.
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

    /// Makes an error of what server or tool said.
    pub(super) fn refusal(&self, question: &str, said: &str) -> Refusal {
        let kind = match kind_of(said) {
            // Since TLS 1.3 a server refuses a certificate after the client took the handshake for done.
            Kind::Silent if self.tls.is_some() => Kind::Tls,
            kind => kind,
        };
        let text = self.discreet(&tail(said, 2));
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
                "it wants a password, and the product's configuration has none".to_owned(),
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
                "wait until `redis-cli INFO persistence` says loading:0, and run again".to_owned(),
            ),
            Kind::Protected => (
                "it is in protected mode and answers only to its own host".to_owned(),
                "give it a password (requirepass), or run this on its host by 127.0.0.1".to_owned(),
            ),
            // What the server repeats of a login that it does not know is the password.
            Kind::Unknown => (
                format!("it does not know the command {command}, or it was renamed"),
                "take the dump by hand as docs/stores-redis.md says".to_owned(),
            ),
            Kind::OldTool | Kind::Other => (
                format!("it said: {text}"),
                "look at the server's log".to_owned(),
            ),
        };
        self.error(kind, question, why, next)
    }

    /// Says that the tool cannot be given a password but in its arguments.
    pub(super) fn too_old(&self, question: &str, own: u32, least: u32) -> Refusal {
        let why = format!(
            "redis-cli {own} takes a password of a copy only where everybody on this host could read it"
        );
        let next = format!("install redis-cli {least} or newer, and run again");
        self.error(Kind::OldTool, question, why, next)
    }

    /// Says that the disk of the dump is full.
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

/// What answers that are none begin with; nothing that is asked for begins so.
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

fn kind_of(said: &str) -> Kind {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&["SSL", "certificate", "Certificate", "TLS", "'--tls'"]) {
        Kind::Tls
    } else if has(&["Could not connect"]) {
        Kind::Unreachable
    } else if has(&["NOAUTH", "WRONGPASS", "ERR invalid password"]) {
        Kind::Password
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

/// Says that a tool is missing, and what brings it.
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
        for (said, kind) in [
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
        ] {
            assert_eq!(kind_of(said), kind, "{said}");
        }
    }
}
