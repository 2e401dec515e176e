//! The commands that restore files by hand.

use std::path::Path;

use super::restore::{is_ours_to_restore, look};
use super::snapshot::{Entry, Kind, Snapshot};
use crate::layout::Layout;
use crate::shell::quoted;

/// How many files are listed one by one.
const LISTED: usize = 200;

/// The commands, and how many more files they leave out.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    pub(crate) lines: Vec<String>,
    pub(crate) left_out: usize,
}

/// Returns the commands that restore by hand what differs from a snapshot. Labels and attributes are
/// set anew by `restorecon`.
pub(crate) fn commands(layout: &Layout, blobs: &Path, snapshot: &Snapshot) -> Commands {
    let Ok(present) = look(layout, snapshot) else {
        let line = format!(
            "# files: {} holds their contents by digest",
            blobs.display()
        );
        return Commands {
            lines: vec![line],
            left_out: 0,
        };
    };
    let mut different = snapshot.differences(&present);
    different.retain(|path| is_ours_to_restore(snapshot, path));
    let lines = different
        .iter()
        .take(LISTED)
        .map(|path| {
            let at = quoted(&layout.at(path).display().to_string());
            match snapshot.entries.get(path) {
                Some(entry) => command(&at, entry, blobs),
                None => format!("mv {at} {at}.appeared"),
            }
        })
        .collect();
    Commands {
        lines,
        left_out: different.len().saturating_sub(LISTED),
    }
}

/// Returns the paths that differ from a snapshot and that a revert would put back.
pub(crate) fn different(layout: &Layout, snapshot: &Snapshot) -> Vec<String> {
    let Ok(present) = look(layout, snapshot) else {
        return vec!["the files cannot be read".to_owned()];
    };
    let mut different = snapshot.differences(&present);
    different.retain(|path| is_ours_to_restore(snapshot, path));
    different
}

fn command(at: &str, entry: &Entry, blobs: &Path) -> String {
    let Entry { mode, uid, gid, .. } = entry;
    let dressed = format!("chown {uid}:{gid} {at} && chmod {mode:o} {at}");
    match &entry.kind {
        Kind::File { sha256, .. } => {
            let blob = quoted(&blobs.join(sha256.to_string()).display().to_string());
            let time = format!(
                "touch -d @{}.{:09} {at}",
                entry.mtime_secs, entry.mtime_nanos
            );
            format!("cp --remove-destination {blob} {at} && {dressed} && {time}")
        }
        Kind::Directory => format!("mkdir -p {at} && {dressed}"),
        Kind::Symlink { target } => format!("ln -sfn {} {at}", quoted(target)),
        Kind::Program | Kind::Special => dressed,
    }
}
