//! Finds the stores that the components' own configuration names. Pure over the settings that were
//! read.

use std::cell::Cell;
use std::collections::BTreeSet;

use manifests::product::{Component, Engine, EngineRule, Setting, StoreRule};
use serde::{Deserialize, Serialize};

use super::record::is_name;
use super::{Access, StoreError};
use crate::host::Services;
use crate::layout::Layout;
use crate::settings::{self, Loaded, Settings, Unfollowed};

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
    /// Whether all its users make its content anew by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache: bool,
    /// Files of its users' settings that a stop of the service or a boot takes away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vanishing: Vec<String>,
    /// Tables or collections that no user needs in a dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
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
    /// Whether the configuration is understood, and names something that this tool does not dump or
    /// read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_reach: bool,
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
pub fn discover(services: &dyn Services, layout: &Layout, components: &[&Component]) -> Discovery {
    let mut discovery = Discovery::default();
    // The stores of another root directory cannot be reached from here.
    for component in components.iter().filter(|_| layout.is_live()) {
        if !component.stores.is_empty() {
            let read = settings::load(services, layout, component);
            let launched = settings::launched(services, layout, component, &read);
            let trouble = read.trouble.clone().or(launched);
            let vanishing = read.vanishing(layout);
            discovery.look_at(component, &Loaded { trouble, ..read }, &vanishing);
        }
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

    /// Adds the stores of an earlier look, before services were held, and prefers the access that it
    /// found: settings in a directory that systemd makes for a service (`RuntimeDirectory=`) are gone
    /// while the service is stopped, such as the password of a store that another file still names.
    #[must_use]
    pub fn or(mut self, earlier: Option<&Self>) -> Self {
        for (store, access) in earlier.into_iter().flat_map(|earlier| &earlier.found) {
            let mut known = self.found.iter_mut();
            match known.find(|(known, _)| known.endpoint == store.endpoint) {
                Some((_, now)) => now.clone_from(access),
                None => self.found.push((store.clone(), access.clone())),
            }
        }
        self
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

    fn look_at(&mut self, component: &Component, read: &Loaded, vanishing: &[String]) {
        for rule in &component.stores {
            if let Some(trouble) = &read.trouble {
                let unclear = unclear(component, &rule.id, &trouble.why);
                self.unclear.push(UnclearStore {
                    is_denied: trouble.is_denied,
                    ..unclear
                });
                continue;
            }
            for entry in entries(rule, &read.settings) {
                let id = entry.as_ref().map(|entry| format!("{}-{entry}", rule.id));
                let id = id.as_ref().unwrap_or(&rule.id);
                let name = format!("{}-{id}", component.name);
                if !is_name(&name) {
                    let why = format!("{name:?} cannot be the name of a store");
                    self.unclear.push(unclear(component, &rule.id, &why));
                    continue;
                }
                let look = Look {
                    settings: &read.settings,
                    entry: entry.as_deref(),
                    is_denied: Cell::new(false),
                    out_of_reach: Cell::new(false),
                };
                match look.access(rule) {
                    Ok(Some(access)) => self.add(component, rule, name, access, vanishing),
                    Ok(None) => {}
                    Err(why) => self.unclear.push(UnclearStore {
                        is_denied: look.is_denied.get(),
                        out_of_reach: look.out_of_reach.get(),
                        ..unclear(component, id, &why)
                    }),
                }
            }
        }
    }

    fn add(
        &mut self,
        component: &Component,
        rule: &StoreRule,
        name: String,
        access: Access,
        vanishing: &[String],
    ) {
        let endpoint = access.endpoint();
        let user = (component.name.clone(), rule.id.clone());
        let known = self.found.iter_mut().find(|(s, _)| s.endpoint == endpoint);
        if let Some((store, _)) = known {
            store.names.push(name);
            store.users.push(user);
            store.may_be_empty &= rule.may_be_empty;
            store.cache &= rule.cache;
            store.vanishing.extend_from_slice(vanishing);
            store.vanishing.sort();
            store.vanishing.dedup();
            // What one of the users needs is dumped.
            store.exclude.retain(|name| rule.exclude.contains(name));
            return;
        }
        let store = FoundStore {
            names: vec![name],
            title: rule.title.clone(),
            engine: access.kind(),
            endpoint,
            users: vec![user],
            may_be_empty: rule.may_be_empty,
            cache: rule.cache,
            vanishing: vanishing.to_vec(),
            exclude: rule.exclude.clone(),
        };
        self.found.push((store, access));
    }
}

fn unclear(component: &Component, id: &str, why: &str) -> UnclearStore {
    UnclearStore {
        name: format!("{}-{id}", component.name),
        component: component.name.clone(),
        why: why.to_owned(),
        is_denied: false,
        out_of_reach: false,
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

/// A component's settings, for one entry of an object or for none. A reason that it gives holds no
/// value of a setting.
pub(super) struct Look<'a> {
    settings: &'a Settings,
    entry: Option<&'a str>,
    /// Whether a value stands where the caller may not read.
    is_denied: Cell<bool>,
    /// Whether a value is understood, and means something that this tool does not reach.
    out_of_reach: Cell<bool>,
}

impl Look<'_> {
    fn own(&self, setting: &Setting) -> Setting {
        match self.entry {
            Some(entry) => setting.for_entry(entry),
            None => setting.clone(),
        }
    }

    pub(super) fn get(&self, setting: &Setting) -> Result<String, String> {
        self.follow(self.settings.get(&self.own(setting)))
    }

    fn follow(&self, value: String) -> Result<String, String> {
        self.settings.follow(value).map_err(|error| match error {
            Unfollowed::Missing(why) => why,
            Unfollowed::Denied(why) => {
                self.is_denied.set(true);
                why
            }
            Unfollowed::Elsewhere(why) => {
                self.out_of_reach.set(true);
                why
            }
        })
    }

    pub(super) fn list(&self, setting: &Setting) -> Result<Vec<String>, String> {
        let found = self.settings.list(&self.own(setting)).into_iter();
        found.map(|value| self.follow(value)).collect()
    }

    pub(super) fn is_on(&self, setting: &Setting) -> Result<bool, String> {
        self.settings.is_on(&self.own(setting))
    }

    pub(super) fn some(&self, setting: &Setting) -> Result<Option<String>, String> {
        Ok(Some(self.get(setting)?).filter(|text| !text.is_empty()))
    }

    /// Returns the access to a rule's store; nothing if the component does not use it.
    fn access(&self, rule: &StoreRule) -> Result<Option<Access>, String> {
        if let Some(condition) = &rule.only_if {
            let mut condition = condition.clone();
            condition.setting = self.own(&condition.setting);
            if !self.settings.holds(&condition)? {
                return Ok(None);
            }
        }
        match self.engine(&rule.engine)? {
            Some(engine) => Access::of(engine, self, rule),
            None => Ok(None),
        }
    }

    /// Returns the kind of a store; nothing for a kind that is known to be none.
    fn engine(&self, rule: &EngineRule) -> Result<Option<Engine>, String> {
        let kind = self.get(&rule.setting)?;
        let is_it =
            |name: &String| *name == kind || (rule.ignore_case && name.eq_ignore_ascii_case(&kind));
        if let Some((_, engine)) = rule.names.iter().find(|(name, _)| is_it(name)) {
            return Ok(Some(*engine));
        }
        let sub = rule.subtype.as_ref().filter(|sub| sub.of.iter().any(is_it));
        if let Some(sub) = sub {
            return self.engine(&sub.engine);
        }
        if rule.no_store.iter().any(is_it) {
            return Ok(None);
        }
        if let Some((_, title)) = rule.not_dumped.iter().find(|(name, _)| is_it(name)) {
            self.out_of_reach.set(true);
            return Err(format!("{title}: not dumped by this tool"));
        }
        let kind: String = kind.chars().take(40).collect();
        Err(format!("its kind is {kind:?}, which is not known here"))
    }
}

#[cfg(test)]
mod tests;
