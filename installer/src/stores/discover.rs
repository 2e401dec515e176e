//! Finds the stores that the components' own configuration names. Pure over the settings that were
//! read.

use std::collections::BTreeSet;

use manifests::product::{Component, Engine, Setting, StoreRule};
use serde::{Deserialize, Serialize};

use super::record::is_name;
use super::{Access, StoreError};
use crate::layout::Layout;
use crate::settings::{self, Settings};

/// A store that the configuration names, as a plan may show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundStore {
    /// `<component>-<store>` for each component that names it; the first is its name.
    pub names: Vec<String>,
    /// What it is, for people.
    pub title: String,
    /// Which kind.
    pub engine: Engine,
    /// Where, without secrets.
    pub endpoint: String,
    /// The components that use it, with the ids of their rules.
    pub users: Vec<(String, String)>,
    /// Whether the store may be empty.
    pub may_be_empty: bool,
}

/// A store that may exist, but whose configuration could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnclearStore {
    /// `<component>-<store>`.
    pub name: String,
    /// The component.
    pub component: String,
    /// What could not be understood, without secrets.
    pub why: String,
    /// Whether the reason is that the caller may not read the configuration.
    pub is_denied: bool,
}

/// The stores in the components' configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundStores {
    /// Those that were found.
    pub found: Vec<FoundStore>,
    /// Those that may exist.
    pub unclear: Vec<UnclearStore>,
}

/// Finds the stores of some components, each once, with the access to it.
#[must_use]
pub fn discover(layout: &Layout, components: &[&Component]) -> Discovery {
    let mut discovery = Discovery::default();
    // The stores of another root directory cannot be reached from here.
    for component in components.iter().filter(|_| layout.is_live()) {
        discovery.look_at(layout, component);
    }
    discovery
}

/// Stores and the access to each.
#[derive(Debug, Default)]
pub struct Discovery {
    found: Vec<(FoundStore, Access)>,
    unclear: Vec<UnclearStore>,
}

impl Discovery {
    /// Returns what a plan may show.
    #[must_use]
    pub fn shown(&self) -> FoundStores {
        FoundStores {
            found: self.found.iter().map(|(store, _)| store.clone()).collect(),
            unclear: self.unclear.clone(),
        }
    }

    /// Returns the access to the store at an endpoint. The name is only for messages, because it
    /// depends on which components exist.
    pub fn access(&self, name: &str, endpoint: &str) -> Result<&Access, StoreError> {
        let is_named = |(store, _): &&(FoundStore, Access)| store.names.iter().any(|n| n == name);
        let next = "put the component's configuration back as it was, or plan again";
        let what = || format!("the store {name} cannot be reached");
        if let Some((_, access)) = self.found.iter().find(|(s, _)| s.endpoint == endpoint) {
            return Ok(access);
        }
        let named = self.found.iter().find(is_named);
        let unclear = self.unclear.iter().find(|unclear| unclear.name == name);
        let why = if let Some((store, _)) = named {
            let now = &store.endpoint;
            format!("configuration names {now} by now, not {endpoint}")
        } else if let Some(unclear) = unclear {
            unclear.why.clone()
        } else {
            "configuration does not name it any more".to_owned()
        };
        Err(StoreError::new(what(), why, next))
    }

    fn look_at(&mut self, layout: &Layout, component: &Component) {
        if component.stores.is_empty() {
            return;
        }
        let read = settings::load(layout, component);
        for rule in &component.stores {
            if let Some(trouble) = &read.trouble {
                self.unclear.push(UnclearStore {
                    name: format!("{}-{}", component.name, rule.id),
                    component: component.name.clone(),
                    why: trouble.why.clone(),
                    is_denied: trouble.is_denied,
                });
                continue;
            }
            for entry in entries(rule, &read.settings) {
                let id = entry.as_ref().map(|entry| format!("{}-{entry}", rule.id));
                let name = format!("{}-{}", component.name, id.as_ref().unwrap_or(&rule.id));
                if !is_name(&name) {
                    self.unclear.push(UnclearStore {
                        name: format!("{}-{}", component.name, rule.id),
                        component: component.name.clone(),
                        why: format!("{name:?} cannot be the name of a store"),
                        is_denied: false,
                    });
                    continue;
                }
                let look = Look {
                    settings: &read.settings,
                    entry: entry.as_deref(),
                };
                match look.access(rule) {
                    Ok(Some(access)) => self.add(component, rule, name, access),
                    Ok(None) => {}
                    Err(why) => self.unclear.push(UnclearStore {
                        name,
                        component: component.name.clone(),
                        why,
                        is_denied: false,
                    }),
                }
            }
        }
    }

    fn add(&mut self, component: &Component, rule: &StoreRule, name: String, access: Access) {
        let endpoint = access.endpoint();
        let user = (component.name.clone(), rule.id.clone());
        let known = self.found.iter_mut().find(|(s, _)| s.endpoint == endpoint);
        if let Some((store, _)) = known {
            store.names.push(name);
            store.users.push(user);
            store.may_be_empty &= rule.may_be_empty;
            return;
        }
        let store = FoundStore {
            names: vec![name],
            title: rule.title.clone(),
            engine: access.kind(),
            endpoint,
            users: vec![user],
            may_be_empty: rule.may_be_empty,
        };
        self.found.push((store, access));
    }
}

/// Returns the entries to which a rule applies: one without a name, or each entry of an object.
fn entries(rule: &StoreRule, settings: &Settings) -> Vec<Option<String>> {
    let Some(each) = &rule.each else {
        return vec![None];
    };
    let mut names: BTreeSet<String> = settings.keys(&each.pointer).into_iter().collect();
    if let Some(prefix) = &each.env_prefix {
        for rest in settings.variables_after(prefix) {
            let name = rest.split('_').next().unwrap_or_default();
            let is_new = names.iter().all(|known| !known.eq_ignore_ascii_case(name));
            if is_new && !name.is_empty() {
                names.insert(name.to_ascii_lowercase());
            }
        }
    }
    names.into_iter().map(Some).collect()
}

/// A component's settings, for one entry of an object or for none.
pub(super) struct Look<'a> {
    settings: &'a Settings,
    entry: Option<&'a str>,
}

impl Look<'_> {
    pub(super) fn get(&self, setting: &Setting) -> String {
        match self.entry {
            Some(entry) => self.settings.get(&setting.for_entry(entry)),
            None => self.settings.get(setting),
        }
    }

    pub(super) fn list(&self, setting: &Setting) -> Vec<String> {
        match self.entry {
            Some(entry) => self.settings.list(&setting.for_entry(entry)),
            None => self.settings.list(setting),
        }
    }

    pub(super) fn is_on(&self, setting: &Setting) -> bool {
        matches!(self.get(setting).as_str(), "true" | "1")
    }

    pub(super) fn some(&self, setting: &Setting) -> Option<String> {
        Some(self.get(setting)).filter(|text| !text.is_empty())
    }

    /// Returns the access to a rule's store; nothing if the component does not use it.
    fn access(&self, rule: &StoreRule) -> Result<Option<Access>, String> {
        if let Some(condition) = &rule.only_if
            && !condition.any_of.contains(&self.get(&condition.setting))
        {
            return Ok(None);
        }
        let kind = self.get(&rule.engine.setting);
        let Some(engine) = rule.engine.names.get(&kind) else {
            if rule.engine.others_are_no_store {
                return Ok(None);
            }
            let kind: String = kind.chars().take(40).collect();
            return Err(format!("its kind is {kind:?}, which is not known here"));
        };
        Access::of(*engine, self, rule)
    }
}

#[cfg(test)]
mod tests;
