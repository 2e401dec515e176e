//! The end of a sweep by Ctrl-C: its machines go with its process, their disks have to be removed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::workplace::abandon;

const POLL: Duration = Duration::from_millis(50);
/// What a shell says of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP remove the disks of this process's machines and end it.
pub fn end_on_signals() -> Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
    }
    std::thread::spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            std::thread::sleep(POLL);
        }
        abandon();
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}
