//! What a server says of itself, and of the other hosts that use it.
//!
//! Two names may be one server, and one server may serve other hosts: only its own words tell.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::here::Addresses;

/// The other hosts that use a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Others {
    /// Each with its sessions, for people. An empty list means that no other host is connected.
    Known(Vec<String>),
    /// They are not known, for this reason.
    NotKnown(String),
}

impl Others {
    /// Whether no other host is connected, and that is known.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        matches!(self, Self::Known(list) if list.is_empty())
    }
}

/// The words of a server by which it is known again: the kind of word and the word, strongest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerIdentity(pub Vec<(&'static str, String)>);

impl ServerIdentity {
    /// Whether two stores are one. Nothing if they say nothing that can be compared.
    #[must_use]
    pub fn is(&self, other: &Self) -> Option<bool> {
        self.0.iter().find_map(|(kind, word)| {
            let mut words = other.0.iter();
            let (_, same) = words.find(|(known, _)| known == kind)?;
            Some(same == word)
        })
    }
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerWords {
    /// Which store it is.
    pub identity: ServerIdentity,
    /// Who else uses it.
    pub others: Others,
}

impl ServerWords {
    /// Of a server that cannot be asked.
    #[must_use]
    pub fn none(why: impl Into<String>) -> Self {
        Self {
            identity: ServerIdentity::default(),
            others: Others::NotKnown(why.into()),
        }
    }
}

/// Where a session comes from, as its server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An address.
    Address(IpAddr),
    /// A socket on the server's own host.
    Socket,
    /// The server does not show it to this user.
    Hidden,
}

/// A session of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientSession {
    pub(super) from: Origin,
    /// What the client says it is; may be empty.
    pub(super) name: String,
}

/// Lists the hosts of the sessions that are not of this host. `is_here` tells whether the server
/// runs on this host: then its own loopback is this host's.
pub(super) fn others(sessions: &[ClientSession], here: &Addresses, is_here: bool) -> Others {
    let mut hosts: BTreeMap<String, (u32, Vec<&str>)> = BTreeMap::new();
    for session in sessions {
        let host = match session.from {
            Origin::Address(ip) if ip.is_loopback() && is_here => continue,
            Origin::Address(ip) if here.has(ip) => continue,
            Origin::Socket if is_here => continue,
            Origin::Address(ip) if ip.is_loopback() => "the server's own host".to_owned(),
            Origin::Socket => "the server's own host".to_owned(),
            Origin::Address(ip) => ip.to_string(),
            Origin::Hidden => "an address that this user may not see".to_owned(),
        };
        let (count, names) = hosts.entry(host).or_default();
        *count += 1;
        if !session.name.is_empty() && !names.contains(&session.name.as_str()) {
            names.push(&session.name);
        }
    }
    let shown = |(host, (count, names)): (String, (u32, Vec<&str>))| {
        let sessions = if count == 1 { "session" } else { "sessions" };
        let names: Vec<String> = names
            .iter()
            .take(NAMES_SHOWN)
            .map(|name| plain(name))
            .collect();
        if names.is_empty() {
            format!("{host} ({count} {sessions})")
        } else {
            format!("{host} ({count} {sessions}: {})", names.join(", "))
        }
    };
    Others::Known(hosts.into_iter().map(shown).collect())
}

const NAMES_SHOWN: usize = 4;

/// A client chooses its name itself.
fn plain(name: &str) -> String {
    let shown = name.chars().filter(|letter| !letter.is_control());
    shown.take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(from: &str, name: &str) -> ClientSession {
        let from = match from {
            "socket" => Origin::Socket,
            "hidden" => Origin::Hidden,
            address => Origin::Address(address.parse().unwrap()),
        };
        ClientSession {
            from,
            name: name.to_owned(),
        }
    }

    fn here() -> Addresses {
        Addresses::of_texts("     |-- 10.77.0.2\n        /32 host LOCAL\n", "")
    }

    #[test]
    fn sessions_of_this_host_are_not_foreign() {
        let own = [session("10.77.0.2", "a"), session("::ffff:10.77.0.2", "b")];
        assert!(others(&own, &here(), false).are_none());
        let beside = [
            session("127.0.0.1", "a"),
            session("socket", "b"),
            session("::1", "c"),
        ];
        assert!(others(&beside, &here(), true).are_none());
        // The loopback of another host's server is that host's.
        assert!(!others(&beside, &here(), false).are_none());
    }

    #[test]
    fn other_hosts_are_counted_and_named() {
        let sessions = [
            session("10.77.0.1", "dashboard"),
            session("10.77.0.1", "dashboard"),
            session("10.77.0.1", "pump"),
            session("hidden", ""),
            session("10.77.0.9", "\u{1b}[31mred"),
        ];
        let Others::Known(list) = others(&sessions, &here(), true) else {
            panic!("they are known");
        };
        assert_eq!(
            list,
            [
                "10.77.0.1 (3 sessions: dashboard, pump)",
                "10.77.0.9 (1 session: [31mred)",
                "an address that this user may not see (1 session)",
            ]
        );
    }

    #[test]
    fn the_strongest_word_that_both_say_decides() {
        let of = |words: &[(&'static str, &str)]| {
            let owned = words.iter().map(|(kind, word)| (*kind, (*word).to_owned()));
            ServerIdentity(owned.collect())
        };
        let full = of(&[("system", "1/5"), ("started", "x/5")]);
        assert_eq!(full.is(&of(&[("system", "1/5")])), Some(true));
        assert_eq!(
            full.is(&of(&[("system", "2/5"), ("started", "x/5")])),
            Some(false)
        );
        assert_eq!(full.is(&of(&[("started", "x/5")])), Some(true));
        assert_eq!(full.is(&of(&[])), None);
        assert_eq!(of(&[]).is(&of(&[])), None);
    }
}
