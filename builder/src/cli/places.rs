//! Where things are kept on the build machine.

use std::path::PathBuf;

use clap::Args;

use manifests::trust::TrustRoot;

use crate::explain::{Error, usage};
use crate::keys::{self, KeyError, KeyName, KeyStore, Request, Secrets, Signer};

const NAME: &str = "airgap-bundle";

/// The place of our own keys.
#[derive(Debug, Clone, Args)]
pub(super) struct KeyArgs {
    /// Directory of the signing key and trust/ [default: $XDG_CONFIG_HOME/airgap-bundle].
    #[arg(long, value_name = "DIR", env = "BUNDLE_CONFIG_DIR")]
    config_dir: Option<PathBuf>,
}

impl KeyArgs {
    pub(super) fn store(&self) -> Result<KeyStore, Error> {
        let named = self.config_dir.clone();
        let directory = named.or_else(|| below("XDG_CONFIG_HOME", ".config"));
        Ok(directory.map(KeyStore::new).ok_or(KeyError::NoHome)?)
    }
}

/// Who signs.
#[derive(Debug, Clone, Args)]
pub(super) struct SignArgs {
    /// Key to sign with, a PKCS#8 file or a pkcs11: URI (repeatable) [default: this build machine's
    /// own].
    #[arg(long, value_name = "FILE|URI")]
    key: Vec<String>,

    /// File with the passphrase of an encrypted key, readable by you alone [default:
    /// `BUNDLE_KEY_PASSPHRASE`, or asked on the terminal].
    #[arg(long, value_name = "FILE", env = "BUNDLE_KEY_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

impl SignArgs {
    /// Returns the keys that are named. What a URI holds is not repeated in errors.
    pub(super) fn request(&self) -> Result<Request, Error> {
        let name = |text: &String| {
            text.parse::<KeyName>().map_err(|reason| {
                usage(
                    "cannot use the key named with --key",
                    reason,
                    "write a file name, or a URI such as \
                     'pkcs11:token=LABEL;object=KEY?module-path=/path/of/the/library.so'",
                )
            })
        };
        Ok(Request {
            keys: self.key.iter().map(name).collect::<Result<_, Error>>()?,
            unsigned: false,
            secrets: self.secrets(),
        })
    }

    /// Returns where passphrases come from.
    pub(super) fn secrets(&self) -> Secrets {
        Secrets {
            passphrase_file: self.passphrase_file.clone(),
        }
    }

    /// Opens the keys, or the one of this build machine.
    pub(super) fn signers(&self, store: &KeyStore) -> Result<Vec<Signer>, Error> {
        let mut request = self.request()?;
        if request.keys.is_empty() {
            request.keys.push(KeyName::File(store.key_path()));
        }
        let keys = request.keys.iter();
        let opened = keys.map(|name| Signer::open(name, &request.secrets));
        Ok(opened.collect::<Result<_, KeyError>>()?)
    }
}

/// Whose bundles are believed.
#[derive(Debug, Clone, Args)]
pub(super) struct TrustArgs {
    /// Root document to trust [default: this build machine's own].
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
            return Ok(vec![keys::read_root(path)?]);
        }
        // Without a root, the verdict itself explains that nothing is trusted, and what to do.
        Ok(self.keys.store()?.trust_root()?.into_iter().collect())
    }
}

/// Where the parts of a split bundle are.
#[derive(Debug, Clone, Args)]
pub(super) struct PartsArgs {
    /// Another directory that holds parts, such as a mounted disc (repeatable); looked at before the
    /// directory of NAME.parts.json.
    #[arg(long, value_name = "DIR")]
    pub(super) parts_dir: Vec<PathBuf>,
}

/// Returns where downloads are kept unless the user names another place.
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
