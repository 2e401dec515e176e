//! What else the targets need: the repositories of `--with-deps`, read whole, and the closure over
//! them.

use manifests::product::{ProductManifest, Repository};

use super::{Origin, Wish};
use crate::dependencies::{self, Dependencies, Listing, Tool};
use crate::event::{Event, Observer};
use crate::explain::{Error, usage};
use crate::hosts::{FleetHost, Unfit};
use crate::plan::BuildPlan;
use crate::repo::vendor_keys::{self, VendorKeyError};
use crate::repo::{self, Override};
use crate::resolve;
use crate::transport::Transport;

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

/// Closes every target of a plan over the named repositories and the product's own, and adds what it
/// finds to the plan. What would not work on a host that was described is returned too.
pub(super) fn add_to(
    plan: &mut BuildPlan,
    transport: &Transport,
    origin: &Origin,
    wish: &Wish,
    observer: &dyn Observer,
) -> Result<(Vec<Dependencies>, Vec<Unfit>), Error> {
    let tools = tools(&origin.product, &wish.tools)?;
    let distros = resolve::distros(&origin.product, &wish.distros)?;
    let origin = with_repositories(origin, &wish.with_deps)?;
    observer.event(&Event::Stage("reading and verifying whole package lists"));
    let (product, overrides) = (&origin.product, &origin.overrides);
    let keys = vendor_keys::fetch_metadata_keys(
        transport,
        product,
        overrides,
        &origin.trusted,
        &distros,
        &wish.archs,
    )?;
    let sources = repo::sources_for(product, &distros, &wish.archs, overrides)
        .map_err(VendorKeyError::Source)?;
    let mut listed = repo::fetch_offers(transport, &sources, &keys)?;
    let mut found = Vec::new();
    for target in &plan.targets {
        let listing = Listing::take(&mut listed, target);
        let hosts: Vec<&FleetHost> = wish.fleet.of(&target.distro, target.arch).collect();
        let close = |host| dependencies::close(plan, target, host, &tools, &listing);
        if hosts.is_empty() {
            found.push(close(None));
        }
        found.extend(hosts.into_iter().map(|host| close(Some(host))));
    }
    let unfit = dependencies::carry(plan, &found, &listed);
    Ok((found, unfit))
}

/// Finds the component that each tool is for.
fn tools(product: &ProductManifest, named: &[String]) -> Result<Vec<Tool>, Error> {
    let find = |name: &String| {
        let mut components = product.components.iter();
        let component = components.find(|component| component.tools.contains(name));
        component
            .map(|component| Tool {
                package: name.clone(),
                component: component.name.clone(),
            })
            .ok_or_else(|| {
                let known: Vec<&str> = product
                    .components
                    .iter()
                    .flat_map(|component| component.tools.iter().map(String::as_str))
                    .collect();
                usage(
                    "cannot take the tool along",
                    format!(
                        "`{name}` is no tool of the product manifest (it has: {})",
                        if known.is_empty() {
                            "none".to_owned()
                        } else {
                            known.join(", ")
                        }
                    ),
                    "name one of these, or add it to a component's `tools`",
                )
            })
    };
    named.iter().map(find).collect()
}

/// Adds what was named: repositories of the product manifest by id, others by address. The keys of
/// one that is named by address are beside its metadata, for each distribution and architecture.
fn with_repositories(origin: &Origin, named: &[String]) -> Result<Origin, Error> {
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
        wider.product.repositories.push(by_address(&id, name));
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

fn by_address(id: &str, address: &str) -> Repository {
    Repository {
        id: id.to_owned(),
        path: String::new(),
        key_path: format!("{}/repodata/repomd.xml.key", address.trim_end_matches('/')),
        key_fingerprints: Vec::new(),
        dependencies: true,
    }
}
