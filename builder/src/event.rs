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
