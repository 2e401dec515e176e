//! Signatures that are missing, foreign, misplaced, counted twice, or over something else.

use anyhow::Result;
use manifests::json::canonical;
use manifests::limits::SIGNATURES_MAX;
use manifests::parts::{PARTS_TYPE, Part, PartsDocument};
use manifests::trust::ROOT_TYPE;

use super::archive::Item;
use super::workshop::{assemble, signature, signature_path};
use super::{Attack, Workshop, attack};
use crate::forge::TestKey;

const MISMATCH: &str = "does not match: the bytes were changed after signing";
const FOREIGN: &str = "none of which is trusted here";
const SHAPE: &str = "does not have the shape";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "no-signature",
        "ours: what is not signed is not asked for",
        "it carries no signature",
        |shop| signed_by(shop, |_| Vec::new()),
    ),
    attack(
        "signature-of-a-stranger",
        "ours: a valid signature by a key that is not enrolled",
        FOREIGN,
        |shop| signed_by(shop, |bytes| vec![signature(&shop.stranger, bytes)]),
    ),
    attack(
        "signature-of-a-stranger-who-vouches-for-himself",
        "ours: the bundle brings the root document that trusts its signer",
        FOREIGN,
        |shop| {
            let bytes = canonical(&shop.good.manifest)?;
            let root = shop.stranger.root_document()?;
            let by = [signature(&shop.stranger, &bytes)];
            let archive = assemble(&bytes, &by, &shop.good.contents)?;
            let name = format!("trust/root.1.{}.sig", shop.stranger.public().id());
            archive
                .insert(2, Item::good("trust/root.1.json", &root)?)
                .insert(2, Item::good(&name, &shop.stranger.sign(&root))?)
                .pack()
        },
    ),
    attack(
        "signature-of-a-stranger-under-a-trusted-id",
        "TUF's arbitrary installation: the key id is a hint and was taken for a proof",
        MISMATCH,
        |shop| signed_by(shop, |bytes| named(&shop.key, shop.stranger.sign(bytes))),
    ),
    attack(
        "trusted-signature-under-another-id",
        "ours: readers that try every key make ids meaningless",
        FOREIGN,
        |shop| signed_by(shop, |bytes| named(&shop.stranger, shop.key.sign(bytes))),
    ),
    attack(
        "signature-under-a-name-that-is-no-id",
        "ours: a signature that names no key",
        "is not a key id",
        |shop| {
            signed_by(shop, |bytes| {
                vec![("signatures/README.sig".to_owned(), shop.key.sign(bytes))]
            })
        },
    ),
    attack(
        "signature-under-an-id-in-capitals",
        "CVE-2022-29173's kin (go-tuf): one key counted twice under two spellings of its id",
        "is not a key id",
        |shop| {
            signed_by(shop, |bytes| {
                let id = shop.pair[0].public().id().as_str();
                let again = format!("signatures/{}.sig", id.to_uppercase());
                let mut by = vec![
                    signature(&shop.pair[0], bytes),
                    (again, shop.pair[0].sign(bytes)),
                ];
                by.sort();
                by
            })
        },
    ),
    attack(
        "one-signature-for-two-keys",
        "TUF conformance, duplicate signatures: one of two keys signed, and its signature lies there twice",
        MISMATCH,
        |shop| {
            signed_by(shop, |bytes| {
                let one = shop.pair[0].sign(bytes);
                let mut by =
                    [named(&shop.pair[0], one.clone()), named(&shop.pair[1], one)].concat();
                by.sort();
                by
            })
        },
    ),
    attack(
        "one-of-two-signatures",
        "ours: half a quorum",
        "needs 2",
        |shop| signed_by(shop, |bytes| vec![signature(&shop.pair[0], bytes)]),
    ),
    attack(
        "half-a-quorum-and-a-stranger",
        "ours: two signatures, of which one counts",
        "needs 2",
        |shop| {
            signed_by(shop, |bytes| {
                let mut by = vec![
                    signature(&shop.pair[0], bytes),
                    signature(&shop.stranger, bytes),
                ];
                by.sort();
                by
            })
        },
    ),
    attack(
        "signature-for-another-product",
        "ours: a key that may sign, and not this",
        "may not sign for product",
        |shop| signed_by(shop, |bytes| vec![signature(&shop.elsewhere, bytes)]),
    ),
    attack(
        "signatures-without-end",
        "ours: work for every signature that anybody adds",
        "more than 16 signatures",
        |shop| {
            signed_by(shop, |bytes| {
                let strange = (0..=SIGNATURES_MAX)
                    .map(|at| (format!("signatures/{at:016x}.sig"), shop.key.sign(bytes)));
                strange.collect()
            })
        },
    ),
    attack(
        "empty-signature",
        "ours: nothing, under a trusted id",
        MISMATCH,
        |shop| signed_by(shop, |_| named(&shop.key, Vec::new())),
    ),
    attack(
        "signature-of-zeros",
        "CVE-2022-21449 (Java): r and s of zero passed for every key and every text",
        MISMATCH,
        |shop| signed_by(shop, |_| named(&shop.key, vec![0x30, 6, 2, 1, 0, 2, 1, 0])),
    ),
    attack(
        "signature-with-a-tail",
        "CVE-2020-14966 and its kin: a lenient DER reader lets one signature have many forms",
        MISMATCH,
        |shop| {
            signed_by(shop, |bytes| {
                named(&shop.key, [shop.key.sign(bytes), vec![0]].concat())
            })
        },
    ),
    attack(
        "signature-over-the-digest",
        "ours: signed once, hashed twice",
        MISMATCH,
        |shop| {
            signed_by(shop, |bytes| {
                let digest = manifests::digest::Sha256::of(bytes);
                named(&shop.key, shop.key.sign(digest.as_bytes()))
            })
        },
    ),
    attack(
        "signature-over-the-parsed-text",
        "ours: the same values in another spelling; readers that sign what they parsed accept it",
        MISMATCH,
        |shop| {
            let bytes = canonical(&shop.good.manifest)?;
            let compact = serde_json::to_vec(&shop.good.manifest)?;
            let by = [signature(&shop.key, &compact)];
            assemble(&bytes, &by, &shop.good.contents)?.pack()
        },
    ),
    attack(
        "signature-behind-the-product",
        "ours: documents are read before it is known who signed them",
        "it carries no signature",
        |shop| {
            shop.changed(|mut archive| {
                archive.items.swap(1, 2);
                Ok(archive)
            })
        },
    ),
    attack(
        "root-document-as-manifest",
        "CVE-2022-35929 (cosign): a validly signed document of one type passed for one of another",
        SHAPE,
        |shop| shop.sign_text(&shop.key.root_document()?),
    ),
    attack(
        "parts-document-as-manifest",
        "the same with the list of a split bundle, which the same key signs",
        SHAPE,
        |shop| {
            let sha256 = manifests::digest::Sha256::of(b"");
            let document = PartsDocument {
                document: PARTS_TYPE.to_owned(),
                bundle: "bundle.tar.zst".to_owned(),
                product: shop.good.manifest.product.clone(),
                size: 1,
                sha256,
                manifest_sha256: sha256,
                parts: vec![Part {
                    number: 1,
                    size: 1,
                    sha256,
                }],
            };
            shop.sign_text(&canonical(&document)?)
        },
    ),
    attack(
        "manifest-of-another-type",
        "the same with the fields of a manifest and the type of a root document",
        "this build knows",
        |shop| {
            shop.signed_json(|json| {
                json["type"] = ROOT_TYPE.into();
                Ok(())
            })
        },
    ),
];

/// The good bundle with other signatures.
fn signed_by(shop: &Workshop, by: impl FnOnce(&[u8]) -> Vec<(String, Vec<u8>)>) -> Result<Vec<u8>> {
    let bytes = canonical(&shop.good.manifest)?;
    assemble(&bytes, &by(&bytes), &shop.good.contents)?.pack()
}

/// A signature under the id of a key that may not have made it.
fn named(key: &TestKey, signature: Vec<u8>) -> Vec<(String, Vec<u8>)> {
    vec![(signature_path(key), signature)]
}
