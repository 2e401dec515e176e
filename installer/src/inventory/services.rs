//! Finds what the components' services really use: files that their units name, and settings that a
//! running process has and its files have not.

use std::collections::BTreeMap;

use manifests::product::Component;
use serde::{Deserialize, Serialize};

use crate::host::{Host, HostError, Services};
use crate::layout::Layout;
use crate::settings::{self, Trouble};

/// The service of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundService {
    /// Configuration files, files of variables and drop-ins that it uses.
    pub files: Vec<String>,
    /// For a person, without values.
    pub notes: Vec<String>,
    /// The unit, if its files are newer than what systemd has read of it.
    pub stale: Option<String>,
}

/// Asks about the services of some components, by their names.
#[must_use]
pub fn find(
    services: &dyn Services,
    layout: &Layout,
    components: &[&Component],
) -> BTreeMap<String, FoundService> {
    // The services of another root directory do not run here.
    let live = components.iter().filter(|_| layout.is_live());
    let found = live.filter_map(|component| {
        let loaded = settings::load(services, layout, component);
        let running = settings::compare(services, layout, component, &loaded);
        let service = loaded.service?;
        let mut notes = running.notes;
        // The stores of a component tell it with what to do about it.
        let told = |trouble: &Trouble| trouble.is_denied || !component.stores.is_empty();
        let trouble = loaded.trouble.filter(|trouble| !told(trouble));
        notes.extend(trouble.map(|trouble| trouble.why));
        let found = FoundService {
            files: service.files(),
            notes,
            stale: service.unit.needs_reload.then_some(service.name),
        };
        Some((component.name.clone(), found))
    });
    found.collect()
}

/// Whether a component is not used here: its unit is neither enabled nor at work, and nothing starts
/// it.
pub fn is_idle(host: &dyn Host, component: &Component) -> Result<bool, HostError> {
    // A bare template has no state.
    let unit = component.unit.as_ref().filter(|unit| !unit.contains("@."));
    let Some(unit) = unit else { return Ok(false) };
    let state = host.unit(unit)?;
    let is_off = matches!(state.file.as_str(), "disabled" | "masked");
    Ok(is_off && state.active == "inactive" && state.triggered_by.is_empty())
}
