//! Attacks on the chain of root documents: on what follows an enrolled one.

use anyhow::Result;
use manifests::json::canonical;
use manifests::limits::{TRUST_DOCUMENT_MAX_BYTES, TRUST_ENTRIES_MAX};
use manifests::trust::{RootDocument, SignedRoot};

use super::workshop::assemble;
use super::{Attack, Workshop, attack};
use crate::forge::{Seal, TestKey, revoke, root_document, sign_root};

/// Files of a bundle before its contents.
type Files = Vec<(String, Vec<u8>)>;

const FOREIGN: &str = "none of which is trusted here";
const CHAIN: &str = "its root documents are not usable";

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "signed-by-a-revoked-key",
        "RAUC's and rpm's revoked keys that went on counting: the thief signs with what he stole",
        "revokes: stolen in a test",
        |shop| Cast::new()?.bundle(shop, |cast| Ok((&cast.old, cast.revoked()?))),
    ),
    attack(
        "signed-by-a-superseded-key",
        "TUF's key rotation: the key of a version that was replaced",
        "may not sign any more since root version 2",
        |shop| Cast::new()?.bundle(shop, |cast| Ok((&cast.old, cast.rotated()?))),
    ),
    attack(
        "chain-with-a-gap",
        "TUF conformance: version N+2 follows N, and what N+1 took away is back",
        FOREIGN,
        |shop| {
            let cast = Cast::new()?;
            let mut trust = cast.rotated()?;
            trust.push(cast.signed(&root_document(3, &cast.keeper, &cast.new))?);
            let files = files(shop, &cast.new, trust)?;
            let files = files
                .into_iter()
                .filter(|(name, _)| !name.starts_with("trust/root.2."));
            pack(shop, &files.collect())
        },
    ),
    attack(
        "chain-that-the-version-before-did-not-sign",
        "CVE-2022-29173's kin (go-tuf): a new root that vouches for itself",
        FOREIGN,
        |shop| {
            Cast::new()?.bundle(shop, |cast| {
                let forged = root_document(2, &cast.thief, &cast.thief);
                let forged = sign_root(&forged, &[&cast.thief])?;
                Ok((&cast.thief, vec![cast.first()?, forged]))
            })
        },
    ),
    attack(
        "chain-that-its-own-keys-did-not-sign",
        "TUF, both quorums: a root that locks its own holders out",
        FOREIGN,
        |shop| {
            Cast::new()?.bundle(shop, |cast| {
                let next = root_document(2, &cast.thief, &cast.new);
                Ok((&cast.new, vec![cast.first()?, cast.signed(&next)?]))
            })
        },
    ),
    attack(
        "chain-under-another-version-number",
        "TUF conformance: the file says 2, the document 3",
        FOREIGN,
        |shop| {
            Cast::new()?.bundle(shop, |cast| {
                let next = root_document(3, &cast.keeper, &cast.new);
                Ok((&cast.new, vec![cast.first()?, cast.signed(&next)?]))
            })
        },
    ),
    attack(
        "chain-that-forgets-a-revocation",
        "ours: version 3 gives the stolen key its role back",
        "revokes: stolen in a test",
        |shop| {
            Cast::new()?.bundle(shop, |cast| {
                let mut trust = cast.revoked()?;
                trust.push(cast.signed(&root_document(3, &cast.keeper, &cast.old))?);
                Ok((&cast.old, trust))
            })
        },
    ),
    attack(
        "chain-of-another-root-with-one-byte-changed",
        "ours: what proves nothing could be changed by anybody",
        CHAIN,
        |shop| {
            good_with(shop, |cast| {
                let mut trust = cast.rotated()?;
                trust[1].bytes[40] ^= 1;
                Ok(trust)
            })
        },
    ),
    attack(
        "chain-that-begins-late",
        "ours: the root that it follows is unknown",
        CHAIN,
        |shop| good_without(shop, "trust/root.1."),
    ),
    attack(
        "chain-with-a-signature-too-many",
        "ours: unchecked bytes under a signature's name",
        CHAIN,
        |shop| {
            good_with(shop, |cast| {
                let mut trust = cast.rotated()?;
                let stray = sign_root(&root_document(9, &cast.thief, &cast.thief), &[&cast.thief])?;
                trust[1].signatures.extend(stray.signatures);
                Ok(trust)
            })
        },
    ),
    attack(
        "chain-signatures-without-their-document",
        "ours: a document that comes later, when the signatures are known",
        CHAIN,
        |shop| good_without(shop, "trust/root.2.json"),
    ),
    attack(
        "trust-file-under-an-odd-name",
        "ours: 02 and 2 are two names of one version",
        "neither root.N.json nor",
        |shop| {
            let cast = Cast::new()?;
            let mut files = files(shop, &shop.key, cast.rotated()?)?;
            for (name, _) in &mut files {
                *name = name.replace("root.2.json", "root.02.json");
            }
            files.sort();
            pack(shop, &files)
        },
    ),
    attack(
        "more-trust-entries-than-readers-take",
        "TUF's endless data, in small pieces",
        "more under trust/ than a reader takes",
        |shop| {
            let cast = Cast::new()?;
            let document = cast.first()?.bytes;
            let roots = (1..=TRUST_ENTRIES_MAX + 1)
                .map(|n| (format!("trust/root.{n}.json"), document.clone()));
            let mut files = files(shop, &shop.key, Vec::new())?;
            files.extend(roots);
            files.sort();
            pack(shop, &files)
        },
    ),
    attack(
        "more-trust-bytes-than-readers-take",
        "TUF's endless data, in large pieces",
        "more under trust/ than a reader takes",
        |shop| {
            let large = vec![b' '; usize::try_from(TRUST_DOCUMENT_MAX_BYTES)?];
            let roots = (1..=17).map(|n| (format!("trust/root.{n}.json"), large.clone()));
            let mut files = files(shop, &shop.key, Vec::new())?;
            files.extend(roots);
            files.sort();
            pack(shop, &files)
        },
    ),
];

/// The keys of a root that the host has enrolled, and the key of an attacker.
pub(super) struct Cast {
    keeper: TestKey,
    old: TestKey,
    new: TestKey,
    thief: TestKey,
}

impl Cast {
    fn new() -> Result<Self> {
        Ok(Self {
            keeper: TestKey::from_seed(20)?,
            old: TestKey::from_seed(21)?,
            new: TestKey::from_seed(22)?,
            thief: TestKey::from_seed(23)?,
        })
    }

    /// The document that the host has enrolled.
    pub(super) fn enrolled() -> Result<Vec<u8>> {
        Ok(Self::new()?.first()?.bytes)
    }

    fn signed(&self, document: &RootDocument) -> Result<SignedRoot> {
        sign_root(document, &[&self.keeper])
    }

    fn first(&self) -> Result<SignedRoot> {
        self.signed(&root_document(1, &self.keeper, &self.old))
    }

    /// The old release key is replaced by the new one.
    fn rotated(&self) -> Result<Vec<SignedRoot>> {
        let next = root_document(2, &self.keeper, &self.new);
        Ok(vec![self.first()?, self.signed(&next)?])
    }

    /// The old release key is replaced and revoked.
    fn revoked(&self) -> Result<Vec<SignedRoot>> {
        let mut next = root_document(2, &self.keeper, &self.new);
        revoke(&mut next, &self.old);
        Ok(vec![self.first()?, self.signed(&next)?])
    }

    /// The good bundle with another signer and a chain.
    fn bundle(
        &self,
        shop: &Workshop,
        choose: impl FnOnce(&Self) -> Result<(&TestKey, Vec<SignedRoot>)>,
    ) -> Result<Vec<u8>> {
        let (signer, trust) = choose(self)?;
        pack(shop, &files(shop, signer, trust)?)
    }
}

fn files(shop: &Workshop, signer: &TestKey, trust: Vec<SignedRoot>) -> Result<Files> {
    let manifest = canonical(&shop.good.manifest)?;
    let seal = Seal {
        keys: vec![signer],
        trust,
        sequence: 0,
    };
    Ok(seal.files(&manifest))
}

fn pack(shop: &Workshop, files: &Files) -> Result<Vec<u8>> {
    let manifest = canonical(&shop.good.manifest)?;
    assemble(&manifest, files, &shop.good.contents)?.pack()
}

/// The good bundle, well signed, with a chain that has nothing to do with its signer.
fn good_with(
    shop: &Workshop,
    choose: impl FnOnce(&Cast) -> Result<Vec<SignedRoot>>,
) -> Result<Vec<u8>> {
    let cast = Cast::new()?;
    let trust = choose(&cast)?;
    pack(shop, &files(shop, &shop.key, trust)?)
}

/// The same with a good chain that lacks some files.
fn good_without(shop: &Workshop, missing: &str) -> Result<Vec<u8>> {
    let cast = Cast::new()?;
    let mut files = files(shop, &shop.key, cast.rotated()?)?;
    files.retain(|(name, _)| !name.starts_with(missing));
    pack(shop, &files)
}
