//! What else the targets need: the repositories of `--with-deps`, read whole, and the closure over
//! them. A report; a bundle does not carry these packages yet.

use manifests::bundle::{Role, Target};
use manifests::nevra::Arch;
use manifests::product::{Distro, ProductManifest, Repository};

use super::{Origin, Wish, usage};
use crate::closure::{self, Closure, Index, Offer, System};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::hosts::FleetHost;
use crate::plan::BuildPlan;
use crate::repo::{self, Override, RepoSource};
use crate::resolve;
use crate::transport::Transport;
use crate::vendor_keys::{self, VendorKeyError};

/// Leaves out the repositories that are read for dependencies only, and what replaces their places.
#[must_use]
pub fn without_dependencies(origin: &Origin) -> Origin {
    let mut origin = origin.clone();
    let is_own = |product: &ProductManifest, id: &str| {
        product
            .repositories
            .iter()
            .any(|one| one.id == id && one.dependencies)
    };
    let product = origin.product.clone();
    origin.overrides.retain(|replacement| match replacement {
        Override::Repository { id, .. } => !is_own(&product, id),
        Override::Base(_) => true,
    });
    origin.product.repositories.retain(|one| !one.dependencies);
    origin
}

/// Closes every target of a plan over the named repositories and the product's own.
pub fn dependencies(
    transport: &Transport,
    origin: &Origin,
    wish: &Wish,
    named: &[String],
    plan: &BuildPlan,
    observer: &dyn Observer,
) -> Result<Vec<Closure>, Error> {
    let distros = resolve::distros(&origin.product, &wish.distros)?;
    let origin = with_repositories(origin, named, &distros, &wish.archs)?;
    observer.event(&Event::Stage("reading and verifying whole package lists"));
    let (product, overrides) = (&origin.product, &origin.overrides);
    let keys = vendor_keys::fetch_metadata_keys(transport, product, overrides, &origin.trusted)?;
    let sources = repo::sources_for(product, &distros, &wish.archs, overrides)
        .map_err(VendorKeyError::Source)?;
    let listed = repo::fetch_offers(transport, &sources, &keys)?;
    let mut closures = Vec::new();
    for target in &plan.targets {
        let offers = offers_for(&listed, target);
        let hosts: Vec<&FleetHost> = wish.fleet.of(&target.distro, target.arch).collect();
        if hosts.is_empty() {
            closures.push(close(plan, target, None, &offers));
        }
        closures.extend(
            hosts
                .into_iter()
                .map(|host| close(plan, target, Some(host), &offers)),
        );
    }
    Ok(closures)
}

fn offers_for(listed: &[(RepoSource, Vec<repo::Listed>)], target: &Target) -> Vec<Offer> {
    let of_target = listed
        .iter()
        .filter(|(source, _)| source.distro == target.distro && source.arch == target.arch);
    let offer = |repository: &str, (package, capabilities): &repo::Listed| Offer {
        repository: repository.to_owned(),
        package: package.clone(),
        capabilities: capabilities.clone(),
    };
    of_target
        .flat_map(|(source, listed)| listed.iter().map(|one| offer(&source.repository, one)))
        .collect()
}

fn close(plan: &BuildPlan, target: &Target, host: Option<&FleetHost>, offers: &[Offer]) -> Closure {
    let system = host.map_or_else(System::unknown, |host| System::of(&host.inventory));
    let index = Index::new(offers, target.arch, system.merged_usr);
    // A host gets the components that it has.
    let roots: Vec<usize> = plan
        .packages_for(target, Role::Target)
        .into_iter()
        .map(|(_, package)| &package.nevra)
        .filter(|nevra| host.is_none_or(|host| !host.installed(nevra.name()).is_empty()))
        .filter_map(|nevra| index.find(&nevra.to_string()))
        .collect();
    let label = host.map(|host| host.label.as_str());
    closure::close(
        &index,
        &system,
        &roots,
        (&target.distro, target.arch, label),
    )
}

/// Adds what was named: repositories of the product manifest by id, others by address. The key of
/// one that is named by address is read from where such repositories have it, beside the metadata.
fn with_repositories(
    origin: &Origin,
    named: &[String],
    distros: &[&Distro],
    archs: &[Arch],
) -> Result<Origin, Error> {
    let mut wider = without_dependencies(origin);
    wider.overrides.clone_from(&origin.overrides);
    let known = origin
        .product
        .repositories
        .iter()
        .filter(|one| one.dependencies);
    for (at, name) in named.iter().enumerate() {
        if let Some(own) = known.clone().find(|one| one.id == *name) {
            wider.product.repositories.push(own.clone());
            continue;
        }
        if !name.contains("://") {
            let ids: Vec<&str> = known.clone().map(|one| one.id.as_str()).collect();
            return Err(usage(
                "cannot look for dependencies",
                format!(
                    "`{name}` is neither an address nor a repository that the product manifest marks \
                     with `dependencies = true` (it has: {})",
                    if ids.is_empty() {
                        "none".to_owned()
                    } else {
                        ids.join(", ")
                    }
                ),
                "name one of these, or an address such as https://mirror.example/el/{major}/{arch}",
            ));
        }
        let id = format!("with-deps-{}", at + 1);
        wider
            .product
            .repositories
            .push(by_address(&id, name, distros, archs));
        let url = name.clone();
        wider.overrides.push(Override::Repository { id, url });
    }
    // Names that stay unknown would be taken for a mistake.
    let repositories = wider.product.repositories.clone();
    wider.overrides.retain(|replacement| match replacement {
        Override::Repository { id, .. } => repositories.iter().any(|one| one.id == *id),
        Override::Base(_) => true,
    });
    Ok(wider)
}

fn by_address(id: &str, address: &str, distros: &[&Distro], archs: &[Arch]) -> Repository {
    let major = distros
        .first()
        .map_or(String::new(), |one| one.major.to_string());
    let arch = archs.first().map_or("", |arch| arch.as_str());
    let first = address.replace("{major}", &major).replace("{arch}", arch);
    Repository {
        id: id.to_owned(),
        path: String::new(),
        key_path: format!("{}/repodata/repomd.xml.key", first.trim_end_matches('/')),
        key_fingerprints: Vec::new(),
        dependencies: true,
    }
}
