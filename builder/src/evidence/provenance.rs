//! Provenance: an in-toto Statement v1 with a SLSA provenance v1 predicate. It is not signed by
//! itself; its digest stands in the signed manifest.

use std::collections::BTreeMap;

use manifests::digest::Sha256;
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::facts::{Facts, Part};
use super::{PROJECT, identity};
use crate::plan::PlannedRepository;
use crate::repo::vendor_keys::CarriedKey;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Subject>,
    predicate_type: &'static str,
    predicate: Predicate,
}

#[derive(Serialize)]
struct Subject {
    name: String,
    digest: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    build_type: String,
    external_parameters: Value,
    internal_parameters: Value,
    resolved_dependencies: Vec<Resource>,
}

/// An input by its digest, with the address it has without any credential.
#[derive(Serialize)]
struct Resource {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    digest: BTreeMap<&'static str, String>,
    annotations: Value,
}

#[derive(Serialize)]
struct RunDetails {
    builder: Builder,
    metadata: Value,
}

#[derive(Serialize)]
struct Builder {
    id: String,
    version: BTreeMap<&'static str, String>,
}

/// Lists what the bundle was made from.
pub(super) fn statement(facts: &Facts<'_>) -> Statement {
    Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: subjects(facts),
        predicate_type: "https://slsa.dev/provenance/v1",
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: format!("{PROJECT}/blob/main/docs/evidence.md#build-type-1"),
                external_parameters: external(facts),
                internal_parameters: json!({
                    "sourceDateEpoch": facts.lock.timestamp,
                    "sequence": facts.lock.sequence,
                }),
                resolved_dependencies: resources(facts),
            },
            run_details: RunDetails {
                builder: builder(facts),
                // No start and no end: nothing here reads the clock.
                metadata: json!({
                    "invocationId": identity::urn("provenance", &facts.lock_sha256),
                }),
            },
        },
    }
}

fn digest(sha256: &Sha256) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("sha256", sha256.to_string())])
}

fn subjects(facts: &Facts<'_>) -> Vec<Subject> {
    let packages = facts.parts.iter().map(|part| Subject {
        name: part.rpm.path.to_string(),
        digest: digest(&part.rpm.sha256),
    });
    let installers = facts.installers.iter().map(|installer| Subject {
        name: manifests::bundle_path::BundlePath::for_installer(installer.arch).to_string(),
        digest: digest(&installer.sha256),
    });
    let extras = facts.lock.extras.iter().map(|extra| Subject {
        name: format!("extras/{}/{}", extra.rule, extra.name),
        digest: digest(&extra.sha256),
    });
    packages.chain(installers).chain(extras).collect()
}

fn external(facts: &Facts<'_>) -> Value {
    let (lock, plan) = (facts.lock, &facts.lock.plan);
    let accepted = lock.trusted_vendor_keys.iter().map(ToString::to_string);
    json!({
        "product": plan.product,
        "channel": plan.channel,
        "version": plan.version,
        "targets": plan.targets.iter().map(|t| json!({"distro": t.distro, "arch": t.arch}))
            .collect::<Vec<_>>(),
        "acceptedVendorKeys": accepted.collect::<Vec<_>>(),
        "acceptedUnsignedPackages": lock.accepted_unsigned,
    })
}

fn resources(facts: &Facts<'_>) -> Vec<Resource> {
    let plain = |name: &str, sha256: &Sha256| Resource {
        name: name.to_owned(),
        uri: None,
        digest: digest(sha256),
        annotations: json!({}),
    };
    let mut all = vec![
        plain("lock", &facts.lock_sha256),
        plain("product.json", &facts.lock.product_sha256),
    ];
    all.extend(facts.lock.plan.repositories.iter().map(repository));
    all.extend(facts.lock.package_keys.iter().map(key));
    for part in &facts.parts {
        all.extend(package(part));
    }
    all
}

fn repository(found: &PlannedRepository) -> Resource {
    let index = found.url.join("repodata/repomd.xml");
    Resource {
        name: format!("repository {} {} {}", found.id, found.distro, found.arch),
        uri: Some(index.map_or_else(|_| found.url.to_string(), String::from)),
        digest: digest(&found.repomd_sha256),
        annotations: json!({
            "revision": found.revision,
            "signer": found.signer.to_string(),
        }),
    }
}

fn key(key: &CarriedKey) -> Resource {
    let uri = Url::parse(&key.origin).ok().map(|url| url.to_string());
    Resource {
        name: format!("keys/vendor/{}.asc", key.name),
        uri,
        digest: digest(&Sha256::of(key.armored.as_bytes())),
        annotations: json!({ "fingerprint": key.fingerprint.to_string() }),
    }
}

/// One resource for each place that the package was listed at.
fn package<'a>(part: &'a Part<'_>) -> impl Iterator<Item = Resource> + 'a {
    part.sources.iter().map(|source| Resource {
        name: part.rpm.nevra.to_string(),
        uri: Some(source.url.to_string()),
        digest: digest(&part.rpm.sha256),
        annotations: json!({
            "repository": source.repository,
            "metadataChecksum": source.checksum.to_string(),
            "signer": part.rpm.signer,
        }),
    })
}

fn builder(facts: &Facts<'_>) -> Builder {
    let libraries = zstd::zstd_safe::version_string();
    Builder {
        id: format!("{PROJECT}/builder"),
        version: BTreeMap::from([
            ("bundle", facts.lock.tool_version.to_string()),
            ("libzstd", libraries.to_owned()),
        ]),
    }
}
