//! The `CycloneDX` 1.6 SBOM: the subset of the format that an RPM fills.

#![expect(
    clippy::struct_field_names,
    reason = "the fields bear the names that the format gives them"
)]

use serde::Serialize;

use super::facts::{Facts, Part};
use super::licence::Licence;
use super::{EvidenceError, identity, lint, purl};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "String::is_empty")]
    bom_ref: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<Supplier>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<LicenceChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Supplier {
    name: String,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum LicenceChoice {
    Expression {
        expression: String,
        acknowledgement: &'static str,
    },
    Named {
        license: NamedLicence,
    },
}

#[derive(Serialize)]
struct NamedLicence {
    name: String,
    acknowledgement: &'static str,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    depends_on: Vec<String>,
}

/// The reference of the bundle itself.
const ROOT: &str = "bundle";

/// Describes the bundle.
pub(super) fn bom(facts: &Facts<'_>) -> Result<Bom, EvidenceError> {
    let lock = facts.lock;
    let mut components: Vec<Component> = facts
        .parts
        .iter()
        .map(|part| package(&lock.plan.product, part))
        .collect();
    components.extend(facts.installers.iter().map(|installer| Component {
        kind: "application",
        bom_ref: format!("installer-{}", installer.arch),
        name: format!("install-{}", installer.arch),
        version: lock.tool_version.to_string(),
        hashes: vec![sha256(&installer.sha256)],
        ..Component::default()
    }));
    components.extend(lock.extras.iter().map(|extra| Component {
        kind: "file",
        bom_ref: format!("extra-{}-{}", extra.rule, extra.name),
        name: extra.name.clone(),
        hashes: vec![sha256(&extra.sha256)],
        ..Component::default()
    }));
    Ok(Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: identity::urn("cyclonedx", &facts.lock_sha256),
        version: 1,
        metadata: Metadata {
            timestamp: identity::time(lock.timestamp)?,
            tools: Tools {
                components: vec![Component {
                    kind: "application",
                    name: "airgap-bundle".to_owned(),
                    version: lock.tool_version.to_string(),
                    ..Component::default()
                }],
            },
            component: root(facts),
        },
        components,
        dependencies: dependencies(facts),
    })
}

fn root(facts: &Facts<'_>) -> Component {
    let plan = &facts.lock.plan;
    let targets = plan.targets.iter().map(|target| Property {
        name: "airgap-bundle:target",
        value: format!("{} {}", target.distro, target.arch),
    });
    let rest = [
        ("airgap-bundle:channel", plan.channel.clone()),
        ("airgap-bundle:sequence", facts.lock.sequence.to_string()),
        ("airgap-bundle:lock-sha256", facts.lock_sha256.to_string()),
    ];
    let rest = rest
        .into_iter()
        .map(|(name, value)| Property { name, value });
    Component {
        kind: "application",
        bom_ref: ROOT.to_owned(),
        name: plan.product.clone(),
        version: plan.version.clone(),
        description: plan.title.clone(),
        properties: targets.chain(rest).collect(),
        ..Component::default()
    }
}

fn package(product: &str, part: &Part<'_>) -> Component {
    let (rpm, about) = (part.rpm, &part.files.about);
    let distros = part.distros();
    // A purl has one distribution; a package for several lists them in its properties.
    let distro = distros.first().filter(|_| distros.len() == 1).copied();
    let supplier = (!about.vendor.is_empty()).then(|| Supplier {
        name: about.vendor.clone(),
    });
    Component {
        kind: "application",
        bom_ref: reference(part),
        supplier,
        name: rpm.nevra.name().to_owned(),
        version: rpm.nevra.evr().to_string(),
        description: about.summary.clone(),
        scope: (!part.is_target()).then_some("optional"),
        hashes: vec![sha256(&rpm.sha256)],
        licenses: licences(&about.licence),
        purl: Some(purl::rpm(product, &rpm.nevra, distro)),
        external_references: references(part),
        properties: properties(part),
    }
}

fn reference(part: &Part<'_>) -> String {
    format!("sha256:{}", part.rpm.sha256)
}

fn sha256(digest: &impl ToString) -> Hash {
    Hash {
        alg: "SHA-256",
        content: digest.to_string(),
    }
}

fn licences(stated: &str) -> Vec<LicenceChoice> {
    let acknowledgement = "declared";
    match Licence::read(stated) {
        Licence::Unstated => Vec::new(),
        Licence::Expression(expression) => vec![LicenceChoice::Expression {
            expression,
            acknowledgement,
        }],
        Licence::Named(name) => vec![LicenceChoice::Named {
            license: NamedLicence {
                name,
                acknowledgement,
            },
        }],
    }
}

fn references(part: &Part<'_>) -> Vec<Reference> {
    let sources = part.sources.iter().map(|source| Reference {
        kind: "distribution",
        url: source.url.to_string(),
    });
    let website = part.website().map(|url| Reference {
        kind: "website",
        url: url.to_string(),
    });
    sources.chain(website).collect()
}

fn properties(part: &Part<'_>) -> Vec<Property> {
    let (rpm, files) = (part.rpm, part.files);
    let property = |name, value: String| Property { name, value };
    let mut found = vec![
        property("airgap-bundle:entry", rpm.path.to_string()),
        property("airgap-bundle:build-time", rpm.build_time.to_string()),
        property("airgap-bundle:files", files.files.len().to_string()),
        property(
            "airgap-bundle:scriptlets",
            files.scriptlets.len().to_string(),
        ),
        property(
            "airgap-bundle:signer",
            rpm.signer.clone().unwrap_or_else(|| "none".to_owned()),
        ),
    ];
    if !files.about.source_rpm.is_empty() {
        let source = files.about.source_rpm.clone();
        found.push(property("airgap-bundle:source-rpm", source));
    }
    found.extend(rpm.uses.iter().map(|u| {
        let role = u.role.word();
        let value = format!("{role} of {} on {} {}", u.component, u.distro, u.arch);
        property("airgap-bundle:use", value)
    }));
    let flags = rpm.lint.iter().map(|flag| lint(*flag).to_owned());
    found.extend(flags.map(|text| property("airgap-bundle:lint", text)));
    found
}

fn dependencies(facts: &Facts<'_>) -> Vec<Dependency> {
    let targets = facts.parts.iter().filter(|part| part.is_target());
    let mut all = vec![Dependency {
        reference: ROOT.to_owned(),
        depends_on: targets.map(reference).collect(),
    }];
    for (part, needs) in facts.parts.iter().zip(facts.needs()) {
        all.push(Dependency {
            reference: reference(part),
            depends_on: needs
                .into_iter()
                .map(|at| reference(&facts.parts[at]))
                .collect(),
        });
    }
    all
}
