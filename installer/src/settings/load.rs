//! Reads what a component's service really gets, and reports what could not be read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::pattern::matching;
use super::reader::Reader;
use super::unit::Service;
use super::{Settings, env_file};
use crate::host::{EnvironmentFile, Services};
use crate::layout::Layout;
use manifests::product::Component;

/// Largest configuration file that is read.
const CONFIG_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// The version of systemd where none is asked.
const NEWEST: u32 = u32::MAX;

/// The settings of a component, as far as they could be read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Notes for a person.
    pub notes: Vec<String>,
    /// Why the settings may be incomplete.
    pub trouble: Option<Trouble>,
    /// The unit that gives them, where a systemd tells.
    pub service: Option<Service>,
}

impl Loaded {
    /// Returns the files of these settings that do not outlive a stop of the service or a boot: those
    /// below `/run`, where systemd makes a `RuntimeDirectory=`, also by a symlink.
    #[must_use]
    pub fn vanishing(&self, layout: &Layout) -> Vec<String> {
        let service = self.service.iter();
        let of_unit = service.flat_map(Service::settings_files);
        let real = |path: &str| layout.at(path).canonicalize().ok();
        let run = real("/run");
        let vanishes = |path: &&String| {
            let real = real(path);
            real.is_some_and(|real| run.as_ref().is_some_and(|run| real.starts_with(run)))
        };
        let all = of_unit.chain(self.settings.referred_files());
        let mut found: Vec<String> = all.filter(vanishes).cloned().collect();
        found.sort();
        found.dedup();
        found
    }
}

/// Why settings are unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong with which file.
    pub why: String,
    /// Whether the caller may not read it.
    pub is_denied: bool,
}

/// Reads a component's settings: the variables that systemd gives its unit, and the configuration
/// file that the unit's command line names. Where no systemd tells, the files of the product
/// manifest count: the configuration file must exist, an environment file may be missing.
#[must_use]
pub fn load(services: &dyn Services, layout: &Layout, component: &Component) -> Loaded {
    let mut troubles = Vec::new();
    let mut service = match Service::of(services, component) {
        Ok(service) => service,
        Err(trouble) => {
            troubles.push(trouble);
            None
        }
    };
    let mut environment = BTreeMap::new();
    let usual = component.environment.iter().map(|path| EnvironmentFile {
        path: path.clone(),
        is_optional: true,
    });
    let usual: Vec<EnvironmentFile> = usual.collect();
    let (files, systemd) = match &service {
        Some(service) => {
            environment.clone_from(&service.unit.environment);
            (&service.unit.environment_files, service.unit.systemd)
        }
        None => (&usual, NEWEST),
    };
    let mut used = Vec::new();
    for file in files {
        read_variables(layout, file, systemd, &mut environment, &mut used)
            .unwrap_or_else(|trouble| troubles.push(trouble));
    }
    if let Some(service) = &mut service {
        service.environment_files = used;
        service.unset(&mut environment);
        service
            .read_command(layout, component, &environment)
            .and_then(|()| read_of_script(layout, &usual, service, &mut environment))
            .unwrap_or_else(|trouble| troubles.push(trouble));
    }
    let named = service.as_ref().and_then(|service| service.config.as_ref());
    let config = named.or(component.config.first());
    let text = match read_config(layout, component, &environment, config) {
        Ok(text) => text,
        Err(trouble) => {
            troubles.push(trouble);
            None
        }
    };
    let text = text.as_ref().map(|(path, text)| (*path, text.as_str()));
    let (mut settings, notes) = Settings::read(environment, text);
    let reader = service
        .as_ref()
        .map(|service| Reader::of(layout, &service.unit));
    settings.refer(layout, component, reader.as_ref());
    troubles.extend(notes.first().map(|note| Trouble {
        why: note.clone(),
        is_denied: false,
    }));
    Loaded {
        settings,
        trouble: troubles.into_iter().next(),
        notes,
        service,
    }
}

/// Reads what a script that the unit starts, such as one of System V, reads by itself: the product's
/// usual files, where the unit names none. They are the weakest.
fn read_of_script(
    layout: &Layout,
    usual: &[EnvironmentFile],
    service: &mut Service,
    environment: &mut BTreeMap<String, String>,
) -> Result<(), Trouble> {
    if service.launcher.is_none() || !service.unit.environment_files.is_empty() {
        return Ok(());
    }
    let (mut found, systemd) = (BTreeMap::new(), service.unit.systemd);
    for file in usual {
        let used = &mut service.environment_files;
        read_variables(layout, file, systemd, &mut found, used)?;
    }
    for (name, value) in found {
        environment.entry(name).or_insert(value);
    }
    Ok(())
}

/// Reads the configuration file, unless the program passes it over.
fn read_config<'a>(
    layout: &Layout,
    component: &Component,
    environment: &BTreeMap<String, String>,
    config: Option<&'a String>,
) -> Result<Option<(&'a str, String)>, Trouble> {
    let Some(path) = config else {
        return Ok(None);
    };
    if let Some(condition) = &component.config_unless {
        let (alone, _) = Settings::read(environment.clone(), None);
        let is_so = alone.holds(condition).map_err(|why| Trouble {
            why,
            is_denied: false,
        })?;
        if is_so {
            return Ok(None);
        }
    }
    match read_bounded(&layout.at(path)) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) => Err(unread(path, &error)),
    }
}

/// Reads the variables of a file, or of all that a pattern matches, in order of their names.
fn read_variables(
    layout: &Layout,
    file: &EnvironmentFile,
    systemd: u32,
    environment: &mut BTreeMap<String, String>,
    used: &mut Vec<String>,
) -> Result<(), Trouble> {
    let EnvironmentFile { path, is_optional } = file;
    let missing = || Trouble {
        why: format!("{path} does not exist, and the service does not start without it"),
        is_denied: false,
    };
    let paths = matching(layout, path)?;
    if paths.is_empty() && !is_optional {
        return Err(missing());
    }
    for path in paths {
        used.push(path.clone());
        match read_bounded(&layout.at(&path)) {
            Ok(text) => environment.extend(env_file::variables(&text, systemd)),
            Err(error) if error.kind() == ErrorKind::NotFound && *is_optional => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            // Systemd passes over an optional file that is none.
            Err(error) if *is_optional && error.kind() == ErrorKind::InvalidInput => {}
            Err(error) => return Err(unread(&path, &error)),
        }
    }
    Ok(())
}

pub(super) fn unread(path: &str, error: &io::Error) -> Trouble {
    Trouble {
        why: format!("{path} cannot be read: {error}"),
        is_denied: error.kind() == ErrorKind::PermissionDenied,
    }
}

/// Reads a configuration file. Its owner may be the service's user, so a pipe, a device or an
/// endless file must not hang or exhaust this process.
pub(super) fn read_bounded(path: &Path) -> io::Result<String> {
    read_open(&open_regular(path)?)
}

/// Opens a regular file, and waits for nothing.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        let kind = ErrorKind::InvalidInput;
        return Err(io::Error::new(kind, "it is not a regular file"));
    }
    Ok(file)
}

pub(super) fn read_open(file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(CONFIG_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CONFIG_MAX_BYTES {
        return Err(io::Error::other("it is larger than 4 MiB"));
    }
    // A comment in another encoding must not hide the rest from us: systemd reads it too.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
