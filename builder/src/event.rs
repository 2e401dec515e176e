//! What happens during a build, for whoever shows it.

/// Something a person waiting for the build may want to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stage began.
    Stage(&'a str),
    /// A remark that does not stop the build.
    Note(&'a str),
    /// A download began; its index stays its name.
    DownloadStarted {
        /// Position in the list of downloads.
        index: usize,
        /// File name.
        name: &'a str,
        /// Size in bytes.
        bytes: u64,
    },
    /// Bytes arrived.
    DownloadAdvanced {
        /// Position in the list of downloads.
        index: usize,
        /// Bytes received since the last event of this download.
        bytes: u64,
    },
    /// A download starts over.
    DownloadRestarted {
        /// Position in the list of downloads.
        index: usize,
        /// Why.
        reason: &'a str,
    },
    /// A download ended.
    DownloadEnded {
        /// Position in the list of downloads.
        index: usize,
        /// How.
        result: &'a str,
    },
    /// A pass over a bundle began; there is one at a time.
    PassStarted {
        /// What is done, such as `verifying`.
        what: &'a str,
        /// File name.
        name: &'a str,
        /// Bytes to pass; 0 if that is not known.
        bytes: u64,
    },
    /// Bytes passed.
    PassAdvanced {
        /// Since the last event of this pass.
        bytes: u64,
    },
    /// The pass ended, well or not.
    PassEnded,
}

/// Receives events, from several threads.
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event<'_>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event<'_>) {}
}
