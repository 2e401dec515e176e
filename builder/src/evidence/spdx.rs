//! The SPDX 2.3 SBOM: the subset of the format that an RPM fills.

#![expect(
    clippy::struct_field_names,
    reason = "the fields bear the names that the format gives them"
)]

use std::collections::BTreeMap;

use manifests::digest::Sha256;
use manifests::printable::printable;
use serde::Serialize;

use super::facts::{Facts, Part};
use super::licence::Licence;
use super::{EvidenceError, identity, purl};

const UNKNOWN: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const ROOT: &str = "SPDXRef-Bundle";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<Extracted>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: String,
    supplier: String,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    source_info: String,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    summary: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
    primary_package_purpose: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    license_id: String,
    name: String,
    extracted_text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// Describes the bundle.
pub(super) fn document(facts: &Facts<'_>) -> Result<Document, EvidenceError> {
    let lock = facts.lock;
    let mut licences = Licences::default();
    let mut packages = vec![root(facts)];
    for part in &facts.parts {
        packages.push(package(facts, part, &mut licences));
    }
    packages.extend(facts.installers.iter().map(|installer| Package {
        checksums: vec![sha256(&installer.sha256)],
        ..bare(
            format!("SPDXRef-Installer-{}", dashed(installer.arch.as_str())),
            format!("install-{}", installer.arch),
            lock.tool_version.to_string(),
        )
    }));
    packages.extend(lock.extras.iter().map(|extra| Package {
        checksums: vec![sha256(&extra.sha256)],
        ..bare(
            // A name may hold what an id may not.
            format!("SPDXRef-Extra-{}-{}", extra.rule, extra.sha256),
            extra.name.clone(),
            lock.plan.version.clone(),
        )
    }));
    let relationships = relationships(facts, &packages);
    Ok(Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: format!("{} {}", lock.plan.product, lock.plan.version),
        document_namespace: identity::urn("spdx", &facts.lock_sha256),
        creation_info: CreationInfo {
            created: identity::time(lock.timestamp)?,
            creators: vec![format!("Tool: airgap-bundle-{}", lock.tool_version)],
        },
        packages,
        has_extracted_licensing_infos: licences.extracted(),
        relationships,
    })
}

/// A package of which nothing but its name is known.
fn bare(id: String, name: String, version_info: String) -> Package {
    Package {
        id,
        name,
        version_info,
        supplier: UNKNOWN.to_owned(),
        download_location: UNKNOWN.to_owned(),
        files_analyzed: false,
        checksums: Vec::new(),
        homepage: None,
        source_info: String::new(),
        license_concluded: UNKNOWN,
        license_declared: UNKNOWN.to_owned(),
        copyright_text: UNKNOWN,
        summary: String::new(),
        comment: String::new(),
        external_refs: Vec::new(),
        primary_package_purpose: "APPLICATION",
    }
}

fn root(facts: &Facts<'_>) -> Package {
    let plan = &facts.lock.plan;
    Package {
        summary: plan.title.clone(),
        source_info: format!("lock sha256:{}", facts.lock_sha256),
        primary_package_purpose: "ARCHIVE",
        ..bare(ROOT.to_owned(), plan.product.clone(), plan.version.clone())
    }
}

fn package(facts: &Facts<'_>, part: &Part<'_>, licences: &mut Licences) -> Package {
    let (rpm, files) = (part.rpm, part.files);
    let about = &files.about;
    let supplier = if about.vendor.trim().is_empty() {
        UNKNOWN.to_owned()
    } else {
        // A field of one line.
        format!("Organization: {}", printable(about.vendor.trim()))
    };
    let location = part.sources.first();
    let signer = rpm.signer.as_deref().unwrap_or("no key");
    Package {
        supplier,
        download_location: location.map_or(UNKNOWN.to_owned(), |s| s.url.to_string()),
        checksums: vec![sha256(&rpm.sha256)],
        homepage: part.website().map(|url| url.to_string()),
        source_info: if about.source_rpm.is_empty() {
            String::new()
        } else {
            format!("built from {}", about.source_rpm)
        },
        license_declared: licences.declared(&about.licence),
        summary: about.summary.clone(),
        comment: format!(
            "{} files, {} scriptlets; package signature by {signer}; bundle entry {}",
            files.files.len(),
            files.scriptlets.len(),
            rpm.path
        ),
        external_refs: purls(facts, part),
        primary_package_purpose: "INSTALL",
        ..bare(
            id(part),
            rpm.nevra.name().to_owned(),
            rpm.nevra.evr().to_string(),
        )
    }
}

/// One for each distribution the package is for.
fn purls(facts: &Facts<'_>, part: &Part<'_>) -> Vec<ExternalRef> {
    let locator = |distro: &str| ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl::rpm(&facts.lock.plan.product, &part.rpm.nevra, Some(distro)),
    };
    part.distros().into_iter().map(locator).collect()
}

fn id(part: &Part<'_>) -> String {
    format!("SPDXRef-Package-{}", part.rpm.sha256)
}

fn dashed(text: &str) -> String {
    text.replace('_', "-")
}

fn sha256(digest: &Sha256) -> Checksum {
    Checksum {
        algorithm: "SHA256",
        checksum_value: digest.to_string(),
    }
}

fn relationships(facts: &Facts<'_>, packages: &[Package]) -> Vec<Relationship> {
    let relation = |from: &str, kind, to: &str| Relationship {
        spdx_element_id: from.to_owned(),
        relationship_type: kind,
        related_spdx_element: to.to_owned(),
    };
    let mut all = vec![relation(DOCUMENT, "DESCRIBES", ROOT)];
    let contained = packages.iter().filter(|package| package.id != ROOT);
    all.extend(contained.map(|package| relation(ROOT, "CONTAINS", &package.id)));
    for (part, needs) in facts.parts.iter().zip(facts.needs()) {
        let needed = needs.into_iter().map(|at| id(&facts.parts[at]));
        all.extend(needed.map(|other| relation(&id(part), "DEPENDS_ON", &other)));
    }
    all
}

/// Licences that SPDX does not list, by the reference each gets.
#[derive(Default)]
struct Licences(BTreeMap<String, String>);

impl Licences {
    fn declared(&mut self, stated: &str) -> String {
        match Licence::read(stated) {
            Licence::Unstated => UNKNOWN.to_owned(),
            Licence::Expression(expression) => expression,
            Licence::Named(name) => {
                let reference = format!("LicenseRef-{}", Sha256::of(name.as_bytes()).short());
                self.0.insert(reference.clone(), name);
                reference
            }
        }
    }

    fn extracted(self) -> Vec<Extracted> {
        let describe = |(license_id, name): (String, String)| Extracted {
            license_id,
            name: printable(&name),
            extracted_text: format!("The package states its licence as: {name}"),
        };
        self.0.into_iter().map(describe).collect()
    }
}
