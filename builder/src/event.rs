//! What happens during a build, for display.

use std::io::{Read, Write};

/// Something of interest to a person who waits for the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stage began.
    Stage(&'a str),
    /// A remark that does not stop the build.
    Note(&'a str),
    /// How much there is to download.
    Downloads {
        /// Files.
        files: usize,
        /// Bytes of all of them, cached ones too.
        bytes: u64,
    },
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

/// Reports to an observer the bytes that go through a reader or writer.
pub struct Counted<'a, T> {
    inner: T,
    observer: &'a dyn Observer,
}

impl<T> std::fmt::Debug for Counted<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

impl<'a, T> Counted<'a, T> {
    /// Begins a pass; dropping the value ends it.
    pub fn begin(inner: T, what: &str, name: &str, bytes: u64, observer: &'a dyn Observer) -> Self {
        let name = manifests::printable::printable(name);
        observer.event(&Event::PassStarted {
            what,
            name: &name,
            bytes,
        });
        Self { inner, observer }
    }

    /// Reports bytes that passed elsewhere.
    pub(crate) fn advanced(&self, bytes: usize) {
        self.observer.event(&Event::PassAdvanced {
            bytes: bytes as u64,
        });
    }
}

impl<T> Drop for Counted<'_, T> {
    fn drop(&mut self) {
        self.observer.event(&Event::PassEnded);
    }
}

impl<T: Read> Read for Counted<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let taken = self.inner.read(buffer)?;
        self.advanced(taken);
        Ok(taken)
    }
}

impl<T: Write> Write for Counted<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.advanced(taken);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
