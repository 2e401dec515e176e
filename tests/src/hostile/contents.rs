//! Signed packages that are not packages, and bundles that do not fit the host. Every byte is as
//! signed, so `verify` accepts them. The host has to refuse them before it changes anything.

use anyhow::Result;
use manifests::bundle_path::BundlePath;
use manifests::digest::Sha256;
use manifests::json::canonical;

use super::workshop::Parts;
use super::{Aim, Attack, Workshop, attack};

const SIGNATURES: &str = "does not accept the package signatures";
const HERE: &str = "this bundle cannot be installed here";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "package-that-is-a-list-of-packages",
        "rpm 4.11 to 4.18, measured: a text file given to `rpm -U` is a list of other files, which it installs with exit code 0",
        SIGNATURES,
        |shop| target(shop, |_| Ok(b"/root/evil.rpm\n".to_vec())),
    )
    .on(Aim::Host),
    attack(
        "package-with-a-changed-payload",
        "rpm 4.11, measured: `rpm --test` accepts it, and the installation dies half-way",
        SIGNATURES,
        |shop| {
            target(shop, |mut rpm| {
                let last = rpm.len() - 20;
                rpm[last] ^= 1;
                Ok(rpm)
            })
        },
    )
    .on(Aim::Host),
    attack(
        "package-with-a-changed-header",
        "CVE-2021-20271, CVE-2021-3421 (rpm): parts of a header that no signature covered reached the database",
        SIGNATURES,
        |shop| {
            target(shop, |mut rpm| {
                let middle = rpm.len() / 2;
                rpm[middle] ^= 1;
                Ok(rpm)
            })
        },
    )
    .on(Aim::Host),
    attack(
        "package-that-is-cut",
        "rpm 4.11, measured: `rpm --test` accepts it, and twenty to thirty orphans are left",
        SIGNATURES,
        |shop| target(shop, |rpm| Ok(rpm[..rpm.len() - 100].to_vec())),
    )
    .on(Aim::Host),
    attack(
        "package-with-a-tail",
        "ours: bytes behind the payload",
        SIGNATURES,
        |shop| target(shop, |rpm| Ok([rpm, b"tail".to_vec()].concat())),
    )
    .on(Aim::Host),
    attack(
        "package-by-a-vendor-whose-key-is-not-carried",
        "CVE-2021-3521 (rpm): signatures were accepted without asking whether the key may sign",
        SIGNATURES,
        |shop| {
            shop.signed(|parts| {
                let at = parts.find("keys/")?;
                parts.contents[at].1 = shop.stranger_key().to_vec();
                parts.relist();
                Ok(())
            })
        },
    )
    .on(Aim::Host),
    attack(
        "package-of-another-name",
        "ours: signed as an upgrade of one package, and it is another one",
        "not what the bundle says of it",
        |shop| target(shop, |_| Ok(shop.foreign_rpm().to_vec())),
    )
    .on(Aim::Host),
    attack(
        "bundle-for-another-host",
        "TUF's wrong software, RAUC's `compatible`: a good bundle on a host that it is not for",
        HERE,
        |shop| {
            shop.signed(|parts| {
                let target = &mut parts.manifest.targets[0];
                target.major = 9;
                Ok(())
            })
        },
    )
    .on(Aim::Host),
    attack(
        "bundle-without-a-way-back",
        "ours: an upgrade that could not be reverted",
        HERE,
        |shop| {
            shop.signed(|parts| {
                parts.manifest.rpms[1].uses[0].role = manifests::bundle::Role::Target;
                Ok(())
            })
        },
    )
    .on(Aim::Host),
];

/// A signed bundle whose target package holds other bytes.
fn target(shop: &Workshop, change: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    shop.signed(|parts| {
        let at = parts.find("packages/")?;
        let bytes = change(parts.contents[at].1.clone())?;
        replace_target(parts, bytes)
    })
}

/// Gives the target package other bytes, and makes list and file list follow.
pub(super) fn replace_target(parts: &mut Parts, bytes: Vec<u8>) -> Result<()> {
    let (list, package) = (parts.find("files/")?, parts.find("packages/")?);
    let sha256 = Sha256::of(&bytes);
    let mut files: serde_json::Value = serde_json::from_slice(&parts.contents[list].1)?;
    files["rpm"] = sha256.to_string().into();
    let path = BundlePath::for_package(&sha256, parts.contents[package].0.file_name())?;
    parts.contents[list] = (BundlePath::for_package_files(&sha256), canonical(&files)?);
    parts.contents[package] = (path.clone(), bytes);
    parts.manifest.rpms[0].sha256 = sha256;
    parts.manifest.rpms[0].path = path;
    parts.relist();
    Ok(())
}
