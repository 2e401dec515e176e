//! Tells people who log in that a run is open while no terminal watches it: a message to the terminals, once,
//! and a file of the message of the day. Both are conveniences: their failures are ignored.

use std::time::Duration;

use crate::host::cmd;
use crate::layout::Layout;
use crate::secure_fs;

/// Tells that an unattended try left a run open.
pub fn tell_open(layout: &Layout, run: u64, program: &str) {
    let text = format!(
        "airgap-bundle: run {run} is still open; services may be held. It is tried again by itself.\n\
         Look at `{program} status`.\n"
    );
    let motd = layout.message_of_the_day();
    if motd.parent().is_some_and(std::path::Path::is_dir) {
        let _ = secure_fs::write_atomic(&motd, text.as_bytes(), 0o644);
    }
    let told = layout.told();
    if told.exists() {
        return;
    }
    if cmd::is_available("wall") {
        let _ = cmd::query("wall", &[&text], Duration::from_secs(10));
    }
    if let Some(dir) = told.parent() {
        let _ = secure_fs::ensure_dir(dir, 0o755)
            .and_then(|()| secure_fs::write_atomic(&told, b"", 0o600));
    }
}

/// Takes back what was told.
pub(super) fn tell_closed(layout: &Layout) {
    let told = layout.told();
    let _ = secure_fs::remove_all(&[&layout.message_of_the_day(), &told]);
    if let Some(dir) = told.parent() {
        let _ = secure_fs::remove_dir_if_empty(dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_the_day_comes_and_goes_with_the_open_run() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        // The test machine's terminals are left alone.
        let told = layout.told();
        secure_fs::ensure_dir(told.parent().unwrap(), 0o755).unwrap();
        secure_fs::write_atomic(&told, b"", 0o600).unwrap();
        let motd = layout.message_of_the_day();
        tell_open(&layout, 7, "/x/install");
        assert!(!motd.exists(), "this host has no such directory");
        secure_fs::ensure_dir(motd.parent().unwrap(), 0o755).unwrap();
        tell_open(&layout, 7, "/x/install");
        let text = std::fs::read_to_string(&motd).unwrap();
        assert!(
            text.contains("run 7") && text.contains("/x/install status"),
            "{text}"
        );
        tell_closed(&layout);
        assert!(!motd.exists() && !told.exists());
        assert!(motd.parent().unwrap().exists());
    }
}
