//! Passphrases and PINs: from a private file, the environment or the terminal, never from arguments.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use manifests::secret::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::KeyError;
use crate::interrupt;

const MAX_BYTES: usize = 4096;
/// How long a person may type before a signal is looked at.
const GLANCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Where passphrases come from.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// A file that only its owner reads.
    pub passphrase_file: Option<PathBuf>,
}

impl Secrets {
    /// Returns the passphrase of a key.
    pub fn passphrase(&self, key: &Path) -> Result<Secret, KeyError> {
        if let Some(path) = &self.passphrase_file {
            return read_private(path);
        }
        if let Some(secret) = variable("BUNDLE_KEY_PASSPHRASE") {
            return Ok(secret);
        }
        ask(
            &format!("the passphrase of {}", key.display()),
            "give it in a private file with --passphrase-file, or in BUNDLE_KEY_PASSPHRASE",
        )
    }

    /// Returns a new passphrase; from a terminal it is asked for twice.
    pub fn new_passphrase(&self) -> Result<Secret, KeyError> {
        let key = Path::new("the new key");
        let secret = self.passphrase(key)?;
        if secret.reveal().is_empty() {
            return Err(KeyError::Answer("an empty passphrase protects nothing"));
        }
        if self.passphrase_file.is_some() || variable("BUNDLE_KEY_PASSPHRASE").is_some() {
            return Ok(secret);
        }
        if ask("the same passphrase again", "")? != secret {
            return Err(KeyError::Answer("the two passphrases are not the same"));
        }
        Ok(secret)
    }

    /// Returns the PIN of a token.
    pub fn pin(&self, token: &str, file: Option<&Path>) -> Result<Secret, KeyError> {
        if let Some(path) = file {
            return read_private(path);
        }
        if let Some(secret) = variable("BUNDLE_KEY_PIN") {
            return Ok(secret);
        }
        ask(
            &format!("the PIN of {token}"),
            "name a private file in the URI (pin-source=file:/path), or set BUNDLE_KEY_PIN",
        )
    }
}

fn variable(name: &str) -> Option<Secret> {
    std::env::var(name).ok().map(Secret::new)
}

/// Reads a secret from a file that only its owner can read; one line end at its end is not of it.
fn read_private(path: &Path) -> Result<Secret, KeyError> {
    let unreadable = |source| KeyError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    check_private(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES as u64)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

/// Refuses an open file that others can read.
pub(super) fn check_private(path: &Path, file: &File) -> Result<(), KeyError> {
    let unreadable = |source| KeyError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

/// Asks on the terminal of the process, whatever its streams are, and shows nothing of the answer.
fn ask(what: &str, instead: &'static str) -> Result<Secret, KeyError> {
    let no_terminal = || KeyError::NoTerminal {
        what: what.to_owned(),
        instead,
    };
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal = terminal.map_err(|_| no_terminal())?;
    write!(terminal, "{what}: ").map_err(|_| no_terminal())?;
    let quiet = Quiet::begin(&terminal).ok_or_else(no_terminal)?;
    let line = read_line(&terminal);
    drop(quiet);
    let _ = writeln!(terminal);
    line?.ok_or_else(no_terminal)
}

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> Option<Self> {
        let before = tcgetattr(terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet).ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Reads a line, or nothing at the end of input.
fn read_line(mut terminal: &File) -> Result<Option<Secret>, KeyError> {
    let mut buffer = Zeroizing::new([0_u8; MAX_BYTES]);
    loop {
        interrupt::check()?;
        let mut ready = [PollFd::new(&terminal, PollFlags::IN)];
        if !matches!(poll(&mut ready, Some(&GLANCE)), Ok(1..)) {
            continue;
        }
        // In the terminal's usual mode a read gives a whole line.
        let Ok(taken) = terminal.read(&mut buffer[..]) else {
            continue;
        };
        let line = buffer[..taken].strip_suffix(b"\n");
        let Some(text) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
            return Ok(None);
        };
        return Ok(Some(Secret::new(text)));
    }
}
