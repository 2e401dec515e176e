//! The inventory for a builder: what this host is and runs, as far as the caller may read. It
//! contains names, states and digests. It contains no content of a file, no environment and no host
//! name.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use manifests::host_inventory::{
    ConfigFile, HostInventory, INVENTORY_TYPE, Observed, OperatingSystem, Place, RpmFacts,
    Security, Service,
};
use manifests::product::ProductManifest;

use crate::host::facts::{crypto_policy, fact};
use crate::host::{Host, HostError, Identity};
use crate::inventory::{OnDisk, look};
use crate::layout::Layout;

/// Directories that an upgrade writes to on every host; the product adds its own.
const PLACES: [&str; 6] = [
    "/",
    "/etc",
    "/opt",
    "/usr",
    "/var",
    "/var/lib/airgap-bundle",
];
/// Takes the inventory of the whole host.
pub fn survey(
    host: &dyn Host,
    layout: &Layout,
    product: &ProductManifest,
    name: Option<String>,
) -> Result<HostInventory, HostError> {
    let identity = host.identity()?;
    let contents = host.rpm_contents()?;
    Ok(HostInventory {
        document: INVENTORY_TYPE.to_owned(),
        tool_version: env!("CARGO_PKG_VERSION")
            .parse()
            .unwrap_or_else(|_| semver::Version::new(0, 0, 0)),
        taken: host.now(),
        name,
        product: product.name.clone(),
        security: security(host, layout, &identity),
        configs: configs(layout, product),
        services: services(host, product, &identity)?,
        places: places(host, layout, product)?,
        rpm: RpmFacts {
            version: identity.rpm_version.clone(),
            database: contents.database,
        },
        os: operating_system(layout, product, identity),
        packages: contents.packages,
        skipped: contents.skipped,
    })
}

fn operating_system(
    layout: &Layout,
    product: &ProductManifest,
    identity: Identity,
) -> OperatingSystem {
    let distro = product.distros.iter().find(|distro| {
        distro.os_ids.contains(&identity.os_id) && Some(distro.major) == identity.major()
    });
    OperatingSystem {
        distro: distro.map(|distro| distro.id.clone()),
        arch: identity.arch,
        kernel: live_fact(layout, "/proc/sys/kernel/osrelease"),
        merged_usr: layout.has_merged_usr(),
        id: identity.os_id,
        version_id: identity.version_id,
        pretty: identity.pretty,
    }
}

fn security(host: &dyn Host, layout: &Layout, identity: &Identity) -> Security {
    let selinux = match live_fact(layout, "/sys/fs/selinux/enforce") {
        Observed::Known(enforce) if enforce == "1" => Observed::Known("enforcing".to_owned()),
        Observed::Known(_) => Observed::Known("permissive".to_owned()),
        other => other,
    };
    let fapolicyd = match identity.systemd.then(|| host.unit("fapolicyd.service")) {
        Some(Ok(unit)) if unit.exists() => Observed::Known(unit.active),
        Some(Ok(_)) => Observed::Absent,
        Some(Err(_)) | None => Observed::Unknown,
    };
    Security {
        crypto_policy: crypto_policy(layout),
        fips: identity.fips,
        selinux,
        fapolicyd,
    }
}

/// Reads a fact about the running kernel, which does not apply to a host below another root.
fn live_fact(layout: &Layout, path: &str) -> Observed<String> {
    if layout.is_live() {
        fact(Path::new(path))
    } else {
        Observed::Unknown
    }
}

fn configs(layout: &Layout, product: &ProductManifest) -> Vec<ConfigFile> {
    let files = product.components.iter().flat_map(|component| {
        let paths = component.config.iter().chain(&component.environment);
        paths.map(move |path| (&component.name, path))
    });
    files
        .map(|(component, path)| ConfigFile {
            component: component.clone(),
            path: path.clone(),
            sha256: match look(layout, path) {
                OnDisk::Sha256(digest) => Observed::Known(digest),
                OnDisk::Absent => Observed::Absent,
                OnDisk::Unknown | OnDisk::Other => Observed::Unknown,
            },
        })
        .collect()
}

fn services(
    host: &dyn Host,
    product: &ProductManifest,
    identity: &Identity,
) -> Result<Vec<Service>, HostError> {
    let mut found = Vec::new();
    for component in product.components.iter().filter(|_| identity.systemd) {
        // A bare template has no state.
        let Some(unit) = component.unit.as_ref().filter(|unit| !unit.contains("@.")) else {
            continue;
        };
        let state = host.unit(unit)?;
        found.push(Service {
            component: component.name.clone(),
            unit: unit.clone(),
            load: state.load,
            active: state.active,
            file: state.file,
        });
    }
    Ok(found)
}

fn places(
    host: &dyn Host,
    layout: &Layout,
    product: &ProductManifest,
) -> Result<Vec<Place>, HostError> {
    let own = product.components.iter().flat_map(|component| {
        let trees = component.backup.iter().map(|tree| tree.path.as_str());
        trees.chain(component.program.as_deref())
    });
    let mut paths: Vec<&str> = PLACES.into_iter().chain(own).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut found = Vec::new();
    for path in paths {
        let there = layout.at(path);
        let Some(metadata) = there.ancestors().find_map(|dir| dir.metadata().ok()) else {
            continue;
        };
        let space = host.space(&there)?;
        found.push(Place {
            path: path.to_owned(),
            filesystem: metadata.dev(),
            free_bytes: space.free_bytes,
            free_inodes: (space.free_inodes != u64::MAX).then_some(space.free_inodes),
            read_only: space.read_only,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
