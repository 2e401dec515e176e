//! Protects a dump file that belongs to the operator. A server that saves nothing by itself would
//! overwrite that file with the copy that it makes for us.

use super::super::site::Site;
use super::dump::{TAKES_STREAM, version};
use super::find::Member;
use super::server_files::setting;
use crate::stores::StoreError;

/// Refuses a server whose own dump file our dump would overwrite, although the server never writes
/// that file by itself. A server that hides its settings is not refused.
pub(super) fn spare(member: &Member<'_>, site: &Site<'_>) -> Result<(), StoreError> {
    let is_set = |name: &str, expected: &str| {
        let found = setting(&member.server, name, site);
        matches!(found, Ok(Some(value)) if value == expected)
    };
    if !(is_set("save", "") && is_set("appendonly", "no")) {
        return Ok(());
    }
    let tool = version(&member.server, site)?;
    judge(&member.part, tool, is_set("repl-diskless-sync", "no"))
}

/// Judges a server that never writes its dump file by itself.
pub(super) fn judge(part: &str, tool: u32, writes_copies: bool) -> Result<(), StoreError> {
    let what = format!("the dump of Redis ({part})");
    if tool < TAKES_STREAM {
        return Err(StoreError::new(
            what,
            format!(
                "the server saves nothing by itself, and for redis-cli {tool} it would write the copy over \
                 its own dump file"
            ),
            format!("install redis-cli {TAKES_STREAM} or later here (package redis)"),
        ));
    }
    if !writes_copies {
        return Ok(());
    }
    Err(StoreError::new(
        what,
        "the server saves nothing by itself, and would write the copy over its own dump file \
         (repl-diskless-sync is no)",
        "let it send copies past its disk: CONFIG SET repl-diskless-sync yes, and in its configuration",
    ))
}
