//! Asks a database's server which database it is, and who else is connected to it.

use super::super::site::Site;
use super::access::PostgresqlAccess;
use super::session::Session;
use crate::stores::clients::{ClientSession, Origin, others};
use crate::stores::here::{Addresses, address};
use crate::stores::{Others, ServerIdentity, ServerWords, StoreError};

/// The cluster's own number, from version 9.6 on. A standby has its primary's.
const SYSTEM: &str = "SELECT c.system_identifier::text || '/' || d.oid \
    FROM pg_control_system() c, pg_database d WHERE d.datname = current_database();";
/// To the microsecond. Every role may ask for it.
const STARTED: &str = "SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', \
    'YYYY-MM-DD HH24:MI:SS.US') || '/' || current_setting('port') || '/' || oid \
    FROM pg_database WHERE datname = current_database();";
/// This session first. The port of a session is -1 for a socket, and not shown to a user who may not
/// see the address. Background workers have no user; the others are told by their kind, from
/// version 10 on.
const SESSIONS: &str = "SELECT 'own', coalesce(host(inet_client_addr()), ''), \
    coalesce(host(inet_server_addr()), ''), '' \
    UNION ALL SELECT 'other', coalesce(host(a.client_addr), ''), \
    coalesce(a.client_port::text, ''), coalesce(nullif(a.application_name, ''), a.usename::text, '') \
    FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() \
    AND a.usesysid IS NOT NULL \
    AND coalesce(to_jsonb(a)->>'backend_type', 'client backend') <> 'parallel worker';";

pub(super) fn words(access: &PostgresqlAccess, site: &Site<'_>) -> ServerWords {
    let session = match Session::new(access, *site) {
        Ok(session) => session,
        Err(error) => return ServerWords::none(error.to_string()),
    };
    ServerWords {
        identity: identity(&session),
        others: sessions(&session).unwrap_or_else(|error| Others::NotKnown(error.to_string())),
    }
}

fn identity(session: &Session<'_>) -> ServerIdentity {
    let what = format!("database `{}` cannot be told apart", session.database());
    let word = |kind, sql| {
        let records = session.ask(&what, sql).ok()?;
        let word = records.first()?.first()?.clone();
        Some((kind, word))
    };
    let words = [word("system", SYSTEM), word("started", STARTED)];
    ServerIdentity(words.into_iter().flatten().collect())
}

fn sessions(session: &Session<'_>) -> Result<Others, StoreError> {
    let what = format!(
        "the sessions of database `{}` cannot be listed",
        session.database()
    );
    let records = session.ask(&what, SESSIONS)?;
    told(&records, &Addresses::of_this_host())
        .ok_or_else(|| StoreError::new(what, "the answer is not understood", "report this"))
}

fn told(records: &[Vec<String>], here: &Addresses) -> Option<Others> {
    let mut is_here = None;
    let mut sessions = Vec::new();
    for record in records {
        let [kind, host, rest, name] = record.as_slice() else {
            return None;
        };
        match kind.as_str() {
            // Through a socket, over the loopback, or from the server's own address.
            "own" => {
                let own = address(host);
                let is_loopback = own.is_some_and(|ip| ip.is_loopback());
                is_here = Some(host.is_empty() || is_loopback || own == address(rest));
            }
            _ => sessions.push(ClientSession {
                from: match (address(host), rest.as_str()) {
                    (Some(ip), _) => Origin::Address(ip),
                    (None, "-1") => Origin::Socket,
                    (None, _) => Origin::Hidden,
                },
                name: name.clone(),
            }),
        }
    }
    Some(others(&sessions, here, is_here?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(own: [&str; 2], more: &[[&str; 3]]) -> Others {
        let record = |kind: &str, words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned());
            [kind.to_owned()].into_iter().chain(words).collect()
        };
        let mut records: Vec<Vec<String>> = vec![record("own", &[own[0], own[1], ""])];
        records.extend(more.iter().map(|words| record("other", words)));
        let here = Addresses::of_texts("|-- 10.77.0.2\n/32 host LOCAL\n", "");
        told(&records, &here).unwrap()
    }

    #[test]
    fn whose_loopback_it_is_depends_on_where_the_server_runs() {
        let beside = [["127.0.0.1", "5000", "pump"], ["", "-1", "psql"]];
        for own in [
            ["", ""],
            ["127.0.0.1", "127.0.0.1"],
            ["10.77.0.2", "10.77.0.2"],
        ] {
            assert!(listed(own, &beside).are_none(), "{own:?}");
        }
        let away = listed(["10.77.0.2", "10.77.0.1"], &beside);
        let expected = "the server's own host (2 sessions: pump, psql)";
        assert_eq!(away, Others::Known(vec![expected.to_owned()]));
    }

    #[test]
    fn a_session_that_is_not_shown_counts() {
        let own = ["10.77.0.2", "10.77.0.1"];
        assert!(listed(own, &[["10.77.0.2", "5000", "dashboard"]]).are_none());
        assert!(!listed(own, &[["", "", "other_role"]]).are_none());
        assert!(told(&[], &Addresses::of_texts("", "")).is_none());
    }
}
