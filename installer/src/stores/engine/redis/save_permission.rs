//! A dump file that is the operator's: a server that saves nothing by itself, and would write our copy over
//! it on the way to us.

use super::super::site::Site;
use super::find::Member;
use super::server_files::setting;
use crate::stores::StoreError;

/// Refuses a server whose own dump file a dump would replace, although it never writes that file by
/// itself. A server that does not tell its settings is not known to be one.
pub(super) fn spare(member: &Member<'_>, site: &Site<'_>) -> Result<(), StoreError> {
    let says = |name: &str, wanted: &str| {
        let told = setting(&member.server, name, site);
        matches!(told, Ok(Some(value)) if value == wanted)
    };
    let never_writes = says("save", "") && says("appendonly", "no");
    if !never_writes || !says("repl-diskless-sync", "no") {
        return Ok(());
    }
    Err(StoreError::new(
        format!("the dump of Redis ({})", member.part),
        "the server saves nothing by itself, and would write the copy over its own dump file \
         (repl-diskless-sync is no)",
        "let it send copies past its disk: CONFIG SET repl-diskless-sync yes, and in its configuration",
    ))
}
