//! Attacks on trust itself: root documents, and what follows them. Rotation, revocation and
//! superseded keys belong here.

use anyhow::Result;
use manifests::json::canonical;
use manifests::limits::TRUST_DOCUMENT_MAX_BYTES;
use manifests::trust::RootDocument;
use serde_json::Value;

use super::{Aim, Attack, Workshop, attack};

const NO_ROOT: &str = "it is not a root document";
const SENSELESS: &str = "which makes no sense";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "root-with-one-key-twice",
        "TUF conformance, duplicate keys: two of two keys, and both are one",
        SENSELESS,
        |shop| {
            root(shop, |root| {
                let id = root.release.keys[0].clone();
                root.release.keys.push(id);
                root.release.threshold = 2;
            })
        },
    )
    .on(Aim::Root),
    attack(
        "root-with-a-threshold-of-zero",
        "CVE-2021-41150's kin (tough, go-tuf): no signature is required",
        SENSELESS,
        |shop| root(shop, |root| root.release.threshold = 0),
    )
    .on(Aim::Root),
    attack(
        "root-with-a-threshold-above-its-keys",
        "ours: a quorum that cannot be reached",
        SENSELESS,
        |shop| root(shop, |root| root.root.threshold = 3),
    )
    .on(Aim::Root),
    attack(
        "root-with-a-key-under-another-id",
        "CVE-2020-15163's kin (TUF): the id of one key, the bytes of another",
        "under an id that is not its own",
        |shop| {
            root(shop, |root| {
                shop.stranger
                    .public()
                    .pem()
                    .clone_into(&mut root.keys[0].public);
            })
        },
    )
    .on(Aim::Root),
    attack(
        "root-with-a-key-that-is-not-there",
        "ours: a role for a key that comes later",
        "which the document does not hold",
        |shop| root(shop, |root| root.keys.clear()),
    )
    .on(Aim::Root),
    attack(
        "root-with-a-key-that-is-none",
        "CVE-2020-0601 (Windows): a point that the curve does not have",
        "cannot be read",
        |shop| {
            root(shop, |root| {
                root.keys[0].public = root.keys[0]
                    .public
                    .replacen("Fk", "Fl", 1)
                    .replacen("AE", "AF", 1);
            })
        },
    )
    .on(Aim::Root),
    attack(
        "root-with-an-algorithm-that-is-not-known",
        "ours: `none`, as in tokens",
        NO_ROOT,
        |shop| json(shop, |root| root["keys"][0]["algorithm"] = "none".into()),
    )
    .on(Aim::Root),
    attack(
        "root-with-an-unknown-field",
        "ours: a restriction that this build would leave out",
        NO_ROOT,
        |shop| json(shop, |root| root["only_before"] = 1.into()),
    )
    .on(Aim::Root),
    attack(
        "root-with-a-key-of-json-twice",
        "CVE-2017-12635 (CouchDB): two parsers took two different values",
        NO_ROOT,
        |shop| {
            let text = String::from_utf8(shop.key.root_document()?)?;
            Ok(text.replacen('{', "{\"version\": 2,", 1).into_bytes())
        },
    )
    .on(Aim::Root),
    attack(
        "root-of-nothing-but-brackets",
        "CVE-2020-36242's kin: nesting that runs a recursive parser out of its stack",
        NO_ROOT,
        |_| Ok(vec![b'['; usize::try_from(TRUST_DOCUMENT_MAX_BYTES)?]),
    )
    .on(Aim::Root),
    attack(
        "root-larger-than-readers-take",
        "TUF's endless data",
        "larger than a root document",
        |_| Ok(vec![b' '; usize::try_from(TRUST_DOCUMENT_MAX_BYTES)? + 1]),
    )
    .on(Aim::Root),
    attack(
        "manifest-as-root-document",
        "CVE-2022-35929 (cosign): a document of one type passed for one of another",
        NO_ROOT,
        |shop| Ok(canonical(&shop.good.manifest)?),
    )
    .on(Aim::Root),
    attack(
        "root-of-another-type",
        "the same with the fields of a root document",
        "its type is",
        |shop| {
            root(shop, |root| {
                "airgap-bundle/manifest/1".clone_into(&mut root.document);
            })
        },
    )
    .on(Aim::Root),
];

fn root(shop: &Workshop, change: impl FnOnce(&mut RootDocument)) -> Result<Vec<u8>> {
    let mut document = shop.another_root();
    change(&mut document);
    Ok(canonical(&document)?)
}

fn json(shop: &Workshop, change: impl FnOnce(&mut Value)) -> Result<Vec<u8>> {
    let mut document = serde_json::to_value(shop.another_root())?;
    change(&mut document);
    Ok(canonical(&document)?)
}
