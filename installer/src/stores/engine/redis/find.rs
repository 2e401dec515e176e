//! Finds the servers of a Redis: the single one, the one that the Sentinels name, or the primaries
//! of a cluster.

use super::super::site::Site;
use super::access::{Address, RedisAccess, RedisKind, Secret};
use super::client::{Server, field};
use super::error::{Kind, Refusal};
use crate::stores::StoreError;

/// The name of the dump of a Redis that is one server.
pub(super) const WHOLE: &str = "dump.rdb";

/// A server that is dumped, with the name of its part and its answer to `INFO`.
#[derive(Debug)]
pub(super) struct Member<'a> {
    pub(super) part: String,
    pub(super) server: Server<'a>,
    pub(super) info: String,
}

/// Finds every server that is dumped. Each must answer and match the configuration.
pub(super) fn members<'a>(
    access: &'a RedisAccess,
    site: &Site<'_>,
) -> Result<Vec<Member<'a>>, StoreError> {
    match &access.kind {
        RedisKind::Single => {
            let server = Server::new(access, first(access)?);
            Ok(vec![alone(server, site)?])
        }
        RedisKind::Sentinel { master, password } => {
            let address = master_of(access, master, password.as_ref(), site)?;
            let member = alone(Server::new(access, &address), site)?;
            if field(&member.info, "role") != Some("master") {
                return Err(StoreError::new(
                    format!("the master `{master}` that the sentinels name ({address})"),
                    "it reports that it is a replica: a failover is in progress",
                    "run again when the sentinels agree",
                ));
            }
            Ok(vec![member])
        }
        RedisKind::Cluster => primaries(access, site),
    }
}

fn first(access: &RedisAccess) -> Result<&Address, StoreError> {
    access.addresses.first().ok_or_else(|| {
        StoreError::new(
            "the address of Redis",
            "the product's configuration names none",
            "put host and port into the product's configuration",
        )
    })
}

fn alone<'a>(server: Server<'a>, site: &Site<'_>) -> Result<Member<'a>, StoreError> {
    let info = whole_info(&server, site)?;
    let what = || format!("Redis at {}", server.address);
    match field(&info, "redis_mode") {
        Some("cluster") => Err(StoreError::new(
            what(),
            "it is a member of a cluster, but the product's configuration names a single server",
            "configure the product for a cluster, and run again",
        )),
        Some("sentinel") => Err(StoreError::new(
            what(),
            "it is a sentinel and holds no data, and the product's configuration names no master",
            "put the master's name into the product's configuration",
        )),
        _ => Ok(Member {
            part: WHOLE.to_owned(),
            server,
            info,
        }),
    }
}

/// Asks a server about itself. Refuses one that is still loading, because it holds less than it
/// will.
pub(super) fn whole_info(server: &Server<'_>, site: &Site<'_>) -> Result<String, Refusal> {
    let info = server.ask("INFO", site)?;
    match field(&info, "loading") {
        Some("1") => Err(server.refusal("INFO", "LOADING")),
        _ if field(&info, "redis_version").is_none() => {
            Err(server.refusal("INFO", "an answer that is not a Redis server's"))
        }
        _ => Ok(info),
    }
}

/// Asks one sentinel after the other where the master is.
fn master_of(
    access: &RedisAccess,
    master: &str,
    password: Option<&Secret>,
    site: &Site<'_>,
) -> Result<Address, StoreError> {
    first(access)?;
    let question = format!("SENTINEL get-master-addr-by-name {master}");
    let mut troubles = Vec::new();
    for address in &access.addresses {
        let sentinel = Server::sentinel(access, address, password);
        match sentinel.ask(&question, site) {
            Ok(answer) => match named(&answer) {
                Some(found) => return Ok(found),
                None => troubles.push(format!("{address} does not know that master")),
            },
            Err(refusal) => troubles.push(format!("{address}: {}", refusal.error.why)),
        }
        if site.is_over() {
            break;
        }
    }
    Err(StoreError::new(
        format!("the master `{master}` of Redis"),
        format!("no sentinel names it: {}", troubles.join("; ")),
        "start a sentinel, or correct their addresses, their password or the master's name in the \
         product's configuration",
    ))
}

fn named(answer: &str) -> Option<Address> {
    let (host, port) = answer.split_once('\n')?;
    Some(Address {
        host: host.trim().to_owned(),
        port: port.trim().parse().ok()?,
    })
}

/// Finds the primaries of a cluster through the first of its members that answers.
fn primaries<'a>(access: &'a RedisAccess, site: &Site<'_>) -> Result<Vec<Member<'a>>, StoreError> {
    first(access)?;
    let mut trouble = None;
    for address in &access.addresses {
        match Server::new(access, address).ask("CLUSTER NODES", site) {
            Ok(nodes) => return members_of(access, address, &nodes, site),
            Err(refusal) if site.is_over() => return Err(refusal.into()),
            Err(refusal) => trouble = Some(explained(refusal)),
        }
    }
    Err(trouble.map_or_else(
        || {
            StoreError::new(
                "the Redis cluster",
                "no member was asked",
                "correct its addresses",
            )
        },
        StoreError::from,
    ))
}

fn explained(mut refusal: Refusal) -> Refusal {
    if refusal.kind == Kind::Rights {
        refusal.error.next.push_str(", and +cluster|nodes");
    } else if refusal.error.why.contains("cluster support disabled") {
        "configure the product for a single Redis".clone_into(&mut refusal.error.next);
    }
    refusal
}

fn members_of<'a>(
    access: &'a RedisAccess,
    asked: &Address,
    nodes: &str,
    site: &Site<'_>,
) -> Result<Vec<Member<'a>>, StoreError> {
    let mut members = Vec::new();
    for address in addresses(nodes, asked)? {
        let server = Server::new(access, &address);
        let info = whole_info(&server, site)?;
        let part = part_of(&address);
        members.push(Member { part, server, info });
    }
    Ok(members)
}

/// Reads the addresses of the primaries from `CLUSTER NODES`. Refuses while slots move or a primary
/// is down: the dumps of the other primaries would not be the cluster's data.
fn addresses(nodes: &str, asked: &Address) -> Result<Vec<Address>, StoreError> {
    let mut found = Vec::new();
    for line in nodes.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, place, flags, _, _, _, _, link, slots @ ..] = words.as_slice() else {
            continue;
        };
        let flags: Vec<&str> = flags.split(',').collect();
        if !flags.contains(&"master") || slots.is_empty() {
            continue;
        }
        let refused = |why: &str, next: &str| {
            Err(StoreError::new(
                format!("the primary {place} of the Redis cluster"),
                why,
                next,
            ))
        };
        let is_down = flags.iter().any(|flag| flag.starts_with("fail")) || *link != "connected";
        if is_down {
            return refused(
                "the cluster cannot reach it",
                "bring it back, or let a replica take over, and run again",
            );
        }
        if slots.iter().any(|slot| slot.starts_with('[')) {
            return refused(
                "slots are moving to or from it, and keys would be missed",
                "let the move end (`redis-cli --cluster check`), and run again",
            );
        }
        match address_of(place, asked) {
            Some(address) => found.push(address),
            None => return refused("its address is not understood", "dump it by hand"),
        }
    }
    if found.is_empty() {
        return Err(StoreError::new(
            format!("the Redis cluster of {asked}"),
            "no member serves any slot",
            "let the cluster be created (`redis-cli --cluster create`)",
        ));
    }
    found.sort();
    Ok(found)
}

/// Reads `host:port@bus,name`. A member that no other member has met yet does not know its own
/// host.
fn address_of(place: &str, asked: &Address) -> Option<Address> {
    let place = place.split(['@', ',']).next()?;
    let (host, port) = place.rsplit_once(':')?;
    let host = if host.is_empty() { &asked.host } else { host };
    Some(Address {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// Returns the name of a member's dump, which is a file's name.
fn part_of(address: &Address) -> String {
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => letter,
        _ => '_',
    };
    let host: String = address.host.chars().map(plain).collect();
    format!("node-{host}-{}.rdb", address.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
        07c3 127.0.0.1:7002@17002 master - 0 1426238316232 2 connected 5461-10922\n\
        67ed 127.0.0.1:7001@17001,name slave e7d1 0 1426238317239 4 connected\n\
        292f 127.0.0.1:7003@17003 master,noaddr - 0 1426238318243 3 disconnected\n\
        e7d1 :7000@17000 myself,master - 0 0 1 connected 0-5460 10923-16383\n";

    fn asked() -> Address {
        Address {
            host: "::1".to_owned(),
            port: 7000,
        }
    }

    #[test]
    fn the_primaries_are_those_with_slots() {
        let found = addresses(NODES, &asked()).unwrap();
        let parts: Vec<String> = found.iter().map(part_of).collect();
        assert_eq!(parts, ["node-127.0.0.1-7002.rdb", "node-__1-7000.rdb"]);
    }

    #[test]
    fn a_cluster_in_transition_is_refused() {
        for (from, to, why) in [
            ("connected 5461", "disconnected 5461", "cannot reach"),
            (
                "master - 0 1426238316232",
                "master,fail - 0 1",
                "cannot reach",
            ),
            ("10922", "10922 [93-<-292f]", "moving"),
            (":7002@", "@", "not understood"),
        ] {
            let error = addresses(&NODES.replace(from, to), &asked()).unwrap_err();
            assert!(error.why.contains(why), "{error}");
        }
        assert!(addresses("", &asked()).is_err());
    }

    #[test]
    fn a_sentinel_that_does_not_know_gives_no_address() {
        assert_eq!(named(""), None);
        assert_eq!(named("127.0.0.1\n7000").unwrap().port, 7000);
    }
}
