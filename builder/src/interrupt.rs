//! SIGINT and SIGTERM as a flag that the long loops look at, so that temporary files are removed on
//! the way out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::explain::{Exit, Explain, Explained};

static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The user asked the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Explain for Interrupted {
    fn exit(&self) -> Exit {
        Exit::Interrupted
    }

    fn explain(&self) -> Explained {
        Explained::new(
            "stopped",
            "a signal asked the program to stop; nothing was left behind",
            "run the same command again; finished downloads are reused from the cache",
        )
    }
}

/// Starts listening. A second signal ends the process at once.
pub fn listen() {
    let flag = REQUESTED.get_or_init(Arc::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        // Without a handler the signal keeps its default: the process ends, only less tidily.
        let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(flag));
        let _ = signal_hook::flag::register(signal, Arc::clone(flag));
    }
}

/// Fails once a stop was requested.
pub fn check() -> Result<(), Interrupted> {
    match REQUESTED.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(Interrupted),
        _ => Ok(()),
    }
}
