//! What a signature must be before it counts. The numbers follow `judge`.

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, Signature};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails, PublicParams, VerifyingKey};

use super::own::{self, is_strong};
use super::{Certificate, Fingerprint, Open, form};

const RSA_MIN_BITS: u16 = 2048;

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// The pinned primary key.
    pub fingerprint: Fingerprint,
    /// The hash of the data signature, such as `SHA256`.
    pub hash: String,
    /// When it was made, seconds since 1970.
    pub created: u32,
    /// The hash of the primary key's own certification: recorded, not judged, because the key is
    /// pinned by fingerprint (packagecloud's is SHA-1).
    pub certification_hash: Option<String>,
}

impl SignedBy {
    /// Whether it was made with a hash that counts only where the user accepted it.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.hash == HashAlgorithm::Sha1.to_string()
    }
}

/// Which hashes a data signature may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashRule {
    /// SHA-256 or better.
    Strong,
    /// SHA-1 as well, because the user named the package.
    WeakBecauseAccepted,
}

/// Why no signature counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature packet.
    #[error("there is no OpenPGP signature in it")]
    Missing,
    /// Not `OpenPGP`.
    #[error("the signature cannot be read: {0}")]
    Unreadable(String),
    /// What it covers cannot be read.
    #[error("what it covers cannot be read: {0}")]
    Covered(String),
    /// By a key that is not pinned.
    #[error("it was made by key {0}, which is not a pinned key")]
    UnknownKey(String),
    /// A version or type that is no data signature of today.
    #[error("the signature has an unsupported form: {0}")]
    Form(String),
    /// MD5, SHA-1 and their like.
    #[error("the signature uses {0}; SHA-256 or better is required")]
    WeakHash(String),
    /// A key too short or of an abandoned algorithm.
    #[error("key {0} is too weak ({1})")]
    WeakKey(Fingerprint, String),
    /// The key is not marked for signing.
    #[error("key {0} is not a signing key")]
    NotForSigning(Fingerprint),
    /// The key had expired when the signature was made.
    #[error("key {0} had expired when the signature was made")]
    Expired(Fingerprint),
    /// The signature claims to be older than its key.
    #[error("key {0} did not exist yet at the signature's own time")]
    Unborn(Fingerprint),
    /// The key makes no statement about itself: neither what it may do nor how long.
    #[error("key {0} carries no valid certification of its own")]
    Uncertified(Fingerprint),
    /// The key is revoked.
    #[error("key {0} is revoked")]
    Revoked(Fingerprint),
    /// The subkey is not properly bound.
    #[error("subkey {0} is not validly bound to its primary key")]
    Binding(Fingerprint),
    /// The mathematics does not match.
    #[error("the signature by {0} does not match: the bytes were changed, or are another file's")]
    Mismatch(Fingerprint),
}

/// The key that made a signature: primary or subkey.
enum Maker<'a> {
    Primary,
    Sub(&'a SignedPublicSubKey),
}

/// Finds a signature that counts. Of several refusals, the one by a reader that knows the key explains most.
pub(super) fn verify(
    certificates: &[Certificate],
    open: Open<'_>,
    signature: &[u8],
    rule: HashRule,
) -> Result<SignedBy, SignatureError> {
    let mut refusal = SignatureError::Missing;
    for signature in form::read(signature)? {
        let mut known = false;
        for certificate in certificates {
            for maker in makers(&certificate.key, &signature) {
                known = true;
                match judge(certificate, &maker, &signature, open, rule) {
                    Ok(verdict) => return Ok(verdict),
                    Err(error) => refusal = error,
                }
            }
        }
        let unexplained = matches!(refusal, SignatureError::Missing);
        if !known && unexplained {
            refusal = SignatureError::UnknownKey(issuer(&signature));
        }
    }
    Err(refusal)
}

fn issuer(signature: &Signature) -> String {
    let by_fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(|f| format!("{f:X}"));
    let by_id = || {
        signature
            .issuer_key_id()
            .first()
            .map(|id| id.to_string().to_uppercase())
    };
    by_fingerprint
        .or_else(by_id)
        .unwrap_or_else(|| "(unnamed)".to_owned())
}

fn makers<'a>(key: &'a SignedPublicKey, signature: &Signature) -> Vec<Maker<'a>> {
    let named = |candidate: &dyn KeyDetails| {
        let fingerprints = signature.issuer_fingerprint();
        let ids = signature.issuer_key_id();
        let by_fingerprint = fingerprints.iter().any(|f| **f == candidate.fingerprint());
        let by_id = ids.iter().any(|id| **id == candidate.legacy_key_id());
        by_fingerprint || (fingerprints.is_empty() && (by_id || ids.is_empty()))
    };
    let mut makers = Vec::new();
    if named(&key.primary_key) {
        makers.push(Maker::Primary);
    }
    makers.extend(
        key.public_subkeys
            .iter()
            .filter(|subkey| named(&subkey.key))
            .map(Maker::Sub),
    );
    makers
}

fn judge(
    certificate: &Certificate,
    maker: &Maker<'_>,
    signature: &Signature,
    open: Open<'_>,
    rule: HashRule,
) -> Result<SignedBy, SignatureError> {
    // 1. A binary data signature of a version that carries its own time.
    let (config, created) = form::check(signature)?;
    // 2. A hash without known collisions.
    let hash = config.hash_alg;
    if !(is_strong(hash) || rule == HashRule::WeakBecauseAccepted && hash == HashAlgorithm::Sha1) {
        return Err(SignatureError::WeakHash(hash.to_string()));
    }
    // 3. A primary key that is strong (it also vouches for its subkeys) and was valid then, and
    let primary = &certificate.key.primary_key;
    check_strength(primary)?;
    let own = own::newest_certification(&certificate.key, created)
        .ok_or_else(|| SignatureError::Uncertified(certificate.fingerprint.clone()))?;
    check_primary(&certificate.key, own, created)?;
    // 4. a strong, signing key: itself, or a subkey validly bound.
    match maker {
        Maker::Primary => {
            check_signing_flag(primary, own)?;
            mathematics(signature, primary, open)?;
        }
        Maker::Sub(subkey) => {
            check_strength(&subkey.key)?;
            check_subkey(&certificate.key, subkey, created)?;
            mathematics(signature, &subkey.key, open)?;
        }
    }
    Ok(SignedBy {
        fingerprint: certificate.fingerprint.clone(),
        hash: hash.to_string(),
        created,
        certification_hash: own.hash_alg().map(|h| h.to_string()),
    })
}

fn check_primary(key: &SignedPublicKey, own: &Signature, at: u32) -> Result<(), SignatureError> {
    let primary = &key.primary_key;
    let name = || Fingerprint::of(primary);
    if own::revocations(key).any(|revocation| reaches(revocation, at)) {
        return Err(SignatureError::Revoked(name()));
    }
    check_age(primary, own, at)
}

/// A key that was retired or superseded still vouches for what it signed before; one revoked for
/// another reason vouches for nothing.
fn reaches(revocation: &Signature, at: u32) -> bool {
    let soft = matches!(
        revocation.revocation_reason_code(),
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
    );
    !soft || at >= own::time_of(revocation).unwrap_or(0)
}

/// Whether the key existed at that time and had not expired. The newest certification decides, so
/// that a vendor can prolong a key.
fn check_age(key: &impl KeyDetails, own: &Signature, at: u32) -> Result<(), SignatureError> {
    let born = key.created_at().as_secs();
    if at < born {
        return Err(SignatureError::Unborn(Fingerprint::of(key)));
    }
    let lifetime = own
        .key_expiration_time()
        .map_or(0, pgp::types::Duration::as_secs);
    if lifetime != 0 && u64::from(at) >= u64::from(born) + u64::from(lifetime) {
        return Err(SignatureError::Expired(Fingerprint::of(key)));
    }
    Ok(())
}

fn check_strength(key: &impl KeyDetails) -> Result<(), SignatureError> {
    let weak = |what: String| Err(SignatureError::WeakKey(Fingerprint::of(key), what));
    match key.public_params() {
        PublicParams::RSA(rsa) => {
            // The wire form starts with the modulus' length in bits.
            let mut wire = Vec::new();
            let written = rsa.to_writer(&mut wire);
            let bits = match wire.as_slice() {
                [high, low, ..] if written.is_ok() => u16::from_be_bytes([*high, *low]),
                _ => 0,
            };
            if bits < RSA_MIN_BITS {
                return weak(format!("RSA with {bits} bits"));
            }
            Ok(())
        }
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => Ok(()),
        _ => weak(format!("{:?}", key.algorithm())),
    }
}

/// A key without a flags subpacket may do everything (RFC 9580).
fn check_signing_flag(key: &impl KeyDetails, own: &Signature) -> Result<(), SignatureError> {
    if own.key_flags().sign() || !names_flags(own) {
        Ok(())
    } else {
        Err(SignatureError::NotForSigning(Fingerprint::of(key)))
    }
}

fn names_flags(signature: &Signature) -> bool {
    use pgp::packet::SubpacketData;
    signature.config().is_some_and(|config| {
        config
            .hashed_subpackets()
            .any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
    })
}

fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    at: u32,
) -> Result<(), SignatureError> {
    let name = || Fingerprint::of(&subkey.key);
    let (revocations, bindings) = own::of_subkey(key, subkey);
    if revocations.iter().any(|revocation| reaches(revocation, at)) {
        return Err(SignatureError::Revoked(name()));
    }
    let binding = bindings
        .into_iter()
        .filter(|binding| !own::ran_out(binding, at))
        .max_by_key(|s| own::time_of(s))
        .ok_or_else(|| SignatureError::Binding(name()))?;
    if !binding.key_flags().sign() {
        return Err(SignatureError::NotForSigning(name()));
    }
    // Without the back signature, any key could adopt the signing subkey of another.
    let back = binding.embedded_signature().is_some_and(|back| {
        back.hash_alg().is_some_and(is_strong)
            && back
                .verify_primary_key_binding(&subkey.key, &key.primary_key)
                .is_ok()
    });
    if !back {
        return Err(SignatureError::Binding(name()));
    }
    check_age(&subkey.key, binding, at)
}

fn mathematics<K: VerifyingKey>(
    signature: &Signature,
    key: &K,
    open: Open<'_>,
) -> Result<(), SignatureError> {
    let covered = open().map_err(|error| SignatureError::Covered(error.to_string()))?;
    if signature.verify(key, covered).is_ok() {
        Ok(())
    } else {
        Err(SignatureError::Mismatch(Fingerprint::of(key)))
    }
}
