//! The fallback for a server that gives no copy: the server saves once more, and its own dump file
//! is copied. This needs a server that writes that file by itself; elsewhere the file may belong to
//! the operator.

use std::fs::{File, Metadata};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::super::site::Site;
use super::client::field;
use super::error::Refusal;
use super::find::Member;
use super::server_files;
use crate::failure::chain;
use crate::secure_fs;
use crate::stores::StoreError;

const PAUSE: Duration = Duration::from_millis(200);
const CHUNK: usize = 1024 * 1024;

/// Lets the server save and copies the saved file. `refused` is why the usual way failed.
pub(super) fn save(
    member: &Member<'_>,
    into: &File,
    site: &Site<'_>,
    refused: &Refusal,
) -> Result<(), StoreError> {
    let neither = |why: &str| {
        let StoreError {
            what,
            why: first,
            next,
        } = refused.error.clone();
        StoreError::new(
            what,
            format!("{first}; its own save cannot serve: {why}"),
            next,
        )
    };
    let place = server_files::place(&member.server, &member.info, site);
    let place = place.map_err(|error| neither(&error.why))?;
    if !place.saves {
        return Err(neither(
            "it saves nothing by itself, and its dump file is not to be written over",
        ));
    }
    let path = Path::new(&place.dir).join(&place.dump);
    wait_for_save(member, &path, site, &neither)?;
    copy(&path, into, site).map_err(|why| neither(&why))
}

fn wait_for_save(
    member: &Member<'_>,
    path: &Path,
    site: &Site<'_>,
    neither: &dyn Fn(&str) -> StoreError,
) -> Result<(), StoreError> {
    let mut before = None;
    loop {
        let info = member.server.ask("INFO persistence", site)?;
        let is_on = |name: &str| field(&info, name) == Some("1");
        let is_busy = is_on("rdb_bgsave_in_progress") || is_on("aof_rewrite_in_progress");
        match (&before, is_busy) {
            (_, true) => {}
            (None, false) => {
                before = Some(identity(path));
                let asked = member.server.ask("BGSAVE", site);
                asked.map_err(|refusal| neither(&refusal.error.why))?;
            }
            (Some(_), false) if field(&info, "rdb_last_bgsave_status") != Some("ok") => {
                return Err(neither("it failed; the server's log has the reason"));
            }
            // The time of the last save counts whole seconds; the inode of the file changes at
            // once.
            (Some(before), false) if identity(path) != *before => return Ok(()),
            (Some(_), false) => {}
        }
        if site.is_over() {
            return Err(neither(
                "it did not end in time, or the run was told to stop",
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

type Identity = (u64, u64, i64, i64);

fn identity(path: &Path) -> Option<Identity> {
    let of = |found: Metadata| (found.dev(), found.ino(), found.mtime(), found.mtime_nsec());
    path.symlink_metadata().ok().map(of)
}

fn copy(path: &Path, mut into: &File, site: &Site<'_>) -> Result<(), String> {
    let mut from = secure_fs::open_read(path).map_err(|error| chain(&error))?;
    let failed = |error: std::io::Error| format!("the dump file cannot be copied: {error}");
    into.set_len(0).map_err(failed)?;
    into.rewind().map_err(failed)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        into.write_all(&chunk[..read]).map_err(failed)?;
        if site.is_over() {
            return Err("copying it took too long, or the run was told to stop".to_owned());
        }
    }
}
