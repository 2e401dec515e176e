//! Signatures with every choice in the open.

use pgp::packet::{RevocationCode, Subpacket, SubpacketData};
use pgp::types::{KeyVersion, SigningKey};

use super::*;

/// When signatures of these tests are made, unless a test chooses another time.
pub(super) const MADE: u32 = BORN + 1000;

pub(super) fn lifetime(secs: u32) -> pgp::types::Duration {
    pgp::types::Duration::from_secs(secs)
}

pub(super) fn signing() -> SubpacketData {
    let mut flags = pgp::packet::KeyFlags::default();
    flags.set_sign(true);
    SubpacketData::KeyFlags(flags)
}

pub(super) fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

pub(super) fn critical(data: SubpacketData) -> Subpacket {
    Subpacket::critical(data).unwrap()
}

pub(super) fn config(
    typ: SignatureType,
    key: &impl SigningKey,
    at: u32,
    more: Vec<SubpacketData>,
) -> SignatureConfig {
    assert_eq!(key.version(), KeyVersion::V4);
    let mut config = SignatureConfig::v4(typ, key.algorithm(), HashAlgorithm::Sha256);
    let own = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    config.hashed_subpackets = own.into_iter().chain(more).map(regular).collect();
    config
}

/// A data signature over `m`.
pub(super) fn over_m(
    key: &impl SigningKey,
    at: u32,
    change: impl FnOnce(&mut SignatureConfig),
) -> Signature {
    let mut config = config(SignatureType::Binary, key, at, Vec::new());
    change(&mut config);
    config.sign(key, &Password::empty(), &b"m"[..]).unwrap()
}

pub(super) fn armored(signature: Signature) -> Vec<u8> {
    let detached = DetachedSignature::new(signature);
    detached.to_armored_bytes(ArmorOptions::default()).unwrap()
}

pub(super) fn plain(key: &impl SigningKey, at: u32) -> Vec<u8> {
    armored(over_m(key, at, |_| ()))
}

/// A certification of the key's own user id.
pub(super) fn certified(key: &SignedSecretKey, at: u32, more: Vec<SubpacketData>) -> Signature {
    let primary = &key.primary_key;
    config(SignatureType::CertPositive, primary, at, more)
        .sign_certification(
            primary,
            primary.public_key(),
            &Password::empty(),
            Tag::UserId,
            &key.details.users[0].id,
        )
        .unwrap()
}

pub(super) fn reason(code: Option<RevocationCode>) -> Vec<SubpacketData> {
    code.into_iter()
        .map(|code| SubpacketData::RevocationReason(code, Vec::new().into()))
        .collect()
}

pub(super) fn revoked(key: &SignedSecretKey, at: u32, code: Option<RevocationCode>) -> Signature {
    let primary = &key.primary_key;
    config(SignatureType::KeyRevocation, primary, at, reason(code))
        .sign_key(primary, &Password::empty(), primary.public_key())
        .unwrap()
}

/// A statement of `key` about the first subkey of `other`.
pub(super) fn about_subkey(
    typ: SignatureType,
    key: &SignedSecretKey,
    other: &SignedSecretKey,
    more: Vec<SubpacketData>,
) -> Signature {
    let primary = &key.primary_key;
    let subkey = other.secret_subkeys[0].key.public_key();
    config(typ, primary, MADE - 1, more)
        .sign_subkey_binding(primary, primary.public_key(), &Password::empty(), &subkey)
        .unwrap()
}

/// The first subkey of `key` claims to belong to `owner`.
pub(super) fn back(key: &SignedSecretKey, owner: &SignedSecretKey) -> SubpacketData {
    let subkey = &key.secret_subkeys[0].key;
    let signature = config(SignatureType::KeyBinding, subkey, MADE - 1, Vec::new())
        .sign_primary_key_binding(
            subkey,
            &subkey.public_key(),
            &Password::empty(),
            owner.primary_key.public_key(),
        )
        .unwrap();
    SubpacketData::EmbeddedSignature(Box::new(signature))
}
