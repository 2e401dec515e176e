//! The product's part: its packages, services, settings and data stores.

use std::time::Duration;

use manifests::product::{Component, ProductManifest};

use super::super::render;
use super::super::session::Session;
use super::Check;
use crate::event::Event;
use crate::failure::chain;
use crate::health::{self, Expected};
use crate::host::{Host as _, InstalledPackage};
use crate::inventory::{Inventory, Subject};
use crate::stores::{self, Limit, Stores as _};

/// Longest time for the inspection of one store.
const LOOK: Duration = Duration::from_secs(30);

pub(super) fn checks(session: &Session, product: &ProductManifest) -> Vec<Check> {
    let components: Vec<&Component> = product.components.iter().collect();
    let subject = Subject {
        packages: components.iter().map(|c| c.package.as_str()).collect(),
        components,
        ..Subject::default()
    };
    let inventory = match Inventory::take(&session.host, &session.layout, &subject) {
        Ok(inventory) => inventory,
        Err(error) => {
            let next = "make `rpm -qa` and `systemctl show` work on this host first";
            return vec![Check::problem("inventory", chain(&error), next)];
        }
    };
    let mut checks = Vec::new();
    let mut present = Vec::new();
    for component in &product.components {
        match inventory.installed(&component.package).as_slice() {
            [] => {}
            [one] => {
                present.push(component);
                checks.push(Check::fine(
                    "package",
                    format!("{} is installed", one.nevra),
                ));
                checks.extend(service(session, component, one));
            }
            several => {
                let names: Vec<String> = several.iter().map(|one| one.nevra.to_string()).collect();
                let what = format!("installed more than once: {}", names.join(", "));
                let next = "an earlier transaction was cut off: remove the duplicate with `rpm -e`";
                checks.push(Check::problem("package", what, next));
            }
        }
    }
    if present.is_empty() {
        let what = format!("nothing of {} is installed", product.title);
        let next = "install the product first, or name its manifest with --product";
        checks.push(Check::warning("package", what, next));
    }
    let next = "restart the service, or correct the file: a run goes by the files";
    for (component, found) in &inventory.services {
        let notes = found.notes.iter();
        checks.extend(
            notes.map(|note| Check::warning("settings", format!("{component}: {note}"), next)),
        );
    }
    let agent = |note| Check::warning("agent", note, "stop it for the time of a run");
    checks.extend(inventory.agent_notes().map(agent));
    checks.extend(data(session, &present));
    checks
}

/// Checks the unit and the health of a component.
fn service(session: &Session, component: &Component, installed: &InstalledPackage) -> Vec<Check> {
    let host = &session.host;
    let unit = component.unit.as_ref().filter(|unit| !unit.contains("@."));
    let (Some(unit), true) = (unit, session.layout.is_live()) else {
        return Vec::new();
    };
    let state = match host.unit(unit) {
        Ok(state) => state,
        Err(error) => {
            let next = format!("make `systemctl show {unit}` work");
            return vec![Check::problem("unit", chain(&error), next)];
        }
    };
    if state.load == "masked" || state.file.starts_with("masked") {
        let next = format!("`systemctl unmask {unit}`, if it is meant to run after an upgrade");
        return vec![Check::warning("unit", format!("{unit} is masked"), next)];
    }
    if !state.is_up() {
        let what = format!("{unit} does not run ({})", state.active);
        let next =
            format!("`systemctl start {unit}`: only a service that runs shows that it is well");
        return vec![Check::warning("unit", what, next)];
    }
    let expected = Expected {
        version: installed.nevra.evr().version(),
        program: None,
    };
    let tell = |what| render::event(&Event::Waiting { what });
    let title = &component.title;
    vec![
        match health::ask_before(host, &session.layout, component, expected, &tell) {
            Ok(()) => Check::fine("health", format!("{title} is well ({unit})")),
            Err(ill) => Check::problem(
                "health",
                format!("{title} is not well: {}", ill.why),
                format!(
                    "make it well first, or give the reason with --unhealthy-before {}=REASON",
                    component.name
                ),
            ),
        },
    ]
}

/// Checks that each store can be reached and dumped.
fn data(session: &Session, components: &[&Component]) -> Vec<Check> {
    if components.is_empty() {
        return Vec::new();
    }
    let (host, layout) = (&session.host, &session.layout);
    let discovery = stores::discover(host, layout, components);
    let shown = discovery.shown();
    let limit = Limit {
        time: LOOK,
        stopped: &|| false,
    };
    let reached = session.stores();
    let mut checks = Vec::new();
    for store in &shown.found {
        let name = store.names.first().map_or("", String::as_str);
        let look = discovery
            .access(name, &store.endpoint)
            .and_then(|access| reached.look(access, limit));
        checks.push(match look {
            Ok(look) => Check::fine(
                "store",
                format!(
                    "{name} = {} answers (version {}, up to {} MiB to dump)",
                    store.endpoint,
                    look.version,
                    look.bytes.div_ceil(1 << 20)
                ),
            ),
            Err(error) => Check::problem("store", error.to_string(), error.next),
        });
    }
    for unclear in &shown.unclear {
        let what = format!("{} is not understood: {}", unclear.name, unclear.why);
        checks.push(if unclear.is_denied {
            Check::not_checked("store", what)
        } else {
            Check::problem(
                "store",
                what,
                format!(
                    "mend the configuration of {}, or give the reason with --backed-up-elsewhere \
                     {}=REASON",
                    unclear.component, unclear.name
                ),
            )
        });
    }
    checks
}
