use pgp::composed::{
    ArmorOptions, DetachedSignature, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
    SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureConfig, SignatureType};
use pgp::types::{KeyDetails as _, Password, Tag, Timestamp};

use super::*;

mod form;
mod gnupg;
mod keys;
mod make;

const BORN: u32 = 1_600_000_000;

fn params() -> SecretKeyParamsBuilder {
    let mut params = SecretKeyParamsBuilder::default();
    params
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .created_at(Timestamp::from_secs(BORN))
        .primary_user_id("vendor <vendor@vendor.invalid>".to_owned());
    params
}

fn make(params: &SecretKeyParamsBuilder) -> SignedSecretKey {
    let params = params.build().unwrap();
    params.generate(rand::thread_rng()).unwrap()
}

fn certificates(key: &SignedSecretKey) -> Vec<Certificate> {
    let armored = key
        .to_public_key()
        .to_armored_string(ArmorOptions::default());
    Certificate::read_all(armored.unwrap().as_bytes()).unwrap()
}

fn trusted(key: &SignedSecretKey) -> TrustedKeys {
    let found = certificates(key);
    let pins = [found[0].fingerprint().clone()];
    TrustedKeys::pin(found, &pins).unwrap()
}

fn signed(key: &impl pgp::types::SigningKey, hash: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
    DetachedSignature::sign_binary_data(rand::thread_rng(), key, &Password::empty(), hash, bytes)
        .unwrap()
        .to_armored_bytes(ArmorOptions::default())
        .unwrap()
}

#[test]
fn a_pinned_keys_signature_counts_and_changed_bytes_do_not() {
    let key = make(&params());
    let keys = trusted(&key);
    let signature = signed(&key.primary_key, HashAlgorithm::Sha256, b"m");
    let verdict = keys.verify(b"m", &signature, HashRule::Strong).unwrap();
    assert_eq!(verdict.hash, "SHA256");
    assert_eq!(
        verdict.fingerprint.as_str(),
        format!("{:X}", key.fingerprint())
    );
    assert!(matches!(
        keys.verify(b"n", &signature, HashRule::Strong),
        Err(SignatureError::Mismatch(_))
    ));
    assert!(matches!(
        keys.verify(b"m", b"no signature at all", HashRule::Strong),
        Err(SignatureError::Unreadable(_) | SignatureError::Missing)
    ));
}

#[test]
fn another_keys_signature_does_not_count() {
    let (key, stranger) = (make(&params()), make(&params()));
    let signature = signed(&stranger.primary_key, HashAlgorithm::Sha256, b"m");
    assert!(matches!(
        trusted(&key).verify(b"m", &signature, HashRule::Strong),
        Err(SignatureError::UnknownKey(_))
    ));
    let pins = [certificates(&stranger)[0].fingerprint().clone()];
    let refused = TrustedKeys::pin(certificates(&key), &pins).unwrap_err();
    assert_eq!(
        refused.found[0].as_str(),
        format!("{:X}", key.fingerprint())
    );
}

#[test]
fn sha1_counts_only_where_the_user_named_the_package() {
    // The elliptic curves refuse to sign a SHA-1 digest.
    let key = make(params().key_type(KeyType::Rsa(2048)));
    let keys = trusted(&key);
    let signature = signed(&key.primary_key, HashAlgorithm::Sha1, b"m");
    assert_eq!(
        keys.verify(b"m", &signature, HashRule::Strong),
        Err(SignatureError::WeakHash("SHA1".to_owned()))
    );
    let lenient = HashRule::WeakBecauseAccepted;
    assert_eq!(keys.verify(b"m", &signature, lenient).unwrap().hash, "SHA1");
    assert!(keys.verify(b"n", &signature, lenient).is_err());
}

#[test]
fn a_key_that_may_not_sign_does_not_count() {
    let key = make(params().can_sign(false));
    let signature = signed(&key.primary_key, HashAlgorithm::Sha256, b"m");
    assert!(matches!(
        trusted(&key).verify(b"m", &signature, HashRule::Strong),
        Err(SignatureError::NotForSigning(_))
    ));
}

fn with_subkey(params: &mut SecretKeyParamsBuilder) -> SignedSecretKey {
    let subkey = SubkeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_sign(true)
        .can_encrypt(EncryptionCaps::None)
        .created_at(Timestamp::from_secs(BORN))
        .build()
        .unwrap();
    make(params.subkey(subkey))
}

/// Another certificate of the same key, as an attacker in between may serve it.
fn served(key: &SignedSecretKey, change: impl FnOnce(&mut SignedPublicKey)) -> TrustedKeys {
    let mut public = key.to_public_key();
    change(&mut public);
    let fingerprint = Fingerprint::of(&public.primary_key);
    let certificate = Certificate {
        key: public,
        fingerprint,
    };
    TrustedKeys {
        certificates: vec![certificate],
    }
}

/// A signature of the key over one of its subkeys, with SHA-1 as old tools made it.
fn sha1_over_subkey(key: &SignedSecretKey, typ: SignatureType) -> Signature {
    let primary = &key.primary_key;
    let subkey = key.secret_subkeys[0].key.public_key();
    SignatureConfig::v4(typ, primary.algorithm(), HashAlgorithm::Sha1)
        .sign_subkey_binding(primary, primary.public_key(), &Password::empty(), &subkey)
        .unwrap()
}

#[test]
fn a_revocation_counts_whatever_its_hash_and_a_binding_does_not() {
    let key = with_subkey(params().key_type(KeyType::Rsa(2048)));
    let signature = signed(&key.secret_subkeys[0].key, HashAlgorithm::Sha512, b"m");
    let revocation = sha1_over_subkey(&key, SignatureType::SubkeyRevocation);
    let keys = served(&key, |k| k.public_subkeys[0].signatures.push(revocation));
    for keys in [&keys, &keys.minimised().unwrap()] {
        let error = keys.verify(b"m", &signature, HashRule::Strong).unwrap_err();
        assert!(matches!(error, SignatureError::Revoked(_)), "{error}");
    }
    let binding = sha1_over_subkey(&key, SignatureType::SubkeyBinding);
    let keys = served(&key, |k| k.public_subkeys[0].signatures = vec![binding]);
    let error = keys.verify(b"m", &signature, HashRule::Strong).unwrap_err();
    assert!(matches!(error, SignatureError::Binding(_)), "{error}");
}

#[test]
fn a_certificate_that_lost_its_own_certifications_is_refused() {
    let mut short = params();
    let key = make(short.can_sign(false));
    let signature = signed(&key.primary_key, HashAlgorithm::Sha256, b"m");
    let stranger = make(&params());
    let foreign = stranger.details.users[0].signatures[0].clone();
    let bare = served(&key, |k| k.details.users.clear());
    let with_foreign = served(&key, |k| k.details.users[0].signatures = vec![foreign]);
    for keys in [bare, with_foreign] {
        let error = keys.verify(b"m", &signature, HashRule::Strong).unwrap_err();
        assert!(matches!(error, SignatureError::Uncertified(_)), "{error}");
        assert!(matches!(
            keys.minimised(),
            Err(CertificateError::Uncertified(_))
        ));
    }
}

#[test]
fn a_carried_certificate_holds_what_the_key_signed_and_nothing_else() {
    let key = with_subkey(&mut params());
    let stranger = with_subkey(&mut params());
    let other = stranger.to_public_key();
    let third_party = SignatureConfig::from_key(
        rand::thread_rng(),
        &stranger.primary_key,
        SignatureType::CertGeneric,
    )
    .unwrap()
    .sign_certification_third_party(
        &stranger.primary_key,
        &Password::empty(),
        key.primary_key.public_key(),
        Tag::UserId,
        &key.details.users[0].id,
    )
    .unwrap();
    let whole = served(&key, |k| {
        k.details.users[0].signatures.push(third_party);
        k.details.users.extend(other.details.users.clone());
        k.details
            .direct_signatures
            .extend(other.details.users[0].signatures.clone());
        k.public_subkeys.extend(other.public_subkeys.clone());
    });
    let expected = served(&key, |_| ());
    assert_ne!(whole, expected);
    let minimised = whole.minimised().unwrap();
    assert_eq!(minimised, expected);
    let read = |keys: &TrustedKeys| {
        let armored = keys.certificates[0].armored().unwrap();
        Certificate::read_all(armored.as_bytes()).unwrap()
    };
    assert_eq!(read(&minimised), expected.certificates);
}

#[test]
fn a_signing_subkey_counts_for_its_primary() {
    let key = with_subkey(&mut params());
    let signature = signed(&key.secret_subkeys[0].key, HashAlgorithm::Sha512, b"m");
    let verdict = trusted(&key)
        .verify(b"m", &signature, HashRule::Strong)
        .unwrap();
    assert_eq!(
        verdict.fingerprint.as_str(),
        format!("{:X}", key.fingerprint())
    );
}

#[test]
fn a_signature_older_than_its_key_does_not_count() {
    let key = make(params().created_at(Timestamp::from_secs(u32::MAX - 10)));
    let signature = signed(&key.primary_key, HashAlgorithm::Sha256, b"m");
    assert!(matches!(
        trusted(&key).verify(b"m", &signature, HashRule::Strong),
        Err(SignatureError::Unborn(_))
    ));
}

#[test]
fn concatenated_blocks_are_all_read() {
    let (one, two) = (make(&params()), make(&params()));
    let text: String = [&one, &two]
        .iter()
        .map(|key| {
            let public = key.to_public_key();
            public.to_armored_string(ArmorOptions::default()).unwrap()
        })
        .collect();
    let found = Certificate::read_all(text.as_bytes()).unwrap();
    assert_eq!(found.len(), 2);
    assert!(Certificate::read_all(b"<html>not a key</html>").is_err());
    assert!(Certificate::read_all(b"").is_err());
}

#[test]
fn only_whole_fingerprints_are_fingerprints() {
    let spaced = "12B5 D62C 28F5 7592 D157  5BD5 1ED1 4C59 E37D AC20";
    let parsed: Fingerprint = spaced.parse().unwrap();
    assert_eq!(parsed.as_str(), "12B5D62C28F57592D1575BD51ED14C59E37DAC20");
    for short in ["E37DAC20", "1ED14C59E37DAC20", "", "0x12B5"] {
        assert!(short.parse::<Fingerprint>().is_err(), "{short}");
    }
}
