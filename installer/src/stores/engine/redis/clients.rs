//! Asks the servers of a Redis which ones they are, and who else is connected to them.

use std::net::IpAddr;

use super::super::site::Site;
use super::access::RedisAccess;
use super::client::field;
use super::find;
use crate::stores::clients::{ClientSession, Origin, others};
use crate::stores::here::{Addresses, address};
use crate::stores::{Others, ServerIdentity, ServerWords};

const QUESTION: &str = "CLIENT LIST";

pub(super) fn words(access: &RedisAccess, site: &Site<'_>) -> ServerWords {
    let members = match find::members(access, site) {
        Ok(members) => members,
        Err(error) => return ServerWords::none(error.to_string()),
    };
    let ids: Option<Vec<&str>> = members
        .iter()
        .map(|member| field(&member.info, "run_id"))
        .collect();
    let identity = ids.map(|mut ids| {
        ids.sort_unstable();
        ("run-id", ids.join(","))
    });
    let here = Addresses::of_this_host();
    let mut all = Vec::new();
    let mut unknown = None;
    for member in &members {
        let told = match member.server.ask(QUESTION, site) {
            Ok(list) => told(&list, &here, address(&member.server.address.host)),
            Err(refusal) => Others::NotKnown(refusal.error.to_string()),
        };
        match told {
            Others::Known(list) => all.extend(list),
            Others::NotKnown(why) => unknown = Some(why),
        }
    }
    ServerWords {
        identity: ServerIdentity(identity.into_iter().collect()),
        others: unknown.map_or(Others::Known(all), Others::NotKnown),
    }
}

/// Reads the answer to `CLIENT LIST`: a line of `name=value` for each client. `asked` is the address
/// of the server.
fn told(list: &str, here: &Addresses, asked: Option<IpAddr>) -> Others {
    let mut sessions = Vec::new();
    let mut is_here = None;
    for line in list.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let value = |name: &str| {
            let mut words = line.split(' ');
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let Some(from) = value("addr") else {
            return Others::NotKnown("the server's list of clients is not understood".to_owned());
        };
        let host = |text: &str| address(text.rsplit_once(':')?.0);
        let command = value("cmd").unwrap_or_default();
        // Ours is among those that ask for the list. From version 6.2 on it names the server's side.
        if command == "client" || command == "client|list" {
            let own = host(from);
            let server = value("laddr").and_then(host);
            let is_beside = own.is_none_or(|ip| ip.is_loopback()) || own == server || own == asked;
            is_here = Some(is_here.unwrap_or(true) && is_beside);
        }
        // Replicas and masters copy the data and do not use them.
        let flags = value("flags").unwrap_or_default();
        if flags.contains(['S', 'M']) {
            continue;
        }
        sessions.push(ClientSession {
            from: host(from).map_or(Origin::Socket, Origin::Address),
            name: value("name").unwrap_or_default().to_owned(),
        });
    }
    match is_here {
        Some(is_here) => others(&sessions, here, is_here),
        None => Others::NotKnown("the server's list of clients does not have this one".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Addresses {
        Addresses::of_texts("|-- 10.77.0.2\n/32 host LOCAL\n", "")
    }

    /// As 3.2 and 7.0 write it.
    const OLD: &str = "id=2 addr=127.0.0.1:49362 fd=6 name= age=0 idle=0 flags=N db=0 cmd=client\n\
        id=3 addr=127.0.0.1:49364 fd=7 name=gateway age=9 idle=0 flags=N db=0 cmd=ping\n\
        id=4 addr=10.77.0.9:6379 fd=8 name= age=9 idle=0 flags=S db=0 cmd=replconf\n";
    const NEW: &str = "id=9 addr=10.77.0.2:40022 laddr=10.77.0.1:6379 fd=9 name= flags=N db=0 \
        cmd=client|list user=default\n\
        id=7 addr=127.0.0.1:40000 laddr=127.0.0.1:6379 fd=8 name=a flags=N cmd=get user=default\n\
        id=8 addr=[::1]:40000 laddr=[::1]:6379 fd=8 name= flags=N cmd=get user=default\n";

    #[test]
    fn clients_beside_the_server_are_ours_only_if_we_are_there_too() {
        assert!(told(OLD, &here(), None).are_none());
        let expected = "the server's own host (2 sessions: a)".to_owned();
        assert_eq!(told(NEW, &here(), None), Others::Known(vec![expected]));
    }

    #[test]
    fn what_is_not_understood_is_not_known() {
        for list in ["", "nonsense", "id=3 addr=10.77.0.2:1 cmd=get"] {
            assert!(
                matches!(told(list, &here(), None), Others::NotKnown(_)),
                "{list}"
            );
        }
    }
}
