//! Redis: dumped by `redis-cli --rdb`, which asks the server for a copy as a replica would, proven by
//! `redis-check-rdb`, and restored by giving a server of this host another file to start from.

mod aside;
mod ask;
mod course;
mod dump;
mod find;
mod home;
mod operators;
mod prove;
mod refusal;
mod restore;
mod saved;

use std::fs::File;

use super::Restoring;
use crate::host::Host;
use crate::host::cmd::tool;
use crate::layout::Layout;
use crate::problem::Problem;
use crate::stores::access::{RedisAccess, RedisKind};
use crate::stores::{Limit, StoreError, StoreLook};

use ask::{CLI, Until, field, keys};
use find::Member;
use home::by_hand;
use prove::CHECK;

pub(super) fn look(access: &RedisAccess, limit: Limit<'_>) -> Result<StoreLook, StoreError> {
    for program in [CLI, CHECK] {
        if !tool::is_available(program) {
            return Err(refusal::missing(program).into());
        }
    }
    let until = Until::new(limit);
    let members = find::members(access, &until)?;
    for member in &members {
        operators::spare(member, &until)?;
    }
    let number = |info: &str, name: &str| -> Option<u64> { field(info, name)?.parse().ok() };
    let mut versions: Vec<&str> = members
        .iter()
        .filter_map(|member| field(&member.info, "redis_version"))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    Ok(StoreLook {
        version: versions.join(", "),
        // What is kept in memory is larger than its dump, which has no pointers.
        bytes: members
            .iter()
            .filter_map(|member| number(&member.info, "used_memory"))
            .sum(),
        items: Some(members.iter().map(|member| keys(&member.info)).sum()),
        parts: members.iter().map(|member| member.part.clone()).collect(),
        not_restorable: not_restorable(access, &members, &until),
    })
}

/// Says why a dump cannot be restored from here, if so.
fn not_restorable(
    access: &RedisAccess,
    members: &[Member<'_>],
    until: &Until<'_>,
) -> Option<Problem> {
    let no = |why: &str| Some(Problem::new(why, by_hand()));
    match (&access.kind, members) {
        (RedisKind::Cluster, _) => no("a Redis cluster is not restored from one of its hosts"),
        (RedisKind::Sentinel { .. }, _) => {
            no("sentinels would let another server take over while this one is restored")
        }
        (RedisKind::Single, [member]) => home::learn(&member.server, &member.info, until)
            .err()
            .map(Problem::from),
        (RedisKind::Single, _) => None,
    }
}

pub(super) fn dump(
    access: &RedisAccess,
    part: &str,
    into: &File,
    limit: Limit<'_>,
) -> Result<(), StoreError> {
    let until = Until::new(limit);
    let members = find::members(access, &until)?;
    let member = members.into_iter().find(|member| member.part == part);
    let Some(member) = member else {
        return Err(StoreError::new(
            format!("the part `{part}` of Redis"),
            "no server has that name any more: the cluster changed since it was looked at",
            "run again",
        ));
    };
    dump::dump(&member, into, &until)
}

pub(super) fn prove(
    _access: &RedisAccess,
    part: &str,
    file: &File,
    limit: Limit<'_>,
) -> Result<Option<u64>, StoreError> {
    prove::prove(part, file, limit).map(|proof| Some(proof.keys))
}

pub(super) fn restore(
    host: &dyn Host,
    layout: &Layout,
    access: &RedisAccess,
    restoring: &Restoring<'_>,
    limit: Limit<'_>,
) -> Result<Vec<String>, StoreError> {
    restore::restore(host, layout, access, restoring, &Until::new(limit))
}
