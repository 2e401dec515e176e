//! What the shape of a product manifest alone does not ensure.

use super::{Component, PRODUCT_TYPE, ProductError, ProductManifest, Versioning};

impl ProductManifest {
    /// Checks what the shape alone does not ensure.
    pub fn check(&self) -> Result<(), ProductError> {
        let refuse = |text: String| Err(ProductError::Inconsistent(text));
        if self.document != PRODUCT_TYPE {
            return refuse(format!(
                "its type is `{}`, not `{PRODUCT_TYPE}`",
                self.document
            ));
        }
        if !is_plain(&self.name) {
            return refuse(format!(
                "`{}` is not a product name (a-z, 0-9, -)",
                self.name
            ));
        }
        if self
            .component(&self.lead)
            .is_none_or(|lead| lead.versioning != Versioning::Lead)
        {
            return refuse(format!(
                "the lead `{}` is no component with lead versioning",
                self.lead
            ));
        }
        for (at, component) in self.components.iter().enumerate() {
            self.check_component(component)?;
            self.check_packages(component)?;
            if self.components[..at]
                .iter()
                .any(|earlier| earlier.name == component.name)
            {
                return refuse(format!("component `{}` is listed twice", component.name));
            }
        }
        self.extras.iter().try_for_each(|extra| extra.check(self))?;
        self.migrations.iter().try_for_each(|one| one.check(self))?;
        match self
            .pins
            .iter()
            .find(|pin| self.component(&pin.component).is_none())
        {
            Some(pin) => refuse(format!(
                "a pin names component `{}`, which is not there",
                pin.component
            )),
            None => Ok(()),
        }
    }

    /// A package belongs to one component, once.
    fn check_packages(&self, component: &Component) -> Result<(), ProductError> {
        for package in &component.packages {
            let named = |other: &&str| *other == package;
            let all = self.components.iter().flat_map(Component::all_packages);
            let why = if !crate::nevra::is_package_name(package) {
                "is no package name"
            } else if all.filter(named).count() > 1 {
                "is named twice"
            } else {
                continue;
            };
            let name = &component.name;
            let text = format!("component `{name}`: `{package}` in `packages` {why}");
            return Err(ProductError::Inconsistent(text));
        }
        Ok(())
    }

    fn check_component(&self, component: &Component) -> Result<(), ProductError> {
        let name = &component.name;
        let refuse = |text: String| Err(ProductError::Inconsistent(text));
        if !crate::nevra::is_package_name(&component.package) {
            return refuse(format!(
                "component `{name}`: `{}` is no package name",
                component.package
            ));
        }
        if !self
            .repositories
            .iter()
            .any(|repository| repository.id == component.repository && !repository.dependencies)
        {
            return refuse(format!(
                "component `{name}`: no repository `{}`",
                component.repository
            ));
        }
        let trees = component
            .backup
            .iter()
            .flat_map(|tree| tree.exclude.iter().chain([&tree.path]));
        let files = component
            .config
            .iter()
            .chain(&component.environment)
            .chain(&component.program);
        for path in trees.chain(files) {
            if !is_plain_path(path) {
                return refuse(format!(
                    "component `{name}`: `{path}` is not a plain absolute path"
                ));
            }
        }
        let is_package_name = |name: &String| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
        };
        if let Some(tool) = component.tools.iter().find(|tool| !is_package_name(tool)) {
            return refuse(format!("component `{name}`: `{tool}` is no package name"));
        }
        check_settings(component)?;
        for (at, store) in component.stores.iter().enumerate() {
            store.check(name)?;
            if component.stores[..at].iter().any(|s| s.id == store.id) {
                return refuse(format!(
                    "component `{name}`: store `{}` is listed twice",
                    store.id
                ));
            }
        }
        match &component.unit {
            Some(unit) if !is_service_name(unit) => refuse(format!(
                "component `{name}`: `{unit}` is not the name of a .service unit"
            )),
            _ => Ok(()),
        }
    }
}

/// Checks how a component's settings are found.
fn check_settings(component: &Component) -> Result<(), ProductError> {
    let is_flag = |flag: &String| {
        let word = flag.trim_start_matches('-');
        flag.starts_with('-') && !word.is_empty() && !word.contains([' ', '='])
    };
    if let Some(flag) = component.config_flags.iter().find(|flag| !is_flag(flag)) {
        return Err(ProductError::Inconsistent(format!(
            "component `{}`: `{flag}` is no option of a command line",
            component.name
        )));
    }
    let mut references = component.references.iter();
    references.try_for_each(|reference| reference.check(component))
}

/// Whether a path is absolute, without detours.
pub(super) fn is_plain_path(path: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() > 1 && path.starts_with('/') && path[1..].split('/').all(is_name)
}

pub(super) fn is_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether `unit` can be handed to systemd and used as a file name.
fn is_service_name(unit: &str) -> bool {
    unit.strip_suffix(".service").is_some_and(|stem| {
        stem.starts_with(|c: char| c.is_ascii_alphanumeric())
            && stem
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._@:-".contains(c))
    })
}
