//! The documents of an invented bundle, whose packages use everything that packages may contain.

use manifests::bundle::{BundledRpm, HeaderDigests, LintFlag, Role, Target, Use};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::nevra::{Arch, Nevra};
use manifests::package_files::{
    About, Dependency, PACKAGE_FILES_TYPE, PackageFiles, PackagedFile, Scriptlet,
};
use manifests::product::{ProductManifest, TYK};
use serde_json::Value;

use super::*;
use crate::checksum::Checksum;
use crate::installers::Installer;
use crate::lock::{LOCK_TYPE, LockedRpm};
use crate::plan::{BuildPlan, PlannedPackage, PlannedRepository};

const HOSTILE: &str =
    "</code></script><script>alert(1)</script><img src=http://evil/> \"'&\u{202e}\u{1b}[2J\n# safe";
const SIGNER: &str = "12B5D62C28F57592D1575BD51ED14C59E37DAC20";

/// A bundle in memory.
struct Sample {
    lock: Lock,
    bundled: Vec<BundledRpm>,
    lists: Vec<PackageFiles>,
    installers: Vec<Installer>,
}

fn file(path: &str, mode: u32, content: &str) -> PackagedFile {
    PackagedFile {
        path: path.to_owned(),
        mode,
        user: "root".to_owned(),
        group: "root".to_owned(),
        size: content.len() as u64,
        digest: Sha256::of(content.as_bytes()).to_string(),
        link: String::new(),
        capabilities: String::new(),
        config: path.contains(".conf"),
        noreplace: true,
        ghost: false,
    }
}

fn list(nevra: &Nevra, sha256: Sha256, hostile: &str) -> PackageFiles {
    let dependency = |name: &str| Dependency {
        name: name.to_owned(),
        comparison: String::new(),
        version: String::new(),
    };
    PackageFiles {
        document: PACKAGE_FILES_TYPE.to_owned(),
        rpm: sha256,
        nevra: nevra.clone(),
        about: About {
            summary: format!("Gateway {hostile}"),
            licence: "MPL-2.0".to_owned(),
            vendor: format!("Vendor {hostile}"),
            url: "https://vendor.invalid/".to_owned(),
            source_rpm: String::new(),
        },
        installed_bytes: 1234,
        compressor: "gzip".to_owned(),
        digest_algorithm: "sha256".to_owned(),
        files: vec![
            file("/opt/tyk-gateway/tyk", 0o100_755, "program"),
            file("/opt/tyk-gateway/tyk.conf", 0o100_644, "{}"),
        ],
        requires: vec![dependency("libtyk")],
        provides: vec![dependency(nevra.name())],
        conflicts: Vec::new(),
        obsoletes: Vec::new(),
        scriptlets: vec![Scriptlet {
            phase: "%post".to_owned(),
            interpreter: "/bin/sh".to_owned(),
            body: format!("systemctl daemon-reload\necho {hostile}\n"),
        }],
    }
}

impl Sample {
    /// A target and the package before it.
    fn new(hostile: &str) -> Self {
        let target = nevra("tyk-gateway-5.3.2-1.x86_64");
        let previous = nevra("tyk-gateway-1:5.2.5-1.x86_64");
        let mut sample = Self {
            lock: lock(hostile),
            bundled: Vec::new(),
            lists: Vec::new(),
            installers: vec![Installer {
                arch: Arch::X86_64,
                path: "/nowhere".into(),
                size: 7,
                sha256: Sha256::of(b"install"),
            }],
        };
        sample.add(&target, Role::Target, hostile);
        sample.add(&previous, Role::Previous, hostile);
        sample
    }

    fn add(&mut self, nevra: &Nevra, role: Role, hostile: &str) {
        let sha256 = Sha256::of(nevra.to_string().as_bytes());
        let purpose = Use {
            distro: "el8".to_owned(),
            arch: Arch::X86_64,
            role,
            order: 0,
            component: "gateway".to_owned(),
        };
        self.bundled.push(BundledRpm {
            path: BundlePath::for_package(&sha256, &nevra.file_name()).unwrap(),
            sha256,
            nevra: nevra.clone(),
            build_time: 1_700_000_000,
            signer: Some(SIGNER.to_owned()),
            header: HeaderDigests {
                sha1: None,
                sha256: None,
                payload_sha256: None,
            },
            lint: Vec::new(),
            uses: vec![purpose.clone()],
        });
        self.lists.push(list(nevra, sha256, hostile));
        self.lock.plan.packages.push(PlannedPackage {
            nevra: nevra.clone(),
            url: format!("https://host.invalid/el/8/{}", nevra.file_name())
                .parse()
                .unwrap(),
            size: 1000,
            checksum: Checksum::new("sha256", &sha256.to_string()).unwrap(),
            repository: "tyk-gateway".to_owned(),
            uses: vec![purpose],
        });
        let nevra = nevra.clone();
        self.lock.rpms.push(LockedRpm { nevra, sha256 });
    }

    fn facts(&self) -> Result<Facts<'_>, EvidenceError> {
        let all = self.bundled.iter().zip(&self.lists);
        let parts = all.zip(&self.lock.plan.packages);
        let part = |((rpm, files), source)| Part {
            rpm,
            files,
            sources: vec![source],
        };
        Facts::new(&self.lock, parts.map(part).collect(), &self.installers)
    }

    fn document(&self, path: &str) -> String {
        let documents = write_all(&self.facts().unwrap()).unwrap();
        let mut found = documents.into_iter().filter(|(p, _)| p.as_str() == path);
        String::from_utf8(found.next().unwrap().1).unwrap()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.document(path)).unwrap()
    }
}

fn nevra(text: &str) -> Nevra {
    text.parse().unwrap()
}

fn lock(hostile: &str) -> Lock {
    let product = ProductManifest::from_toml(TYK).unwrap();
    let target = Target {
        distro: "el8".to_owned(),
        os_ids: Vec::new(),
        major: 8,
        arch: Arch::X86_64,
    };
    let repository = PlannedRepository {
        id: "tyk-gateway".to_owned(),
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        url: "https://host.invalid/el/8/".parse().unwrap(),
        revision: Some(17),
        repomd_sha256: Sha256::of(b"repomd"),
        signer: SIGNER.parse().unwrap(),
        signer_certification_hash: None,
    };
    Lock {
        document: LOCK_TYPE.to_owned(),
        tool_version: semver::Version::new(0, 1, 0),
        sequence: 42,
        timestamp: 1_700_000_000,
        plan: BuildPlan {
            product: product.name.clone(),
            title: format!("Tyk {hostile}"),
            channel: "stable".to_owned(),
            version: "5.3".to_owned(),
            targets: vec![target],
            repositories: vec![repository],
            packages: Vec::new(),
            notes: vec![hostile.to_owned()],
        },
        rpms: Vec::new(),
        product_sha256: Sha256::of(b"product"),
        product,
        package_keys: Vec::new(),
        trusted_vendor_keys: Vec::new(),
        accepted_unsigned: Vec::new(),
        installers: Vec::new(),
        extras: Vec::new(),
        hosts: Vec::new(),
    }
}

/// Whether a finding is reported with this in one of its rows.
fn finds(page: &str, id: &str, word: &str) -> bool {
    let start = format!("aria-labelledby=\"finding-{id}\"");
    page.split_once(&start)
        .and_then(|(_, rest)| rest.split_once("</section>"))
        .is_some_and(|(section, _)| section.contains(word))
}

#[test]
fn the_same_lock_gives_the_same_bytes_and_another_lock_other_names() {
    let (one, same) = (Sample::new("x"), Sample::new("x"));
    let write = |sample: &Sample| write_all(&sample.facts().unwrap()).unwrap();
    assert!(write(&one) == write(&same));
    let mut other = Sample::new("x");
    other.lock.sequence += 1;
    for (path, name) in [
        (CYCLONEDX_PATH, "/serialNumber"),
        (SPDX_PATH, "/documentNamespace"),
        (
            PROVENANCE_PATH,
            "/predicate/runDetails/metadata/invocationId",
        ),
    ] {
        let id = |sample: &Sample| sample.json(path).pointer(name).cloned().unwrap();
        assert_ne!(id(&one), id(&other), "{path}");
    }
}

#[test]
fn what_packages_say_is_text_on_the_page_and_nothing_else() {
    let (plain, hostile) = (Sample::new("x"), Sample::new(HOSTILE));
    let (calm, page) = (plain.document(REVIEW_PATH), hostile.document(REVIEW_PATH));
    // The same elements as without it: nothing of it became markup.
    let count = |page: &str, what: &str| page.matches(what).count();
    for tag in ["<script", "<img", "<style", "</style", "<meta", "<iframe"] {
        assert_eq!(count(&page, tag), count(&calm, tag), "{tag}");
    }
    assert_eq!(count(&calm, "<script"), 0);
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains("\\u{202e}\\u{1b}[2J"), "{page}");
    let bare = |c: char| c != '\n' && c != '\t' && c.is_control() || c == '\u{202e}';
    assert!(!page.contains(bare));
    // A line end in a text of one line would let what follows it stand alone.
    assert!(page.contains("[2J\\n# safe"), "{page}");
}

#[test]
fn findings_name_what_deserves_a_look() {
    let mut sample = Sample::new("");
    let calm = sample.document(REVIEW_PATH);
    for kind in ["unsigned", "privileged", "outside", "writable", "flags"] {
        assert!(!calm.contains(&format!("finding-{kind}")), "{kind}");
    }
    let files = &mut sample.lists[0].files;
    files.push(file("/usr/bin/root-me", 0o104_755, ""));
    files.push(file("/opt/tyk-gateway/share", 0o100_666, ""));
    let mut capable = file("/opt/tyk-gateway/low-port", 0o100_755, "");
    capable.capabilities = "cap_net_bind_service=ep".to_owned();
    files.push(capable);
    sample.bundled[0].signer = None;
    sample.bundled[0].lint = vec![LintFlag::Md5FileDigests, LintFlag::Unsigned];
    let page = sample.document(REVIEW_PATH);
    for (kind, word) in [
        ("unsigned", "tyk-gateway-5.3.2-1.x86_64"),
        ("privileged", "-rwsr-xr-x root:root"),
        ("privileged", "cap_net_bind_service=ep"),
        ("outside", "root-me"),
        ("writable", "tyk-gateway&#x2f;share"),
        ("flags", "MD5"),
    ] {
        assert!(finds(&page, kind, word), "{kind}: {word} in {page}");
    }
    assert!(!finds(&page, "outside", "low-port"));
}

#[test]
fn a_changed_scriptlet_default_and_file_list_are_told() {
    let mut sample = Sample::new("");
    sample.lists[0].files[1].digest = Sha256::of(b"new default").to_string();
    sample.lists[0]
        .files
        .push(file("/opt/tyk-gateway/new", 0o100_644, ""));
    sample.lists[1]
        .files
        .push(file("/opt/tyk-gateway/old", 0o100_644, ""));
    sample.lists[0].scriptlets[0].body = "systemctl daemon-reload\ncurl evil\n".to_owned();
    sample.lists[0].about.licence = "Commercial".to_owned();
    let page = sample.document(REVIEW_PATH);
    for expected in [
        "Files added: 1",
        "Files removed: 1",
        "Files changed: 1",
        "Configuration files: 1",
        ".rpmnew",
        "<ins class=\"line\">+ curl evil\n</ins>",
        "<del>MPL-2.0</del> → <ins>Commercial</ins>",
    ] {
        assert!(page.contains(expected), "no {expected:?} in {page}");
    }
}

#[test]
fn long_lists_are_cut_with_a_count_and_scriptlets_never() {
    let mut sample = Sample::new("");
    let many = (0..1500).map(|n| file(&format!("/opt/tyk-gateway/{n}"), 0o100_644, ""));
    sample.lists[0].files.extend(many);
    let script: Vec<String> = (0..20_000).map(|n| format!("echo {n}")).collect();
    let script = script.join("\n");
    sample.lists[0].scriptlets[0].body = script;
    let page = sample.document(REVIEW_PATH);
    assert!(page.contains("Files added: 1500") && page.contains("500 more are left out"));
    assert!(page.contains("echo 19998\n") && page.contains("too long to compare"));
}

#[test]
fn sboms_and_provenance_name_packages_licences_and_inputs() {
    let mut sample = Sample::new("");
    sample.lists[1].about.licence = "Commercial <b>".to_owned();
    let bom = sample.json(CYCLONEDX_PATH);
    let purl = |at: usize| bom["components"][at]["purl"].as_str().unwrap();
    assert_eq!(
        purl(0),
        "pkg:rpm/tyk/tyk-gateway@5.3.2-1?arch=x86_64&distro=el8"
    );
    assert!(purl(1).ends_with("&distro=el8&epoch=1"), "{}", purl(1));
    let licence = |at: usize| &bom["components"][at]["licenses"][0];
    assert_eq!(licence(0)["expression"], "MPL-2.0");
    assert_eq!(licence(1)["license"]["name"], "Commercial <b>");
    let spdx = sample.json(SPDX_PATH);
    let declared = spdx["packages"][2]["licenseDeclared"].as_str().unwrap();
    assert!(declared.starts_with("LicenseRef-"), "{declared}");
    assert_eq!(spdx["hasExtractedLicensingInfos"][0]["licenseId"], declared);
    let statement = sample.json(PROVENANCE_PATH);
    assert_eq!(statement["subject"].as_array().unwrap().len(), 3);
    let inputs = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    assert_eq!(
        inputs[2]["uri"],
        "https://host.invalid/el/8/repodata/repomd.xml"
    );
    assert_eq!(
        inputs[2]["digest"]["sha256"],
        Sha256::of(b"repomd").to_string()
    );
}

#[test]
fn an_address_with_a_credential_is_refused_whoever_wrote_it() {
    let mut sample = Sample::new("");
    let secret: url::Url = "https://u:s3cret@host.invalid/x.rpm".parse().unwrap();
    sample.lock.plan.packages[0].url = secret;
    let error = sample.facts().unwrap_err();
    assert!(matches!(error, EvidenceError::Credential { .. }));
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
