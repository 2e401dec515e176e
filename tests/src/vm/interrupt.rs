//! The end of a sweep by Ctrl-C. Its machines end with its process; their disks have to be removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::workplace::abandon;

const POLL: Duration = Duration::from_millis(50);
/// The code that a shell gives to a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT and SIGTERM remove the disks of this process's machines and end it, after
/// `goodbye`. SIGHUP does not, because `nohup` has it ignored: after that signal, the next sweep
/// removes what is left.
pub fn end_on_signals(goodbye: impl FnOnce() + Send + 'static) -> Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
    }
    std::thread::spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            std::thread::sleep(POLL);
        }
        abandon();
        goodbye();
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}
