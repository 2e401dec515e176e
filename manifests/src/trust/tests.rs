use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{EncodePublicKey as _, LineEnding};

use super::*;
use crate::json::canonical;
use crate::signature::{Algorithm, PublicKey};

struct Key {
    secret: SigningKey,
    public: PublicKey,
}

fn key(seed: u8) -> Key {
    let secret = SigningKey::from_slice(&[seed; 32]).unwrap();
    let public: p256::PublicKey = secret.verifying_key().into();
    let pem = public.to_public_key_pem(LineEnding::LF).unwrap();
    let public = PublicKey::from_pem(Algorithm::EcdsaP256Sha256, &pem).unwrap();
    Key { secret, public }
}

fn sign(bytes: &[u8], seeds: &[u8]) -> Vec<Signature> {
    let one = |seed: &u8| {
        let key = key(*seed);
        let signature: p256::ecdsa::DerSignature = key.secret.sign(bytes);
        Signature::new(key.public.id().clone(), signature.as_bytes().to_vec()).unwrap()
    };
    seeds.iter().map(one).collect()
}

/// A document whose roles are `(threshold, seeds)`.
fn document(version: u64, root: (u32, &[u8]), release: (u32, &[u8])) -> RootDocument {
    let ids = |seeds: &[u8]| -> Vec<KeyId> {
        seeds.iter().map(|s| key(*s).public.id().clone()).collect()
    };
    let mut seeds = [root.1, release.1].concat();
    seeds.sort_unstable();
    seeds.dedup();
    let listed = |seed: &u8| {
        let public = key(*seed).public;
        RootKey {
            id: public.id().clone(),
            algorithm: public.algorithm(),
            public: public.pem().to_owned(),
        }
    };
    RootDocument {
        document: ROOT_TYPE.to_owned(),
        version,
        title: "TEST KEYS, never trusted".to_owned(),
        keys: seeds.iter().map(listed).collect(),
        root: Role {
            threshold: root.0,
            keys: ids(root.1),
        },
        release: ReleaseRole {
            threshold: release.0,
            keys: ids(release.1),
            products: vec!["tyk".to_owned()],
        },
        revoked: Vec::new(),
    }
}

fn revoking(mut document: RootDocument, seed: u8) -> RootDocument {
    document.revoked.push(RevokedKey {
        id: key(seed).public.id().clone(),
        reason: "stolen".to_owned(),
    });
    document
}

fn signed(document: &RootDocument, seeds: &[u8]) -> SignedRoot {
    let bytes = canonical(document).unwrap();
    let signatures = sign(&bytes, seeds);
    SignedRoot { bytes, signatures }
}

fn carried(roots: &[SignedRoot]) -> CarriedTrust {
    let mut trust = CarriedTrust::default();
    for (at, root) in roots.iter().enumerate() {
        let version = at as u64 + 1;
        for (file, bytes) in root.files(version) {
            trust.add(file, bytes.to_vec()).unwrap();
        }
    }
    trust
}

fn first() -> SignedRoot {
    signed(&document(1, (2, &[1, 2, 3]), (1, &[10])), &[1, 2])
}

fn anchor() -> TrustRoot {
    TrustRoot::parse(&first().bytes).unwrap()
}

#[test]
fn a_chain_is_followed_as_far_as_both_quorums_lead() {
    let second = signed(&document(2, (2, &[2, 3, 4]), (1, &[11])), &[2, 3]);
    let third = signed(&document(3, (2, &[2, 3, 4]), (1, &[12])), &[3, 4]);
    let trust = carried(&[first(), second, third]);
    let (newest, led) = trust.follow(&anchor());
    assert_eq!((newest.document().version, led), (3, vec![2, 3]));
    assert_eq!(newest.anchor(), anchor().fingerprint());
    assert_eq!(newest.retired(key(10).public.id()), Some(2));
    assert_eq!(newest.retired(key(11).public.id()), Some(3));
    assert_eq!(newest.retired(key(12).public.id()), None);
    assert_eq!(trust.check().unwrap().unwrap().document().version, 3);
}

#[test]
fn each_missing_quorum_stops_the_chain() {
    let next = document(2, (2, &[3, 4, 5]), (1, &[11]));
    let refused = |seeds: &[u8]| {
        let carried = signed(&next, seeds);
        anchor()
            .next(&carried.bytes, &carried.signatures)
            .unwrap_err()
    };
    // Key 3 is in both versions; the quorums are counted apart.
    assert!(matches!(
        refused(&[4, 5]),
        ChainError::Before { version: 2, .. }
    ));
    assert!(matches!(refused(&[3, 4]), ChainError::Before { .. }));
    assert!(matches!(refused(&[1, 2]), ChainError::Own { .. }));
    assert!(matches!(refused(&[2, 3]), ChainError::Own { .. }));
    let both = signed(&next, &[2, 3, 4]);
    assert!(anchor().next(&both.bytes, &both.signatures).is_ok());
}

#[test]
fn gaps_other_versions_and_forgotten_revocations_are_refused() {
    let jump = signed(&document(3, (2, &[1, 2, 3]), (1, &[10])), &[1, 2]);
    let error = anchor().next(&jump.bytes, &jump.signatures).unwrap_err();
    assert!(matches!(
        error,
        ChainError::Version {
            version: 2,
            found: 3
        }
    ));
    let second = revoking(document(2, (2, &[1, 2, 3]), (1, &[11])), 10);
    let second = signed(&second, &[1, 2]);
    let second = anchor().next(&second.bytes, &second.signatures).unwrap();
    let third = signed(&document(3, (2, &[1, 2, 3]), (1, &[11])), &[1, 2]);
    let error = second.next(&third.bytes, &third.signatures).unwrap_err();
    assert!(matches!(error, ChainError::Forgets { version: 3, .. }));
    let in_role = revoking(document(1, (1, &[1]), (1, &[10])), 10);
    let error = TrustRoot::parse(&canonical(&in_role).unwrap()).unwrap_err();
    assert!(matches!(error, RootError::RevokedInRole(_)));
}

#[test]
fn what_became_of_an_old_release_key_is_said() {
    let second = revoking(document(2, (2, &[1, 2, 3]), (1, &[11])), 10);
    let (revoked, _) = carried(&[first(), signed(&second, &[1, 2])]).follow(&anchor());
    let signatures = sign(b"manifest", &[10]);
    let refused = |root: &TrustRoot| {
        let roots = std::slice::from_ref(root);
        verify_manifest(b"manifest", &signatures, roots).unwrap_err()
    };
    assert!(matches!(refused(&revoked), VerifyError::Revoked { reason, .. } if reason == "stolen"));
    let second = signed(&document(2, (2, &[1, 2, 3]), (1, &[11])), &[1, 2]);
    let (retired, _) = carried(&[first(), second]).follow(&anchor());
    assert!(matches!(
        refused(&retired),
        VerifyError::Retired { version: 2, .. }
    ));
    // Before the change the key counts, and the bytes are looked at.
    assert!(matches!(refused(&anchor()), VerifyError::Manifest(_)));
}

#[test]
fn a_chain_that_is_nobodys_is_not_followed_and_no_byte_of_one_is_free() {
    let second = signed(&document(2, (2, &[2, 3, 4]), (1, &[11])), &[2, 3]);
    let stranger = TrustRoot::parse(&signed(&document(1, (1, &[9]), (1, &[9])), &[9]).bytes);
    let chain = [first(), second];
    let (newest, led) = carried(&chain).follow(&stranger.unwrap());
    assert_eq!((newest.document().version, led.len()), (1, 0));
    assert!(carried(&chain).check().is_ok());
    for (root, original) in chain.iter().enumerate() {
        for at in (0..original.bytes.len()).step_by(11) {
            let mut bad = chain.clone();
            bad[root].bytes[at] ^= 1;
            assert!(carried(&bad).check().is_err(), "root {root} byte {at}");
        }
        for signature in 0..original.signatures.len() {
            let mut bad = chain.clone();
            let mut bytes = original.signatures[signature].as_bytes().to_vec();
            bytes[20] ^= 1;
            let key = original.signatures[signature].key_id().clone();
            bad[root].signatures[signature] = Signature::new(key, bytes).unwrap();
            assert!(
                carried(&bad).check().is_err(),
                "root {root} signature {signature}"
            );
        }
    }
    // A third, superfluous signature of a stranger is refused too.
    let mut bad = chain;
    bad[1].signatures.extend(sign(b"x", &[9]));
    assert!(matches!(
        carried(&bad).check(),
        Err(CarriedError::Chain(ChainError::StraySignature { .. }))
    ));
}

#[test]
fn one_key_fills_one_place_of_a_quorum_and_one_line_of_a_root() {
    let mut twice = document(1, (2, &[1, 2]), (2, &[10, 11]));
    twice.release.keys = vec![key(10).public.id().clone(); 2];
    let error = TrustRoot::parse(&canonical(&twice).unwrap()).unwrap_err();
    assert!(matches!(error, RootError::Threshold { keys: 1, .. }));
}

#[test]
fn of_two_roots_that_know_the_key_the_one_for_the_product_counts() {
    let mut other = document(1, (1, &[1]), (1, &[10]));
    other.release.products = vec!["other".to_owned()];
    let parse = |d: &RootDocument| TrustRoot::parse(&canonical(d).unwrap()).unwrap();
    let roots = [parse(&other), parse(&document(1, (1, &[2]), (1, &[10])))];
    let signatures = sign(b"m", &[10]);
    let quorums = find_quorums(b"m", &signatures, &roots).unwrap();
    assert_eq!(quorums.len(), 2);
    assert!(covering(quorums.clone(), "tyk").is_ok());
    let error = covering(quorums, "third").unwrap_err();
    assert!(matches!(error, VerifyError::Scope { allowed, .. } if allowed == "other, tyk"));
}

#[test]
fn a_key_that_one_root_revokes_counts_for_no_other() {
    let mut other = document(1, (1, &[1]), (1, &[10]));
    other.release.products = vec!["other".to_owned()];
    let parse = |d: &RootDocument| TrustRoot::parse(&canonical(d).unwrap()).unwrap();
    let revoked = revoking(document(2, (1, &[2]), (1, &[11])), 10);
    let roots = [parse(&other), parse(&revoked)];
    let refused = find_quorums(b"m", &sign(b"m", &[10]), &roots).unwrap_err();
    assert!(
        matches!(refused, VerifyError::Revoked { version: 2, .. }),
        "{refused}"
    );
    assert!(find_quorums(b"m", &sign(b"m", &[10]), &roots[..1]).is_ok());
    // A good signature beside it still counts.
    assert!(find_quorums(b"m", &sign(b"m", &[10, 11]), &roots).is_ok());
}

#[test]
fn names_have_one_form() {
    let id = "0123456789abcdef";
    for good in ["root.1.json", &format!("root.12.{id}.sig")] {
        assert_eq!(RootFile::parse(good).unwrap().to_string(), good);
    }
    for bad in [
        "root.01.json",
        "root.+1.json",
        "root.0.json",
        "root.json",
        "root.1.x.sig",
        "root.1.json.sig",
        "root.18446744073709551616.json",
    ] {
        assert_eq!(RootFile::parse(bad), None, "{bad}");
    }
}
