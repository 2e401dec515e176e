//! Two good bundles by the same signer, mixed.

use anyhow::{Context as _, Result};
use manifests::json::canonical;

use super::workshop::{assemble, signature};
use super::{Attack, Workshop, attack};

const LISTED: &str = "differs from the signed manifest";
const DIGEST: &str = "has SHA-256";
const ORDER: &str = "stands where";
const MISMATCH: &str = "does not match: the bytes were changed after signing";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "manifest-of-another-bundle",
        "TUF's mix-and-match: the list of one release, the files of another",
        MISMATCH,
        |shop| {
            shop.changed(|mut archive| {
                archive.items[0] = shop.sign(&shop.other)?.items[0].clone();
                Ok(archive)
            })
        },
    ),
    attack(
        "signature-of-another-bundle",
        "ours: a signature that is valid, over something else",
        MISMATCH,
        |shop| {
            shop.changed(|mut archive| {
                archive.items[1] = shop.sign(&shop.other)?.items[1].clone();
                Ok(archive)
            })
        },
    ),
    attack(
        "manifest-and-signature-of-another-bundle",
        "TUF's mix-and-match, with the signature that belongs to the list",
        LISTED,
        |shop| {
            let manifest = canonical(&shop.other.manifest)?;
            let by = [signature(&shop.key, &manifest)];
            assemble(&manifest, &by, &shop.good.contents)?.pack()
        },
    ),
    attack(
        "product-of-another-bundle",
        "SWUpdate's own reason to sign the description: signed images alone can be mixed",
        LISTED,
        |shop| swapped(shop, "product.json", "product.json"),
    ),
    attack(
        "vendor-key-of-another-bundle",
        "ours: the key by which the packages are judged",
        DIGEST,
        |shop| swapped(shop, "keys/", "keys/"),
    ),
    attack(
        "file-list-of-another-bundle",
        "ours: the same size, the same package, another build",
        DIGEST,
        |shop| swapped(shop, "files/", "files/"),
    ),
    attack(
        "package-of-another-bundle",
        "SWUpdate's own reason to sign the description: the same size, the same package, another build",
        DIGEST,
        |shop| swapped(shop, "packages/", "packages/"),
    ),
    attack(
        "package-of-another-bundle-under-its-own-name",
        "ours: the same, with the header it was signed with",
        ORDER,
        |shop| {
            let (mine, theirs) = (shop.good.find("packages/")?, shop.other.find("packages/")?);
            shop.changed(|mut archive| {
                archive.items[2 + mine] = shop.sign(&shop.other)?.items[2 + theirs].clone();
                Ok(archive)
            })
        },
    ),
    attack(
        "previous-package-for-the-target",
        "TUF's rollback, inside one bundle: the old package under the new one's name",
        LISTED,
        |shop| {
            shop.changed(|mut archive| {
                let last = archive.items.pop().context("no package")?;
                let target = archive.items.pop().context("no package")?;
                let mut lie = last.clone();
                lie.header = target.header;
                lie.claim(lie.body.len() as u64);
                archive.items.extend([lie, last]);
                Ok(archive)
            })
        },
    ),
    attack(
        "documents-of-one-bundle-packages-of-another",
        "TUF's mix-and-match, at the seam between what is read first and what is large",
        ORDER,
        |shop| {
            let seam = 2 + shop.good.find("packages/")?;
            shop.changed(|mut archive| {
                let other = shop.sign(&shop.other)?;
                archive.items.truncate(seam);
                archive.items.extend(other.items[seam..].iter().cloned());
                Ok(archive)
            })
        },
    ),
];

/// The good bundle in which one file has the other bundle's content, and the header that fits it.
fn swapped(shop: &Workshop, mine: &str, theirs: &str) -> Result<Vec<u8>> {
    let at = 2 + shop.good.find(mine)?;
    let body = shop.other.contents[shop.other.find(theirs)?].1.clone();
    shop.changed(|archive| {
        Ok(archive.edit(at, |item| {
            item.claim(body.len() as u64);
            item.body = body;
        }))
    })
}
