//! Signed manifests that contradict themselves, and signed documents of the wrong content.

use anyhow::{Context as _, Result};
use manifests::bundle::{Role, Use};
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::limits::PACKAGE_FILES_MAX_BYTES;
use manifests::nevra::Arch;

use super::workshop::Parts;
use super::{Attack, Workshop, attack};

const CONTRADICTS: &str = "it contradicts itself";
const UNUSABLE: &str = "is not usable";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "entry-listed-twice",
        "ours, signed: which of the two is meant",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                let last = parts.manifest.entries.len() - 1;
                let entry = parts.manifest.entries[last].clone();
                parts.manifest.entries.push(entry);
                Ok(())
            })
        },
    ),
    attack(
        "entries-listed-in-another-order",
        "ours, signed: payload before the documents that say what it is",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                parts.manifest.entries.swap(0, 6 - 2);
                Ok(())
            })
        },
    ),
    attack(
        "entry-without-a-place",
        "ours, signed: a directory that no reader expects",
        CONTRADICTS,
        |shop| shop.signed(|parts| parts.add("etc/evil", b"evil".to_vec())),
    ),
    attack(
        "signature-listed-as-an-entry",
        "ours, signed: a name that belongs to what is not signed",
        CONTRADICTS,
        |shop| shop.signed(|parts| parts.add("signatures/0000000000000000.sig", Vec::new())),
    ),
    attack(
        "package-in-another-package-s-place",
        "ours, signed: the directory is not the digest's",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                let path = "packages/0123456789abcdef/relay-codec-2.0.0-1.x86_64.rpm".parse()?;
                let at = parts.find("packages/")?;
                parts.contents[at].0 = path;
                parts.relist();
                parts.manifest.rpms[0].path = parts.contents[at].0.clone();
                Ok(())
            })
        },
    ),
    attack(
        "package-that-two-digests-describe",
        "ours, signed: one digest is verified, the other is acted on",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                parts.manifest.rpms[0].sha256 = Sha256::of(b"another");
                Ok(())
            })
        },
    ),
    attack(
        "package-that-is-not-described",
        "ours, signed: an entry without a stated purpose",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                parts.manifest.rpms.pop();
                Ok(())
            })
        },
    ),
    attack(
        "package-without-its-file-list",
        "ours, signed: a plan that does not know what it replaces",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                let at = parts.find("files/")?;
                parts.contents.remove(at);
                parts.relist();
                Ok(())
            })
        },
    ),
    attack(
        "package-without-a-use",
        "ours, signed: carried without a use",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                parts.manifest.rpms[1].uses.clear();
                Ok(())
            })
        },
    ),
    attack(
        "package-for-another-target",
        "ours, signed: for a host that the bundle is not for",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                let stray = Use {
                    distro: "el9".to_owned(),
                    arch: Arch::Aarch64,
                    role: Role::Target,
                    order: 0,
                    component: "relay".to_owned(),
                };
                parts.manifest.rpms[0].uses.push(stray);
                Ok(())
            })
        },
    ),
    attack(
        "no-target",
        "ours, signed: a bundle for no host is for every host, to some",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                parts.manifest.targets.clear();
                Ok(())
            })
        },
    ),
    attack(
        "no-product",
        "ours, signed: nothing says what to do",
        CONTRADICTS,
        |shop| {
            shop.signed(|parts| {
                parts.contents.remove(0);
                parts.relist();
                Ok(())
            })
        },
    ),
    attack(
        "installer-of-the-future",
        "ours, signed: rules that this installer does not know",
        "it needs installer 99.0.0",
        |shop| {
            shop.signed(|parts| {
                parts.manifest.minimum_installer = semver::Version::new(99, 0, 0);
                Ok(())
            })
        },
    ),
    attack(
        "product-of-another-name",
        "ours, signed: the signature is for one product, the instructions for another",
        UNUSABLE,
        |shop| {
            shop.signed(|parts| {
                let mut product = shop.forge().product.clone();
                "another-product".clone_into(&mut product.name);
                document(parts, "product.json", canonical(&product)?)
            })
        },
    ),
    attack(
        "product-that-leads-out",
        "ours, signed: a backup and a revert of the whole host, or of what lies outside it",
        UNUSABLE,
        |shop| {
            product(
                shop,
                "/component/0/config",
                serde_json::json!(["/etc/../../shadow"]),
            )
        },
    ),
    attack(
        "product-with-a-unit-that-is-none",
        "ours, signed: an argument of systemctl where a name belongs",
        UNUSABLE,
        |shop| product(shop, "/component/0/unit", "--now reboot.target".into()),
    ),
    attack(
        "product-with-an-unknown-field",
        "ours, signed: an instruction that this installer would leave out",
        UNUSABLE,
        |shop| {
            product(
                shop,
                "/component/0/versioning",
                serde_json::json!({"lead": 1}),
            )
        },
    ),
    attack(
        "product-of-nothing-but-brackets",
        "CVE-2020-36242's kin: nesting that runs a recursive parser out of its stack",
        UNUSABLE,
        |shop| shop.signed(|parts| document(parts, "product.json", vec![b'['; 500_000])),
    ),
    attack(
        "file-list-of-another-package",
        "ours, signed: a plan of one package, an installation of another",
        "it describes another RPM",
        |shop| {
            shop.signed(|parts| {
                let at = parts.find("files/")?;
                let (first, second) = (
                    parts.contents[at].1.clone(),
                    parts.contents[at + 1].1.clone(),
                );
                parts.contents[at].1 = second;
                parts.contents[at + 1].1 = first;
                parts.relist();
                Ok(())
            })
        },
    ),
    attack(
        "file-list-of-another-name",
        "ours, signed: the digest is right, the package is not",
        "names another package",
        |shop| {
            list(shop, |list| {
                list["nevra"] = "relay-codec-9.0.0-1.x86_64".into();
                Ok(())
            })
        },
    ),
    attack(
        "file-list-of-another-type",
        "CVE-2022-35929 (cosign): a document of one type passed for one of another",
        UNUSABLE,
        |shop| {
            list(shop, |list| {
                list["type"] = "airgap-bundle/manifest/1".into();
                Ok(())
            })
        },
    ),
    attack(
        "file-list-of-nothing-but-brackets",
        "CVE-2020-36242's kin: nesting that runs a recursive parser out of its stack",
        UNUSABLE,
        |shop| shop.signed(|parts| document(parts, "files/", vec![b'['; 8_000_000])),
    ),
    attack(
        "file-list-of-a-million-nothings",
        "ours, signed: eleven bytes of JSON that take seventy-two of memory, over and over",
        "a list stands where an object belongs",
        |shop| {
            let text = list_text(shop)?;
            let room = usize::try_from(PACKAGE_FILES_MAX_BYTES)? - text.len();
            let nothing = "[\"\",\"\",\"\"],";
            let many = format!(
                "\"requires\": [{}[\"\",\"\",\"\"],",
                nothing.repeat(room / nothing.len() - 2)
            );
            let text = text
                .replacen("\"requires\": [", &many, 1)
                .replacen("],]", "]]", 1);
            shop.signed(|parts| document(parts, "files/", text.into_bytes()))
        },
    ),
    attack(
        "file-list-of-too-many-values",
        "ours, signed: the same as objects",
        "more values than a reader takes",
        |shop| {
            let text = list_text(shop)?;
            let one = "{\"name\":\"\",\"comparison\":\"\",\"version\":\"\"},";
            let room = usize::try_from(PACKAGE_FILES_MAX_BYTES)? - text.len();
            let many = format!("\"conflicts\": [{}", one.repeat(room / one.len() - 1));
            let text = text
                .replacen("\"conflicts\": [", &many, 1)
                .replacen(",]", "]", 1);
            shop.signed(|parts| document(parts, "files/", text.into_bytes()))
        },
    ),
    attack(
        "file-lists-of-too-many-values-together",
        "ours, signed: each is small enough, and a host would keep them all in memory",
        "more values than a reader takes",
        |shop| lists(shop, &[30_000, 30_000, 23_000, 5_000], ""),
    ),
    attack(
        "file-lists-as-large-as-allowed",
        "ours, signed: lists within every bound, and at the end a package that is not as signed",
        "has SHA-256",
        |shop| lists(shop, &[27_000, 27_000, 27_000], ""),
    ),
    attack(
        "file-lists-of-long-words",
        "ours, signed: the same with a few words of millions of letters",
        "has SHA-256",
        |shop| {
            lists(
                shop,
                &[1, 1, 1],
                &"a".repeat(usize::try_from(PACKAGE_FILES_MAX_BYTES)? - 4096),
            )
        },
    ),
];

/// Replaces a document, and the list of all of them.
fn document(parts: &mut Parts, start: &str, bytes: Vec<u8>) -> Result<()> {
    let at = parts.find(start)?;
    parts.contents[at].1 = bytes;
    parts.relist();
    Ok(())
}

/// A signed bundle whose product manifest has another value at a place.
fn product(shop: &Workshop, place: &str, value: serde_json::Value) -> Result<Vec<u8>> {
    shop.signed(|parts| {
        let mut product = serde_json::to_value(&shop.forge().product)?;
        *product
            .pointer_mut(place)
            .with_context(|| format!("no {place}"))? = value;
        document(parts, "product.json", canonical(&product)?)
    })
}

fn list_text(shop: &Workshop) -> Result<String> {
    let at = shop.good.find("files/")?;
    Ok(String::from_utf8(shop.good.contents[at].1.clone())?)
}

/// A signed bundle whose first file list was changed.
fn list(
    shop: &Workshop,
    change: impl FnOnce(&mut serde_json::Value) -> Result<()>,
) -> Result<Vec<u8>> {
    shop.signed(|parts| {
        let at = parts.find("files/")?;
        let mut list = serde_json::from_slice(&parts.contents[at].1)?;
        change(&mut list)?;
        document(parts, "files/", canonical(&list)?)
    })
}

/// Valid file lists with so many files, each of a package of its own; the last package is not as
/// signed.
fn lists(shop: &Workshop, counts: &[usize], summary: &str) -> Result<Vec<u8>> {
    let mut parts = shop.good.clone();
    let old = parts.find("files/")? + 1;
    let template: serde_json::Value = serde_json::from_slice(&parts.contents[old].1)?;
    let mut rpm = parts.manifest.rpms[1].clone();
    let (mut lists, mut packages) = (Vec::new(), Vec::new());
    for (&count, number) in counts.iter().zip(0_u8..) {
        let package = vec![number; 100];
        let sha256 = Sha256::of(&package);
        let mut document = template.clone();
        document["rpm"] = sha256.to_string().into();
        document["about"]["summary"] = summary.into();
        document["files"] = (0..count).map(|at| file(number, at)).collect();
        rpm.sha256 = sha256;
        rpm.path = BundlePath::for_package(&sha256, rpm.path.file_name())?;
        let path = BundlePath::for_package_files(&sha256);
        lists.push((path, serde_json::to_vec(&document)?));
        packages.push((rpm.path.clone(), package));
        parts.manifest.rpms.push(rpm.clone());
    }
    let at = parts.find("packages/")?;
    parts.contents.splice(at..at, lists);
    parts.contents.extend(packages);
    parts.relist();
    let archive = shop.sign(&parts)?;
    let last = archive.items.len() - 1;
    archive.edit(last, |item| item.body[0] ^= 1).pack()
}

/// A file of a package as header and list have it.
fn file(package: u8, at: usize) -> serde_json::Value {
    serde_json::json!({
        "path": format!("/opt/product/share/{package}/{at:032}"), "mode": 0o100_644,
        "user": "root", "group": "root", "size": 1, "digest": "0".repeat(64), "link": "",
        "capabilities": "", "config": false, "noreplace": false, "ghost": false,
    })
}
