//! Settings of a component that is not installed, which an earlier installation or a person left:
//! they may name data of an older version.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use manifests::product::Component;

use crate::layout::Layout;

/// What rpm adds to the name of configuration that it saves when it removes a package.
const SAVED: &str = ".rpmsave";

/// Returns the directory of a unit's drop-ins that people write.
fn drop_ins(component: &Component) -> Option<String> {
    let unit = component.unit.as_ref()?;
    Some(format!("/etc/systemd/system/{unit}.d/"))
}

/// Whether a file holds settings of a component: its configuration, also as rpm saved it, its
/// variables, or a drop-in of its unit.
pub(crate) fn is_setting(component: &Component, path: &str) -> bool {
    let plain = path.strip_suffix(SAVED).unwrap_or(path);
    let is_config = component.config.iter().any(|config| config == plain);
    let is_variables = component.environment.iter().any(|file| file == path);
    let is_drop_in = |dir: String| {
        let name = path.strip_prefix(&dir);
        name.is_some_and(|name| is_conf(name) && name != Layout::DROP_IN)
    };
    is_config || is_variables || drop_ins(component).is_some_and(is_drop_in)
}

/// Whether systemd reads a file as a drop-in.
fn is_conf(name: &str) -> bool {
    Path::new(name).extension() == Some(OsStr::new("conf"))
}

/// Returns the files with settings that lie on the host, for each component that has some.
pub(super) fn of(layout: &Layout, components: &[&Component]) -> BTreeMap<String, Vec<String>> {
    let all = components.iter();
    let all = all.map(|one| (one.name.clone(), settings(layout, one)));
    all.filter(|(_, paths)| !paths.is_empty()).collect()
}

fn settings(layout: &Layout, component: &Component) -> Vec<String> {
    let saved = component.config.iter().map(|path| format!("{path}{SAVED}"));
    let usual = component.config.iter().chain(&component.environment);
    let mut paths: Vec<String> = usual.cloned().chain(saved).collect();
    if let Some(dir) = drop_ins(component) {
        let entries = std::fs::read_dir(layout.at(&dir)).into_iter().flatten();
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        paths.extend(names.map(|name| format!("{dir}{name}")));
    }
    let is_left =
        |path: &String| is_setting(component, path) && layout.at(path).symlink_metadata().is_ok();
    paths.retain(is_left);
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use manifests::product::{ProductManifest, TYK};

    use super::*;
    use crate::settings::fake::Site;

    /// The address of an old database stood in a drop-in, and the plan knew only the configuration.
    #[test]
    fn every_place_of_settings_counts() {
        let product = ProductManifest::from_toml(TYK).unwrap();
        let dashboard = product.component("dashboard").unwrap();
        let unit = dashboard.unit.as_deref().unwrap();
        let drop_in = format!("/etc/systemd/system/{unit}.d/site.conf");
        let hold = format!("/etc/systemd/system/{unit}.d/{}", Layout::DROP_IN);
        let saved = format!("{}.rpmsave", dashboard.config[0]);
        let variables = &dashboard.environment[0];
        for path in [&drop_in, &saved, variables, &dashboard.config[0]] {
            let site = Site::new(&[(path, ""), (&hold, "")], "");
            assert_eq!(
                &settings(&site.layout, dashboard),
                std::slice::from_ref(path)
            );
        }
        assert!(settings(&Site::new(&[(&hold, "")], "").layout, dashboard).is_empty());
    }
}
