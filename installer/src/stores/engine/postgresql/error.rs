//! Sorts the complaints of the tools of `PostgreSQL`, so that each has its own cure.
//!
//! Only the lines that name a failure are shown: others may hold data of the product.

use crate::host::cmd::{CmdError, Finished};
use crate::stores::StoreError;

const SHOWN_MAX_CHARS: usize = 400;
const SHOWN_MAX_LINES: usize = 3;

/// What to do where a pooler stands between the tools and the server.
pub(super) const POOLED_NEXT: &str = "let the product's configuration name the server itself for the \
    time of the upgrade, since pg_dump would leave its settings in sessions that the product gets \
    next; or dump the database yourself and give --backed-up-elsewhere NAME=REASON";

/// Words of a complaint, its cause and its cure. The first match counts.
const KNOWN: [(&[&str], &str, &str); 22] = [
    (
        &["password authentication failed", "no password supplied"],
        "the server does not take this user's password",
        "correct user and password in the product's configuration",
    ),
    (
        &["no pg_hba.conf entry"],
        "the server does not admit this user from this host",
        "add a line for it to the server's pg_hba.conf and reload the server",
    ),
    (
        &["unsupported startup parameter"],
        "a pooler of connections answers, such as PgBouncer",
        POOLED_NEXT,
    ),
    (
        &["peer authentication failed", "ident authentication failed"],
        "the server admits this user only to an operating-system user of the same name, and the \
         tools run as root",
        "give the user a password in the product's configuration, or map root to it in pg_ident.conf",
    ),
    (
        &["is not currently accepting connections"],
        "the database is closed to connections",
        "open it again: ALTER DATABASE … ALLOW_CONNECTIONS true",
    ),
    (
        &["does not support ssl"],
        "the configuration asks for TLS, and the server speaks none",
        "turn ssl on in postgresql.conf, or correct sslmode in the configuration",
    ),
    (
        &["certificate verify failed"],
        "the server's certificate is not signed by an authority that is believed",
        "name the right file in sslrootcert, or renew the server's certificate",
    ),
    (
        &["does not match host name"],
        "the server's certificate is made out for another name",
        "use the name that the certificate has, or renew the certificate",
    ),
    (
        &[
            "root certificate file",
            "could not load private key file",
            "could not read certificate file",
            "private key file",
        ],
        "a file of certificates or keys cannot be used",
        "check the files that sslrootcert, sslcert and sslkey name, and their modes",
    ),
    (
        &["ssl error", "sslv3 ", "tlsv1 "],
        "TLS with the server fails",
        "compare versions and certificates of both sides",
    ),
    (
        &["could not translate host name"],
        "the server's name is not known on this host",
        "correct the name in the configuration, or add it to /etc/hosts",
    ),
    (
        &["connection refused"],
        "nothing answers at that address and port",
        "start the server, or correct host and port in the configuration",
    ),
    (
        &[
            "timeout expired",
            "timed out",
            "no route to host",
            "network is unreachable",
        ],
        "the server cannot be reached",
        "look at the network and firewalls between this host and the server",
    ),
    (
        &["on socket", "domain socket"],
        "no server listens at that socket",
        "start the server, or correct host and port in the configuration",
    ),
    (
        &[
            "remaining connection slots",
            "too many connections",
            "too many clients",
        ],
        "the server has no connection free",
        "end idle connections, or raise max_connections",
    ),
    (
        &[
            "lock timeout",
            "due to statement timeout",
            "could not obtain lock",
            "due to lock",
        ],
        "another session holds a table locked",
        "find it in pg_locks and pg_stat_activity, wait for it or end it, then try again",
    ),
    (
        &["no space left on device", "disk full"],
        "a disk is full",
        "make room where dumps are kept, or on the server",
    ),
    (
        &[
            "terminating connection",
            "server closed the connection",
            "connection to server was lost",
            "shutting down",
            "starting up",
        ],
        "the server ended the connection",
        "look into the server's log; when it runs again, try again",
    ),
    (
        &["server version mismatch"],
        "the tools are older than the server",
        "install the package of tools of the server's version (postgresqlNN)",
    ),
    (
        &[
            "could not read from input file",
            "unexpected end of file",
            "not a valid archive",
            "corrupt",
            "found unexpected block id",
            "input file is too short",
        ],
        "the dump is damaged or cut off",
        "use another dump; look for a failing disk",
    ),
    (
        &[
            "permission denied",
            "must be owner",
            "must be member",
            "must be able to set role",
            "must be superuser",
        ],
        "the user of the configuration may not do that",
        "give it the rights that docs/stores-postgresql.md lists",
    ),
    (
        &["syntax error in service file"],
        "the tools are too old to understand the connection",
        "install tools of PostgreSQL 10 or newer",
    ),
];

/// Makes an error of a failed tool's output.
pub(super) fn of_failure(what: &str, database: &str, finished: &Finished) -> StoreError {
    let shown = shown(&finished.stderr);
    let text = shown.to_lowercase();
    let missing = |kind: &str| {
        let start = text.find(&format!("{kind} \""));
        start.is_some_and(|at| text[at..].contains("\" does not exist"))
    };
    let known = KNOWN
        .iter()
        .find(|(words, ..)| words.iter().any(|word| text.contains(word)));
    let (why, next) = match known {
        Some((_, why, next)) => ((*why).to_owned(), (*next).to_owned()),
        None if missing("role") => (
            "the server has no such user".to_owned(),
            "correct the user in the product's configuration, or create it".to_owned(),
        ),
        None if missing("database") => (
            format!("the server has no database `{database}`: the configuration points nowhere"),
            "correct the database's name in the product's configuration, or create it".to_owned(),
        ),
        None => (
            "the tool failed".to_owned(),
            "read its words above and the server's log".to_owned(),
        ),
    };
    StoreError::new(what, format!("{why} ({shown})"), next)
}

/// Makes an error of a tool that did not finish.
pub(super) fn of_tool(what: &str, program: &str, error: &CmdError) -> StoreError {
    let next = match error {
        CmdError::NotFound(_) => format!(
            "install the package that brings {program}: postgresqlNN of the server's version, or \
             postgresql of the distribution; `bundle build --tool` can carry it"
        ),
        CmdError::Deadline { .. } => {
            "see what the server is busy with, allow more time, or wait for a quieter hour"
                .to_owned()
        }
        CmdError::Stopped { .. } => "start again when ready".to_owned(),
        _ => "look into the system's log".to_owned(),
    };
    StoreError::new(what, error.to_string(), next)
}

fn shown(stderr: &str) -> String {
    let is_failure = |line: &&str| {
        [
            "error:",
            "ERROR:",
            "FATAL:",
            "PANIC:",
            "fatal:",
            "\tIs the server",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let mut lines: Vec<&str> = stderr.lines().filter(is_failure).map(str::trim).collect();
    lines.truncate(SHOWN_MAX_LINES);
    let text = if lines.is_empty() {
        "it gave no reason".to_owned()
    } else {
        lines.join(" / ")
    };
    text.chars().take(SHOWN_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(stderr: &str) -> String {
        let finished = Finished {
            command: "psql".to_owned(),
            code: Some(2),
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        of_failure("it failed", "shop", &finished).why
    }

    #[test]
    fn each_complaint_has_its_own_error_and_data_is_not_shown() {
        let start = "psql: error: connection to server at \"h\", port 1 failed: ";
        for (words, expected) in [
            (
                "FATAL:  database \"shop\" does not exist",
                "no database `shop`",
            ),
            ("FATAL:  role \"x\" does not exist", "no such user"),
            (
                "FATAL:  no pg_hba.conf entry for host \"::1\", SSL off",
                "does not admit",
            ),
            (
                "Connection refused\n\tIs the server running on that host?",
                "nothing answers",
            ),
            (
                "server does not support SSL, but SSL was required",
                "speaks none",
            ),
            ("SSL error: certificate verify failed", "not signed"),
        ] {
            let found = why(&format!("{start}{words}"));
            assert!(found.contains(expected), "{found}");
        }
        let found = why(
            "pg_restore: error: COPY failed for table \"keys\": ERROR:  duplicate key\n\
             DETAIL:  Key (k)=(Zebra) already exists.\nCONTEXT:  COPY keys, line 1: \"Zebra\"\n\
             Command was: INSERT Zebra",
        );
        assert!(
            found.contains("duplicate key") && !found.contains("Zebra"),
            "{found}"
        );
    }
}
