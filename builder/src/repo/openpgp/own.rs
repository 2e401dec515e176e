//! A certificate's own statements about itself, and only those: other people's signatures, attributes and
//! whatever else an address may serve along with a key never count and are never carried.

use pgp::composed::{SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails as _, SignedUser, Tag, Timestamp};

use super::form::demands_more;

pub(super) const fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// Returns the newest self-signature that is valid and had not run out: it carries the key's
/// expiry and flags.
pub(super) fn newest_certification(key: &SignedPublicKey, at: u32) -> Option<&Signature> {
    certifications(key)
        .filter(|signature| !ran_out(signature, at))
        .max_by_key(|s| time_of(s))
}

/// Whether a signature with an end of its own had reached it.
pub(super) fn ran_out(signature: &Signature, at: u32) -> bool {
    let lifetime = signature.signature_expiration_time();
    let lifetime = lifetime.map_or(0, pgp::types::Duration::as_secs);
    let made = time_of(signature).unwrap_or(0);
    lifetime != 0 && u64::from(at) >= u64::from(made) + u64::from(lifetime)
}

/// Returns the valid self-signatures.
fn certifications(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let users = key.details.users.iter().flat_map(|user| {
        let own = of_user(key, user);
        if own.iter().any(|signature| is_revocation(signature)) {
            Vec::new()
        } else {
            own
        }
    });
    direct(key)
        .chain(users)
        .filter(|signature| counts(signature))
}

/// A statement counts if it was understood. A revocation counts in any case.
fn counts(signature: &Signature) -> bool {
    signature.config().is_some_and(|c| !demands_more(c))
}

/// Returns the valid revocations of the key itself. Their hash does not matter: forging one
/// gains nothing, and vendors' old ones use SHA-1.
pub(super) fn revocations(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let all = key.details.revocation_signatures.iter();
    all.filter(|signature| signature.verify_key(&key.primary_key).is_ok())
}

/// Returns the valid revocations and bindings of a subkey. A binding needs a strong hash, because
/// it makes a key one of the vendor's; a revocation does not.
pub(super) fn of_subkey<'a>(
    key: &SignedPublicKey,
    subkey: &'a SignedPublicSubKey,
) -> (Vec<&'a Signature>, Vec<&'a Signature>) {
    let valid = subkey.signatures.iter().filter(|signature| {
        signature
            .verify_subkey_binding(&key.primary_key, &subkey.key)
            .is_ok()
    });
    let (revocations, mut bindings): (Vec<_>, Vec<_>) =
        valid.partition(|s| s.typ() == Some(SignatureType::SubkeyRevocation));
    bindings.retain(|signature| signature.hash_alg().is_some_and(is_strong) && counts(signature));
    (revocations, bindings)
}

pub(super) fn time_of(signature: &Signature) -> Option<u32> {
    signature.created().map(Timestamp::as_secs)
}

/// Returns the key with its statements about itself; nothing if it makes none.
pub(super) fn minimised(key: &SignedPublicKey) -> Option<SignedPublicKey> {
    certifications(key).next()?;
    let users = key.details.users.iter().filter_map(|user| {
        let own = of_user(key, user);
        let certified = own.iter().any(|signature| !is_revocation(signature));
        certified.then(|| SignedUser::new(user.id.clone(), cloned(own)))
    });
    let details = SignedKeyDetails::new(
        cloned(revocations(key)),
        cloned(direct(key)),
        users.collect(),
        Vec::new(),
    );
    let subkeys = key.public_subkeys.iter().filter_map(|subkey| {
        let (revocations, bindings) = of_subkey(key, subkey);
        let bound = !bindings.is_empty();
        let signatures = revocations.into_iter().chain(bindings);
        bound.then(|| SignedPublicSubKey::new(subkey.key.clone(), cloned(signatures)))
    });
    Some(SignedPublicKey::new(
        key.primary_key.clone(),
        details,
        subkeys.collect(),
    ))
}

/// Adds the statements of another certificate of the same key.
pub(super) fn merge(key: &mut SignedPublicKey, other: SignedPublicKey) {
    let details = &mut key.details;
    add(
        &mut details.revocation_signatures,
        other.details.revocation_signatures,
    );
    add(
        &mut details.direct_signatures,
        other.details.direct_signatures,
    );
    for user in other.details.users {
        match details.users.iter_mut().find(|own| own.id == user.id) {
            Some(own) => add(&mut own.signatures, user.signatures),
            None => details.users.push(user),
        }
    }
    for subkey in other.public_subkeys {
        let fingerprint = subkey.key.fingerprint();
        let mut own = key.public_subkeys.iter_mut();
        match own.find(|own| own.key.fingerprint() == fingerprint) {
            Some(own) => add(&mut own.signatures, subkey.signatures),
            None => key.public_subkeys.push(subkey),
        }
    }
}

fn add(signatures: &mut Vec<Signature>, more: Vec<Signature>) {
    for signature in more {
        if !signatures.contains(&signature) {
            signatures.push(signature);
        }
    }
}

fn direct(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let all = key.details.direct_signatures.iter();
    all.filter(|signature| signature.verify_key(&key.primary_key).is_ok())
}

/// Returns the key's own certifications and revocations of a user id.
fn of_user<'a>(key: &SignedPublicKey, user: &'a SignedUser) -> Vec<&'a Signature> {
    let own = user.signatures.iter().filter(|signature| {
        signature
            .verify_certification(&key.primary_key, Tag::UserId, &user.id)
            .is_ok()
    });
    own.collect()
}

fn is_revocation(signature: &Signature) -> bool {
    signature.typ() == Some(SignatureType::CertRevocation)
}

fn cloned<'a>(signatures: impl IntoIterator<Item = &'a Signature>) -> Vec<Signature> {
    signatures.into_iter().cloned().collect()
}
