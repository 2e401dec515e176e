//! Values that refer to another place.

use std::io;

use manifests::product::Component;
use serde_json::Value;

use super::Settings;
use super::load::{Trouble, open_regular, read_open, unread};
use super::reader::Reader;
use crate::layout::Layout;

/// More files than a configuration has secrets.
const FILES_MAX: usize = 64;

/// Why a reference could not be followed, without the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfollowed {
    /// The place is not there.
    Missing(String),
    /// The caller may not read it.
    Denied(String),
    /// The place is one that this tool does not read.
    Elsewhere(String),
}

impl Settings {
    /// Follows a value to the place to which it refers, if it is a reference.
    pub fn follow(&self, value: String) -> Result<String, Unfollowed> {
        let found = self.references.iter().find_map(|reference| {
            let rest = value.strip_prefix(&reference.starts)?;
            Some((reference, rest))
        });
        let Some((reference, rest)) = found else {
            return Ok(value);
        };
        let starts = &reference.starts;
        if let Some(name) = reference.variable(rest) {
            let value = self.environment.get(&name).cloned();
            return value.ok_or_else(|| {
                Unfollowed::Missing(format!(
                    "one of its values ({starts}) stands in {name}, which is not set"
                ))
            });
        }
        if reference.file {
            let none =
                || Unfollowed::Missing(format!("one of its values ({starts}) names no file"));
            return match self.referred.get(rest).ok_or_else(none)? {
                Ok(text) => Ok(text.clone()),
                Err(trouble) if trouble.is_denied => Err(Unfollowed::Denied(trouble.why.clone())),
                Err(trouble) => Err(Unfollowed::Missing(trouble.why.clone())),
            };
        }
        Err(Unfollowed::Elsewhere(format!(
            "one of its values stands where this tool does not read ({starts})"
        )))
    }

    /// Takes over how values refer to other places, and reads the files among those as far as the
    /// service's user may: a user who writes the configuration must not get root's files sent out.
    pub(super) fn refer(
        &mut self,
        layout: &Layout,
        component: &Component,
        reader: Option<&Reader>,
    ) {
        self.references.clone_from(&component.references);
        let files = component.references.iter().filter(|one| one.file);
        let starts: Vec<&str> = files.map(|one| one.starts.as_str()).collect();
        let mut paths = Vec::new();
        let mut look = |text: &str| {
            let found = starts.iter().find_map(|start| text.strip_prefix(start));
            paths.extend(found.map(str::to_owned));
        };
        self.environment.values().for_each(|text| look(text));
        if let Some(config) = &self.config {
            each_text(config, &mut look);
        }
        for path in paths.into_iter().take(FILES_MAX) {
            let found = secret(layout, &path, reader);
            self.referred.insert(path, found);
        }
    }
}

fn secret(layout: &Layout, path: &str, reader: Option<&Reader>) -> Result<String, Trouble> {
    let unread = |error: io::Error| unread(path, &error);
    let at = layout.at(path);
    let file = open_regular(&at).map_err(unread)?;
    let is_his = match reader {
        Some(reader) => reader.may_read(layout, &file).map_err(unread)?,
        None => false,
    };
    if !is_his {
        return Err(Trouble {
            why: format!("{path} is not known to be a file that the service's user may read"),
            is_denied: false,
        });
    }
    let text = read_open(&file).map_err(unread)?;
    // Editors end the last line.
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn each_text(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(all) => all.iter().for_each(|one| each_text(one, look)),
        Value::Object(all) => all.values().for_each(|one| each_text(one, look)),
        _ => {}
    }
}
