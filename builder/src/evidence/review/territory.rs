//! The places where a product's files belong, as its manifest lists them.

use manifests::package_files::PackagedFile;
use manifests::product::{Component, ProductManifest};

/// Directories that many packages share: a program in one of them makes none of the others its own.
const SHARED: [&str; 12] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt",
];
/// Where units are; rpm knows both names.
const UNITS: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// Paths of one component; everything below a path belongs to it too.
#[derive(Debug)]
pub(super) struct Territory {
    trees: Vec<String>,
}

impl Territory {
    /// Gathers what the product manifest names for the package: backed-up trees, the program's
    /// directory, configuration, the unit; and directories under `/opt` and `/etc` that bear the
    /// product's or the package's name.
    pub(super) fn of(product: &ProductManifest, package: &str) -> Self {
        let mut trees = Vec::new();
        for name in [package, &product.name] {
            trees.extend([format!("/opt/{name}"), format!("/etc/{name}")]);
        }
        let own = |component: &&Component| component.all_packages().any(|own| own == package);
        for component in product.components.iter().filter(own) {
            trees.extend(component.backup.iter().map(|tree| tree.path.clone()));
            trees.extend(component.config.iter().cloned());
            trees.extend(component.environment.iter().cloned());
            trees.extend(component.program.as_deref().map(home));
            if let Some(unit) = &component.unit {
                let places = UNITS
                    .iter()
                    .flat_map(|dir| [format!("{dir}/{unit}"), format!("{dir}/{unit}.d")]);
                trees.extend(places);
            }
        }
        Self { trees }
    }

    /// Whether a file is where it belongs. A directory that leads there is, as long as it has the
    /// owner and the permissions that every system gives it.
    pub(super) fn holds(&self, file: &PackagedFile) -> bool {
        let path = file.path.as_str();
        let plain = !path.split('/').any(|part| part == "." || part == "..");
        if plain && self.trees.iter().any(|tree| is_below(path, tree)) {
            return true;
        }
        let leads = self.trees.iter().any(|tree| is_below(tree, path));
        leads && file.mode == 0o040_755 && file.user == "root" && file.group == "root"
    }
}

fn home(program: &str) -> String {
    let directory = program
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    if directory.is_empty() || SHARED.contains(&directory) {
        return program.to_owned();
    }
    directory.to_owned()
}

fn is_below(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32) -> PackagedFile {
        PackagedFile {
            path: path.to_owned(),
            mode,
            user: "root".to_owned(),
            group: "root".to_owned(),
            size: 1,
            digest: String::new(),
            link: String::new(),
            capabilities: String::new(),
            config: false,
            noreplace: false,
            ghost: false,
        }
    }

    #[test]
    fn the_default_products_own_files_are_inside_and_others_outside() {
        let product = ProductManifest::from_toml(manifests::product::TYK).unwrap();
        let territory = Territory::of(&product, "tyk-gateway");
        for inside in [
            "/opt/tyk-gateway/tyk",
            "/opt/tyk/x",
            "/etc/default/tyk-gateway",
            "/lib/systemd/system/tyk-gateway.service",
        ] {
            assert!(territory.holds(&file(inside, 0o100_644)), "{inside}");
        }
        for outside in [
            "/opt/tyk-gateway-2/x",
            "/opt/tyk-gateway/../../etc/shadow",
            "/etc/sudoers.d/tyk",
            "/lib/systemd/system/other.service",
            "/opt/tyk-pump/x",
        ] {
            assert!(!territory.holds(&file(outside, 0o100_644)), "{outside}");
        }
        assert!(territory.holds(&file("/opt", 0o040_755)));
        assert!(!territory.holds(&file("/opt", 0o040_777)));
    }

    #[test]
    fn a_program_in_a_shared_directory_claims_only_itself() {
        assert_eq!(home("/usr/bin/relay"), "/usr/bin/relay");
        assert_eq!(home("/usr/lib/relayd/bin/relayd"), "/usr/lib/relayd/bin");
    }
}
