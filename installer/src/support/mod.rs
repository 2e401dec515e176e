//! An archive that helps a vendor to understand a host, without the host's secrets.
//!
//! It contains only our documents and logs, facts of rpm and systemd, and the shape of
//! configuration: never a backup, a dump or a configuration file. Every text passes through
//! `redact`, because scriptlets and services may have printed secrets.

mod older;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use manifests::product::Component;
use serde_json::{Value, json};

use crate::failure::chain;
use crate::history::{self, PastRun};
use crate::host::Host;
use crate::layout::Layout;
use crate::secure_fs;
use crate::{redact, settings, stores};
use redact::Secrets;

/// Largest part of a file that is taken, from its end.
const FILE_MAX_BYTES: u64 = 4 << 20;
/// How much of a service's log is taken: its last lines of the last day.
const LOG_SECS: u64 = 86_400;
const LOG_LINES: u32 = 500;

/// The texts of an archive, by name, without secrets.
#[derive(Debug, Default)]
pub struct Support {
    texts: BTreeMap<String, String>,
    /// Why secrets of earlier times are not known: one line for each run.
    unknown: Vec<String>,
}

impl Support {
    /// Collects the texts. A text that cannot be read is replaced by the reason.
    #[must_use]
    pub fn collect(host: &dyn Host, layout: &Layout) -> Self {
        let mut support = Self::default();
        let runs = history::all(layout);
        let components = components(runs.as_ref().map_or(&[], |past| &past.runs));
        let mut secrets = support.configuration(host, layout, &components);
        if let Ok(past) = &runs {
            support.unknown = older::add(layout, &past.runs, &mut secrets);
        }
        support.host(host, layout);
        support.product(host, layout, &components);
        match runs {
            Ok(past) => {
                past.runs.iter().for_each(|run| support.run(layout, run.id));
                // Its components are unknown, and so are the secrets that its logs may hold.
                for run in &past.unreadable {
                    support.put(&format!("runs/{}/unreadable.txt", run.id), run.why.clone());
                }
            }
            Err(why) => support.put("runs/unreadable.txt", why),
        }
        for text in support.texts.values_mut() {
            *text = secrets.remove_from(text);
        }
        support
    }

    /// Returns the names of the texts with their sizes in bytes.
    pub fn list(&self) -> impl Iterator<Item = (&str, usize)> {
        self.texts
            .iter()
            .map(|(name, text)| (name.as_str(), text.len()))
    }

    /// Writes a compressed tar of the texts.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let encoder = GzEncoder::new(out, Compression::best());
        let mut archive = tar::Builder::new(encoder);
        for (name, text) in &self.texts {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, format!("support/{name}"), text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }

    fn put(&mut self, name: &str, text: impl Into<String>) {
        self.texts.insert(name.to_owned(), text.into());
    }

    fn put_json(&mut self, name: &str, value: &Value) {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        self.put(name, text + "\n");
    }

    /// Adds the shape of each configuration and returns every word in it that may be a secret.
    fn configuration(
        &mut self,
        host: &dyn Host,
        layout: &Layout,
        components: &[Component],
    ) -> Secrets {
        let mut secrets = Secrets::default();
        for component in components {
            let loaded = settings::load(host, layout, component);
            secrets.add_settings(&loaded.settings);
            if let Some(config) = loaded.settings.config() {
                let name = format!("configuration/{}.json", component.name);
                self.put_json(&name, &redact::shape(config));
            }
            let names: Vec<&str> = loaded.settings.variables().map(|(name, _)| name).collect();
            if !names.is_empty() {
                let name = format!("configuration/{}.variables.txt", component.name);
                self.put(&name, names.join("\n") + "\n");
            }
            if let Some(trouble) = loaded.trouble {
                self.put(
                    &format!("configuration/{}.txt", component.name),
                    trouble.why,
                );
            }
        }
        secrets
    }

    fn host(&mut self, host: &dyn Host, layout: &Layout) {
        let identity = host.identity();
        let space = host.space(&layout.state());
        let about = json!({
            "installer": crate::version().to_string(),
            "taken": host.now(),
            "host": identity.as_ref().ok(),
            "earlier_secrets_unknown": self.unknown,
            "trouble": identity.err().map(|error| chain(&error)),
            "state_free_bytes": space.as_ref().ok().map(|space| space.free_bytes),
            "state_free_inodes": space.ok().map(|space| space.free_inodes),
        });
        self.put_json("about.json", &about);
    }

    fn product(&mut self, host: &dyn Host, layout: &Layout, components: &[Component]) {
        let names: Vec<&str> = components.iter().map(|c| c.package.as_str()).collect();
        let packages = match host.installed(&names) {
            Ok(found) => {
                let names: Vec<String> = found.iter().map(|one| one.nevra.to_string()).collect();
                names.join("\n")
            }
            Err(error) => chain(&error),
        };
        self.put("packages.txt", packages);
        let verify = match (names.as_slice(), host.rpm_verify(&names)) {
            ([], _) => String::new(),
            (_, Ok(lines)) => lines.join("\n"),
            (_, Err(error)) => chain(&error),
        };
        self.put("rpm-verify.txt", verify);
        let mut units: BTreeMap<&str, Result<_, String>> = BTreeMap::new();
        for unit in components.iter().filter_map(|c| c.unit.as_deref()) {
            let state = host.unit(unit);
            units.insert(unit, state.map_err(|error| chain(&error)));
            let since = host.now().saturating_sub(LOG_SECS);
            let log = host.unit_log(unit, since, LOG_LINES);
            let log = log.map_or_else(|error| chain(&error), |lines| lines.join("\n"));
            self.put(&format!("logs/{unit}.txt"), log + "\n");
        }
        let entry = |(unit, state): (&&str, &Result<_, String>)| json!({"unit": unit, "state": state.as_ref().ok(), "trouble": state.as_ref().err()});
        self.put_json("units.json", &units.iter().map(entry).collect());
        let components: Vec<&Component> = components.iter().collect();
        let found = stores::discover(host, layout, &components).shown();
        self.put_json("stores.json", &json!(found));
    }

    fn run(&mut self, layout: &Layout, id: u64) {
        for path in layout.run(id).records() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.symlink_metadata().is_err() {
                continue;
            }
            let text = read_end(&path).unwrap_or_else(|error| format!("unreadable: {error}\n"));
            self.put(&format!("runs/{id}/{name}"), text);
        }
    }
}

/// Returns every component that a run knew, as the newest run knew it.
fn components(runs: &[PastRun]) -> Vec<Component> {
    let mut known = BTreeSet::new();
    let newest_first = runs
        .iter()
        .rev()
        .flat_map(|run| run.plan.known_components());
    newest_first
        .filter(|component| known.insert(component.name.clone()))
        .cloned()
        .collect()
}

fn read_end(path: &Path) -> Result<String, String> {
    use std::io::{Seek as _, SeekFrom};
    let mut file = secure_fs::open_read(path).map_err(|error| chain(&error))?;
    let read = |file: &mut std::fs::File| -> io::Result<Vec<u8>> {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(FILE_MAX_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read(&mut file).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
