//! Protects a server whose disk is full. One that saves there fails, and then refuses the product's
//! writes (`stop-writes-on-bgsave-error`).

use std::path::Path;

use super::super::site::Site;
use super::client::field;
use super::dump::{TAKES_STREAM, version};
use super::find::Member;
use super::server_files::{place, setting};
use crate::stores::StoreError;

/// Refuses a dump for which the server would write more to its own disk than is free there. The room
/// is known for a server of this host alone.
pub(super) fn spare(member: &Member<'_>, site: &Site<'_>) -> Result<(), StoreError> {
    let server = &member.server;
    let is = |name: &str, value: &str| {
        let found = setting(server, name, site);
        matches!(found, Ok(Some(found)) if found == value)
    };
    // A copy that goes past the disk needs no room there.
    let is_past_disk = is("repl-diskless-sync", "yes") && version(server, site)? >= TAKES_STREAM;
    if is_past_disk || is("stop-writes-on-bgsave-error", "no") {
        return Ok(());
    }
    let Ok(place) = place(server, &member.info, site) else {
        return Ok(());
    };
    let memory = field(&member.info, "used_memory").and_then(|text| text.parse().ok());
    let space = site.host.space(Path::new(&place.dir));
    let (Some(memory), Ok(space)) = (memory, space) else {
        return Ok(());
    };
    judge(&member.part, &place.dir, space.free_bytes, memory)
}

/// A dump is smaller than the data in memory, which have pointers.
fn judge(part: &str, dir: &str, free_bytes: u64, memory_bytes: u64) -> Result<(), StoreError> {
    if free_bytes >= memory_bytes {
        return Ok(());
    }
    Err(StoreError::new(
        format!("the dump of Redis ({part})"),
        format!(
            "the server would write a copy to its own disk, where {dir} has {} MiB free and the copy may \
             need {} MiB; after a failed save it would refuse the product's writes",
            free_bytes >> 20,
            memory_bytes.div_ceil(1 << 20)
        ),
        "make room there, or let the server send copies past its disk: CONFIG SET repl-diskless-sync \
         yes, with redis-cli 6 or later here",
    ))
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_full_disk_of_the_server_is_left_alone() {
        assert!(judge("dump.rdb", "/var/lib/redis", 10 << 20, 9 << 20).is_ok());
        let error = judge("dump.rdb", "/var/lib/redis", 1 << 20, 9 << 20).unwrap_err();
        assert!(error.why.contains("1 MiB free"), "{error}");
        assert!(error.next.contains("repl-diskless-sync"), "{error}");
    }
}
