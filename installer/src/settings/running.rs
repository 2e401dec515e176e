//! Compares what a running process got with what its unit and files give now.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use manifests::product::{Component, Condition, Setting, Source};

use super::load::{Loaded, Trouble};
use super::unit::{Service, named_config};
use crate::host::{Invocation, Services};
use crate::layout::Layout;

/// What an ordinary user learns, once for all services.
const NOT_COMPARED: &str =
    "only root can read what running processes got: it cannot be compared with their files";

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// For a person; without values, which may be secrets.
    pub notes: Vec<String>,
    /// Why the settings are not those that the service gets.
    pub trouble: Option<Trouble>,
}

/// Compares the variables that the product manifest reads, and the configuration file. Where another
/// program starts the component's, a difference may stay after a restart, so it is trouble.
#[must_use]
pub fn compare(
    services: &dyn Services,
    layout: &Layout,
    component: &Component,
    loaded: &Loaded,
) -> Running {
    let mut found = Running::default();
    let (Some(service), Some(program)) = (&loaded.service, &component.program) else {
        return found;
    };
    let unit = &service.name;
    let pid = service.unit.main_pid;
    let invocation = match pid {
        0 => Ok(None),
        pid => services.invocation(pid, program),
    };
    match (invocation, &service.launcher) {
        (Ok(Some(got)), launcher) => {
            let differences = differences(layout, component, loaded, service, &got);
            match launcher {
                Some(launcher) if !differences.is_empty() => {
                    found.trouble = Some(Trouble {
                        why: format!(
                            "{unit} starts {launcher}, and that gives {program} another {} than the \
                             unit; a restart ends this if the unit or its files changed since it started",
                            differences.join(", ")
                        ),
                        is_denied: false,
                    });
                }
                _ => found.notes.extend(differences.iter().map(|name| {
                    format!(
                        "the running process of {unit} has another {name} than its files: it changes \
                         with the restart"
                    )
                })),
            }
        }
        (Ok(None), Some(launcher)) => found.notes.push(format!(
            "{unit} starts {launcher}: what that gives {program} is known only while it runs"
        )),
        (Ok(None), None) => {}
        (Err(error), launcher) => {
            let is_denied = error.kind() == ErrorKind::PermissionDenied;
            let why = if is_denied {
                NOT_COMPARED.to_owned()
            } else {
                format!(
                    "what the running process of {unit} got cannot be compared with its files: {error}"
                )
            };
            found.trouble = launcher.as_ref().map(|_| Trouble {
                why: why.clone(),
                is_denied,
            });
            found.notes.push(why);
        }
    }
    found
}

/// Returns what [`compare`] finds of trouble, where another program starts the component's.
#[must_use]
pub fn launched(
    services: &dyn Services,
    layout: &Layout,
    component: &Component,
    loaded: &Loaded,
) -> Option<Trouble> {
    loaded.service.as_ref()?.launcher.as_ref()?;
    compare(services, layout, component, loaded).trouble
}

fn differences(
    layout: &Layout,
    component: &Component,
    loaded: &Loaded,
    service: &Service,
    got: &Invocation,
) -> Vec<String> {
    let ours = &loaded.settings.environment;
    let known = Known::of(component);
    let names = ours.keys().chain(got.environment.keys());
    let names: BTreeSet<&String> = names.filter(|name| known.has(name)).collect();
    let differ = names
        .into_iter()
        .filter(|name| ours.get(*name) != got.environment.get(*name));
    let mut differ: Vec<String> = differ.map(|name| format!("value of {name}")).collect();
    let words = got.arguments.get(1..).unwrap_or_default();
    let at = |word: &str| service.absolute(word);
    let theirs = named_config(words, component, |path| {
        at(path).is_ok_and(|path| layout.at(&path).is_file())
    });
    let theirs = theirs.and_then(|path| at(&path).ok());
    let ours = service.config.as_ref().or(component.config.first());
    if theirs.is_some() && theirs.as_ref() != ours {
        differ.push("configuration file".to_owned());
    }
    differ
}

/// The variables that a component's facts read.
#[derive(Default)]
struct Known<'a> {
    names: BTreeSet<&'a str>,
    prefixes: Vec<&'a str>,
}

impl<'a> Known<'a> {
    fn of(component: &'a Component) -> Self {
        let mut known = Self::default();
        let references = component.references.iter();
        let starts = references.filter_map(|reference| reference.variable_prefix());
        known.prefixes.extend(starts);
        known.condition(component.config_unless.as_ref());
        if let Some(health) = &component.health {
            let asked = [&health.address, &health.port, &health.path, &health.tls];
            known.settings(asked.into_iter().chain([&health.host_name]));
        }
        for rule in &component.stores {
            known.condition(rule.only_if.as_ref());
            let each = rule.each.as_ref();
            known
                .prefixes
                .extend(each.and_then(|each| each.env_prefix.as_deref()));
            let engine = &rule.engine;
            let subtype = engine.subtype.iter().map(|sub| &sub.engine.setting);
            known.settings(subtype.chain([&engine.setting]));
            known.settings(rule.settings());
        }
        known
    }

    fn condition(&mut self, condition: Option<&'a Condition>) {
        self.settings(condition.map(|condition| &condition.setting));
    }

    fn settings(&mut self, settings: impl IntoIterator<Item = &'a Setting>) {
        for setting in settings {
            let sources = setting.from.iter().chain(&setting.or);
            self.names.extend(sources.filter_map(|source| match source {
                Source::Env(name) => Some(name.as_str()),
                Source::Pointer(_) => None,
            }));
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name) || self.prefixes.iter().any(|start| name.starts_with(start))
    }
}

#[cfg(test)]
mod tests;
