//! Keys that cannot be used.

use std::path::PathBuf;

use manifests::signature::KeyId;

use super::token::TokenError;
use crate::explain::{Exit, Explain, Explained};
use crate::interrupt::Interrupted;
use crate::keys::roots::RootsError;
use crate::output::OutputError;

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Readable by others.
    #[error("{} can be read by others (mode {mode:o})", path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a private key that we know.
    #[error("{} is not a P-256 or Ed25519 private key in PKCS#8 PEM form", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Not a public key that we know.
    #[error("{} is not a P-256 or Ed25519 public key in PEM form", path.display())]
    NotPublic {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted with something else.
    #[error("{} is encrypted in a way that is not known here: {reason}", path.display())]
    Encryption {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The passphrase does not open the key.
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase {
        /// The key.
        path: PathBuf,
    },
    /// No terminal to ask at.
    #[error("{what} is needed, and there is no terminal to ask for it")]
    NoTerminal {
        /// What is needed.
        what: String,
        /// How to give it otherwise.
        instead: &'static str,
    },
    /// Two different answers, or none.
    #[error("{0}")]
    Answer(&'static str),
    /// A key that may not sign bundles.
    #[error("key {key} is not a release key of root version {version}{}", became.as_deref().unwrap_or(""))]
    NotRelease {
        /// The key.
        key: KeyId,
        /// The newest complete version.
        version: u64,
        /// What became of it.
        became: Option<String>,
    },
    /// One key named twice.
    #[error("key {0} is named twice")]
    Twice(KeyId),
    /// No key yet.
    #[error("there is no key at {}", .0.display())]
    None(PathBuf),
    /// A link to a file that is not there.
    #[error("{} is a link to a file that is not there", .0.display())]
    Dangling(PathBuf),
    /// A root document whose key is gone.
    #[error("there are root documents in {} and no key {}", root.display(), key.display())]
    RootWithoutKey {
        /// The root documents.
        root: PathBuf,
        /// Where the key belongs.
        key: PathBuf,
    },
    /// A key that is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// No directory to keep keys in.
    #[error("--config-dir, XDG_CONFIG_HOME and HOME are all unset, so keys have no place")]
    NoHome,
    /// The system gives no random numbers, or a library refuses its own output.
    #[error("the key cannot be made or used: {0}")]
    Make(String),
    /// A key in a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The root documents.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A signal.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Explain for KeyError {
    fn exit(&self) -> Exit {
        match self {
            Self::None(_)
            | Self::NoHome
            | Self::NotPublic { .. }
            | Self::Encryption { .. }
            | Self::WrongPassphrase { .. }
            | Self::NoTerminal { .. }
            | Self::Answer(_)
            | Self::NotRelease { .. }
            | Self::Twice(_)
            | Self::Exists(_) => Exit::Usage,
            Self::Token(error) => error.exit(),
            Self::Roots(error) => error.exit(),
            Self::Interrupted(_) => Exit::Interrupted,
            _ => Exit::Internal,
        }
    }

    fn explain(&self) -> Explained {
        match self {
            Self::Token(error) => return error.explain(),
            Self::Roots(error) => return error.explain(),
            _ => {}
        }
        Explained::new(
            "cannot use the signing key",
            self.to_string(),
            self.advice(),
        )
    }
}

impl KeyError {
    fn advice(&self) -> String {
        let advice = match self {
            Self::TooOpen { path, .. } => {
                return format!(
                    "if no one else had access, run chmod 600 {}; otherwise make a new one, and have \
                     the old key revoked",
                    path.display()
                );
            }
            Self::NotAKey { path } => {
                return format!(
                    "if the key has another form, convert it with openssl pkcs8 -topk8 -in {}; if the \
                     file is damaged, restore it from a backup",
                    path.display()
                );
            }
            Self::NoTerminal { instead, .. } => instead,
            Self::Unreadable { .. } => "check the path and its permissions",
            Self::NotPublic { .. } => {
                "make it with `bundle key export public`, or openssl pkey -pubout"
            }
            Self::Encryption { .. } => {
                "encrypt it with openssl pkcs8 -topk8 -v2 aes-256-cbc, or with -scrypt"
            }
            Self::WrongPassphrase { .. } => "try again, with the passphrase of this key",
            Self::Answer(_) => "run the command again",
            Self::NotRelease { .. } => {
                "name a release key of the newest root document with --key (`bundle root show` lists \
                 them), or have this key added with `bundle root add-key`"
            }
            Self::Twice(_) => "name every key once: distinct keys count, never signatures",
            Self::Dangling(_) => {
                "mount or restore what it points to; a new key in its place would be trusted by no host"
            }
            Self::RootWithoutKey { .. } => {
                "restore the key from a backup: hosts that trust these root documents trust no new key \
                 before a root version lists it; or name another release key with --key, or build with \
                 --unsigned"
            }
            Self::Exists(_) => {
                "name another file: a key is never replaced, since hosts may trust it"
            }
            Self::None(_) => "run `bundle key create`, or build a bundle, which makes the key",
            Self::NoHome => "set HOME, or name a directory with --config-dir",
            Self::Make(_) => "this is a bug or a broken system: please report it",
            Self::Output(_) => "make sure that the directory is writable",
            Self::Interrupted(_) => "run the same command again",
            Self::Token(_) | Self::Roots(_) => "",
        };
        advice.to_owned()
    }
}
