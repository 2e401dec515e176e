//! Where things are kept on the build machine.

use std::path::PathBuf;

use clap::Args;

use manifests::trust::TrustRoot;

use crate::error::Error;
use crate::sign::{self, KeyError, KeyStore};

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

/// Whose bundles are believed.
#[derive(Debug, Clone, Args)]
pub(super) struct TrustArgs {
    /// Root document to trust [default: this build machine's own]
    #[arg(long, value_name = "FILE", env = "BUNDLE_TRUST_ROOT")]
    trust_root: Option<PathBuf>,

    #[command(flatten)]
    pub(super) keys: KeyArgs,
}

impl TrustArgs {
    /// Returns the root document given, or the one of this build machine; never the one inside a
    /// bundle.
    pub(super) fn roots(&self) -> Result<Vec<TrustRoot>, Error> {
        if let Some(path) = &self.trust_root {
            return Ok(vec![sign::read_root(path)?]);
        }
        match self.keys.store()?.trust_root() {
            Ok(root) => Ok(vec![root]),
            // Without a root the verdict itself says that nothing is trusted, and what to do.
            Err(KeyError::None(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Where the parts of a split bundle are.
#[derive(Debug, Clone, Args)]
pub(super) struct PartsArgs {
    /// Another directory that holds parts, such as a mounted disc (repeatable); looked at before the
    /// directory of NAME.parts.json
    #[arg(long, value_name = "DIR")]
    pub(super) parts_dir: Vec<PathBuf>,
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
