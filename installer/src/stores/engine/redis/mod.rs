//! Redis. `redis-cli --rdb` dumps it by asking the server for a copy, as a replica would.
//! `redis-check-rdb` proves the dump. A restore gives a server of this host another file to start
//! from.

mod access;
mod aside;
mod client;
mod clients;
mod dump;
mod error;
mod find;
mod progress;
mod prove;
#[cfg(test)]
mod recorded;
mod restore;
mod save_permission;
mod saved;
mod server_files;
mod server_room;

use std::fs::File;

use super::site::Site;
use super::{Engine, Restoring};
use crate::host::cmd::tool;
use crate::problem::Problem;
use crate::stores::{ServerWords, StoreError, StoreLook};

use client::{CLI, field, keys};
use find::Member;
use prove::CHECK;
use server_files::by_hand;

pub use access::{RedisAccess, RedisKind};

impl Engine for RedisAccess {
    fn endpoint(&self) -> String {
        RedisAccess::endpoint(self)
    }

    fn look(&self, site: &Site<'_>) -> Result<StoreLook, StoreError> {
        for program in [CLI, CHECK] {
            if !tool::is_available(program) {
                return Err(error::missing(program).into());
            }
        }
        let members = find::members(self, site)?;
        for member in &members {
            save_permission::spare(member, site)?;
            server_room::spare(member, site)?;
        }
        Ok(look(self, &members, site))
    }

    fn dump(&self, site: &Site<'_>, part: &str, into: &File) -> Result<(), StoreError> {
        let members = find::members(self, site)?;
        let member = members.into_iter().find(|member| member.part == part);
        let Some(member) = member else {
            return Err(StoreError::new(
                format!("the part `{part}` of Redis"),
                "no server has that name any more: the cluster changed since it was looked at",
                "run again",
            ));
        };
        dump::dump(&member, into, site)
    }

    fn prove(&self, site: &Site<'_>, part: &str, file: &File) -> Result<Option<u64>, StoreError> {
        prove::prove(part, file, site.left()).map(|proof| Some(proof.keys))
    }

    fn restore(
        &self,
        site: &Site<'_>,
        restoring: &Restoring<'_>,
    ) -> Result<Vec<String>, StoreError> {
        restore::restore(self, restoring, site)
    }

    fn words(&self, site: &Site<'_>) -> ServerWords {
        clients::words(self, site)
    }

    /// Keys expire while they are dumped.
    fn misses(&self, before: u64, dumped: u64) -> bool {
        before > 0 && dumped == 0
    }
}

/// Sums up the answers of the servers.
fn look(access: &RedisAccess, members: &[Member<'_>], site: &Site<'_>) -> StoreLook {
    let number = |info: &str, name: &str| -> Option<u64> { field(info, name)?.parse().ok() };
    let mut versions: Vec<&str> = members
        .iter()
        .filter_map(|member| field(&member.info, "redis_version"))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let memory = members
        .iter()
        .filter_map(|member| number(&member.info, "used_memory"))
        .sum();
    StoreLook {
        version: versions.join(", "),
        // Data in memory are larger than their dump, which has no pointers.
        bytes: memory,
        raw_bytes: Some(memory),
        leaves_out: false,
        items: Some(members.iter().map(|member| keys(&member.info)).sum()),
        parts: members.iter().map(|member| member.part.clone()).collect(),
        not_restorable: not_restorable(access, members, site),
    }
}

/// Returns why a dump cannot be restored from this host, if so.
fn not_restorable(
    access: &RedisAccess,
    members: &[Member<'_>],
    site: &Site<'_>,
) -> Option<Problem> {
    let no = |why: &str| Some(Problem::new(why, by_hand()));
    match (&access.kind, members) {
        (RedisKind::Cluster, _) => no("a Redis cluster is not restored from one of its hosts"),
        (RedisKind::Sentinel { .. }, _) => {
            no("sentinels would let another server take over while this one is restored")
        }
        (RedisKind::Single, [member]) => server_files::learn(&member.server, &member.info, site)
            .err()
            .map(Problem::from),
        (RedisKind::Single, _) => None,
    }
}
