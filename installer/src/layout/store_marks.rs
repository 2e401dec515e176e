//! The marks of a run about its stores.

use std::path::PathBuf;

use super::RunDir;

impl RunDir {
    /// The mark that what the run keeps elsewhere is being removed: that it is not there is no sign
    /// of a disk that is not mounted.
    #[must_use]
    pub fn going(&self) -> PathBuf {
        self.join("going")
    }

    /// The mark that a revert left the data of a store to a person.
    #[must_use]
    pub fn not_restored(&self, store: &str) -> PathBuf {
        self.join(format!("not-restored-{store}"))
    }

    /// The mark that a run failed before it could touch the data of a store.
    #[must_use]
    pub fn untouched(&self, store: &str) -> PathBuf {
        self.join(format!("untouched-{store}"))
    }

    /// The mark that a restore of a store began.
    #[must_use]
    pub fn restoring(&self, store: &str) -> PathBuf {
        self.join(format!("restoring-{store}"))
    }
}
