//! Where things are kept on the build machine.

use std::path::PathBuf;

use clap::Args;

use crate::error::Error;
use crate::sign::{KeyError, KeyStore};

const NAME: &str = "airgap-bundle";

/// The place of our own keys.
#[derive(Debug, Clone, Args)]
pub(super) struct KeyArgs {
    /// Directory of the signing key and root.json [default: $XDG_CONFIG_HOME/airgap-bundle]
    #[arg(long, value_name = "DIR", env = "BUNDLE_CONFIG_DIR")]
    config_dir: Option<PathBuf>,
}

impl KeyArgs {
    pub(super) fn store(&self) -> Result<KeyStore, Error> {
        let named = self.config_dir.clone();
        let directory = named.or_else(|| below("XDG_CONFIG_HOME", ".config"));
        directory
            .map(KeyStore::new)
            .ok_or(Error::Key(KeyError::NoHome))
    }
}

/// Returns where downloads are kept unless the user says otherwise.
pub(super) fn default_cache() -> Option<PathBuf> {
    below("XDG_CACHE_HOME", ".cache").map(|directory| directory.join("rpms"))
}

fn below(variable: &str, in_home: &str) -> Option<PathBuf> {
    // The XDG rules: a relative path is to be ignored.
    let from = |name: &str| {
        let value = std::env::var_os(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let base = from(variable).or_else(|| from("HOME").map(|home| home.join(in_home)));
    base.map(|base| base.join(NAME))
}
