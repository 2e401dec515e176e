//! Reads a component's settings from its files and reports what could not be read.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use manifests::product::Component;

use super::Settings;
use crate::layout::Layout;

/// Largest configuration file that is read.
const CONFIG_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// The settings of a component, as far as its files could be read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Notes for a person.
    pub notes: Vec<String>,
    /// Why the settings may be incomplete.
    pub trouble: Option<Trouble>,
}

/// Why settings are unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong with which file.
    pub why: String,
    /// Whether the caller may not read it.
    pub is_denied: bool,
}

/// Reads a component's configuration and environment files. The configuration file must exist and
/// be JSON; an environment file may be missing.
#[must_use]
pub fn load(layout: &Layout, component: &Component) -> Loaded {
    let mut trouble: Option<Trouble> = None;
    let mut texts = Vec::new();
    for path in &component.environment {
        match read_bounded(&layout.at(path)) {
            Ok(text) => texts.push(text),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => trouble = trouble.or_else(|| Some(unread(path, &error))),
        }
    }
    let mut config = None;
    if let Some(path) = component.config.first() {
        match read_bounded(&layout.at(path)) {
            Ok(text) => config = Some((path.as_str(), text)),
            Err(error) => trouble = trouble.or_else(|| Some(unread(path, &error))),
        }
    }
    let config = config.as_ref().map(|(path, text)| (*path, text.as_str()));
    let (settings, notes) = Settings::read(&texts, config);
    let broken = notes.first().map(|note| Trouble {
        why: note.clone(),
        is_denied: false,
    });
    Loaded {
        settings,
        trouble: trouble.or(broken),
        notes,
    }
}

fn unread(path: &str, error: &io::Error) -> Trouble {
    Trouble {
        why: format!("{path} cannot be read: {error}"),
        is_denied: error.kind() == ErrorKind::PermissionDenied,
    }
}

/// Reads a configuration file. Its owner may be the service's user, so a pipe, a device or an
/// endless file must not hang or exhaust this process.
fn read_bounded(path: &Path) -> io::Result<String> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    file.take(CONFIG_MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > CONFIG_MAX_BYTES {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    Ok(text)
}
