//! What a key must be, and when.

use pgp::composed::DsaKeySize;
use pgp::packet::{RevocationCode, SubpacketData};

use super::make::{
    MADE, about_subkey, back, certified, lifetime, over_m, plain, regular, revoked, signing,
};
use super::*;

fn judged(keys: &TrustedKeys, signature: &[u8]) -> Result<SignedBy, SignatureError> {
    keys.verify(b"m", signature, HashRule::Strong)
}

#[test]
fn a_key_vouches_for_what_it_signed_before_it_expired() {
    let key = make(&params());
    let ends = |at, after| {
        let end = SubpacketData::KeyExpirationTime(lifetime(after));
        certified(&key, at, vec![signing(), end])
    };
    let primary = &key.primary_key;
    // Long ago, all of it: no clock is asked.
    let keys = served(&key, |k| {
        k.details.users[0].signatures = vec![ends(BORN, 1000)];
    });
    judged(&keys, &plain(primary, BORN + 999)).unwrap();
    for late in [BORN + 1000, BORN + 1_000_000] {
        let error = judged(&keys, &plain(primary, late)).unwrap_err();
        assert!(matches!(error, SignatureError::Expired(_)), "{error}");
    }
    let early = judged(&keys, &plain(primary, BORN - 1)).unwrap_err();
    assert!(matches!(early, SignatureError::Unborn(_)), "{early}");
    // The newest word counts, in both directions, wherever it stands.
    for (first, second, counts) in [(1000, 9000, true), (9000, 1000, false)] {
        let both = [ends(BORN, first), ends(BORN + 10, second)];
        for turned in [both.to_vec(), both.iter().rev().cloned().collect()] {
            let keys = served(&key, |k| k.details.users[0].signatures = turned);
            let verdict = judged(&keys, &plain(primary, BORN + 5000));
            assert_eq!(verdict.is_ok(), counts, "{first} {second}");
        }
    }
}

#[test]
fn a_certification_that_ran_out_or_asks_for_the_unknown_does_not_count() {
    let key = make(&params());
    let short = SubpacketData::SignatureExpirationTime(lifetime(100));
    let short = certified(&key, BORN, vec![signing(), short]);
    let keys = served(&key, |k| k.details.users[0].signatures = vec![short]);
    judged(&keys, &plain(&key.primary_key, BORN + 99)).unwrap();
    let error = judged(&keys, &plain(&key.primary_key, BORN + 100)).unwrap_err();
    assert!(matches!(error, SignatureError::Uncertified(_)), "{error}");
    let strange = SubpacketData::Experimental(102, vec![1].into());
    let mut config = make::config(
        SignatureType::CertPositive,
        &key.primary_key,
        BORN,
        vec![signing()],
    );
    config.hashed_subpackets.push(make::critical(strange));
    let strange = config
        .sign_certification(
            &key.primary_key,
            key.primary_key.public_key(),
            &Password::empty(),
            Tag::UserId,
            &key.details.users[0].id,
        )
        .unwrap();
    let keys = served(&key, |k| k.details.users[0].signatures = vec![strange]);
    let error = judged(&keys, &plain(&key.primary_key, MADE)).unwrap_err();
    assert!(matches!(error, SignatureError::Uncertified(_)), "{error}");
}

#[test]
fn what_nobody_signed_about_a_key_does_not_count() {
    let mut quiet = params();
    let key = make(quiet.can_sign(false));
    let keys = served(&key, |k| {
        let own = &mut k.details.users[0].signatures[0];
        let end = SubpacketData::KeyExpirationTime(lifetime(1));
        for data in [signing(), end] {
            own.unhashed_subpacket_push(regular(data)).unwrap();
        }
    });
    let error = judged(&keys, &plain(&key.primary_key, MADE)).unwrap_err();
    assert!(matches!(error, SignatureError::NotForSigning(_)), "{error}");
}

#[test]
fn a_stolen_key_vouches_for_nothing_and_a_retired_one_for_what_was_before() {
    use RevocationCode::{KeyCompromised, KeyRetired, KeySuperseded, NoReason};
    let key = make(&params());
    for (code, before, after) in [
        (None, false, false),
        (Some(NoReason), false, false),
        (Some(KeyCompromised), false, false),
        (Some(KeySuperseded), true, false),
        (Some(KeyRetired), true, false),
    ] {
        let revocation = revoked(&key, MADE, code);
        let keys = served(&key, |k| k.details.revocation_signatures.push(revocation));
        for keys in [&keys, &keys.minimised().unwrap()] {
            for (at, counts) in [(MADE - 1, before), (MADE, after), (MADE + 1, after)] {
                match judged(keys, &plain(&key.primary_key, at)) {
                    Ok(_) => assert!(counts, "{code:?} {at}"),
                    Err(error) => {
                        assert!(matches!(error, SignatureError::Revoked(_)), "{error}");
                        assert!(!counts, "{code:?} {at}");
                    }
                }
            }
        }
    }
    // A revocation by another key does not count.
    let foreign = revoked(&make(&params()), MADE, None);
    let keys = served(&key, |k| k.details.revocation_signatures.push(foreign));
    judged(&keys, &plain(&key.primary_key, MADE)).unwrap();
}

#[test]
fn a_revocation_in_one_of_several_copies_of_a_key_counts() {
    let key = with_subkey(&mut params());
    let revocation = revoked(&key, MADE, None);
    let of_subkey = about_subkey(SignatureType::SubkeyRevocation, &key, &key, Vec::new());
    let old = || served(&key, |_| ());
    let new = || {
        served(&key, |k| {
            k.details.revocation_signatures.push(revocation.clone());
        })
    };
    let half = || {
        served(&key, |k| {
            k.public_subkeys[0].signatures.push(of_subkey.clone());
        })
    };
    let by_subkey = plain(&key.secret_subkeys[0].key, MADE);
    judged(&old(), &by_subkey).unwrap();
    for sets in [
        vec![old(), new()],
        vec![new(), old()],
        vec![old(), half()],
        vec![half(), old()],
    ] {
        let keys = TrustedKeys::union(sets);
        assert_eq!(keys.certificates().len(), 1);
        let error = judged(&keys, &by_subkey).unwrap_err();
        assert!(matches!(error, SignatureError::Revoked(_)), "{error}");
    }
    let found = [old(), new()].map(|set| set.certificates[0].clone());
    let pins = [found[0].fingerprint().clone()];
    let keys = TrustedKeys::pin(found.to_vec(), &pins).unwrap();
    let error = judged(&keys, &plain(&key.primary_key, MADE)).unwrap_err();
    assert!(matches!(error, SignatureError::Revoked(_)), "{error}");
}

fn bound(key: &SignedSecretKey, bindings: Vec<Signature>) -> TrustedKeys {
    served(key, |k| k.public_subkeys[0].signatures = bindings)
}

#[test]
fn a_subkey_counts_with_a_binding_from_both_sides_that_lets_it_sign() {
    let typ = SignatureType::SubkeyBinding;
    let (key, other) = (with_subkey(&mut params()), with_subkey(&mut params()));
    let signature = plain(&key.secret_subkeys[0].key, MADE);
    let bind = |more| about_subkey(typ, &key, &key, more);
    judged(
        &bound(&key, vec![bind(vec![signing(), back(&key, &key)])]),
        &signature,
    )
    .unwrap();
    let end = SubpacketData::KeyExpirationTime(lifetime(500));
    let by_other = about_subkey(typ, &other, &key, vec![signing(), back(&key, &other)]);
    let short = SubpacketData::SignatureExpirationTime(lifetime(1));
    for (what, bindings) in [
        ("no binding", vec![]),
        ("no back signature", vec![bind(vec![signing()])]),
        (
            "another subkey's back signature",
            vec![bind(vec![signing(), back(&other, &key)])],
        ),
        (
            "a back signature for another primary",
            vec![bind(vec![signing(), back(&key, &other)])],
        ),
        ("another primary's binding", vec![by_other]),
        (
            "a binding that ran out",
            vec![bind(vec![signing(), back(&key, &key), short])],
        ),
    ] {
        match judged(&bound(&key, bindings), &signature) {
            Err(SignatureError::Binding(_)) => {}
            verdict => panic!("{what}: {verdict:?}"),
        }
    }
    let silent = judged(&bound(&key, vec![bind(vec![back(&key, &key)])]), &signature);
    assert!(matches!(silent, Err(SignatureError::NotForSigning(_))));
    let keys = bound(&key, vec![bind(vec![signing(), back(&key, &key), end])]);
    judged(&keys, &plain(&key.secret_subkeys[0].key, BORN + 499)).unwrap();
    let error = judged(&keys, &signature).unwrap_err();
    assert!(matches!(error, SignatureError::Expired(_)), "{error}");
}

#[test]
fn a_subkey_of_another_certificate_is_no_key_of_this_one() {
    let (key, thief) = (with_subkey(&mut params()), with_subkey(&mut params()));
    // The thief's subkey with everything that the thief can sign, in the vendor's certificate.
    let adopted = thief.to_public_key().public_subkeys[0].clone();
    let keys = served(&key, |k| k.public_subkeys.push(adopted));
    let error = judged(&keys, &plain(&thief.secret_subkeys[0].key, MADE)).unwrap_err();
    assert!(matches!(error, SignatureError::Binding(_)), "{error}");
}

#[test]
fn a_revoked_subkey_follows_the_same_rule_as_a_key() {
    use RevocationCode::{KeyCompromised, KeyRetired};
    let key = with_subkey(&mut params());
    for (code, before) in [(KeyCompromised, false), (KeyRetired, true)] {
        let more = make::reason(Some(code));
        let revocation = about_subkey(SignatureType::SubkeyRevocation, &key, &key, more);
        let keys = served(&key, |k| k.public_subkeys[0].signatures.push(revocation));
        let verdict = |at| judged(&keys, &plain(&key.secret_subkeys[0].key, at));
        assert_eq!(verdict(MADE - 2).is_ok(), before);
        let error = verdict(MADE).unwrap_err();
        assert!(matches!(error, SignatureError::Revoked(_)), "{error}");
        // The primary itself is as good as before.
        judged(&keys, &plain(&key.primary_key, MADE)).unwrap();
    }
}

#[test]
fn dsa_does_not_count_and_neither_do_its_subkeys() {
    let key = with_subkey(params().key_type(KeyType::Dsa(DsaKeySize::B1024)));
    let keys = trusted(&key);
    for signature in [
        plain(&key.primary_key, MADE),
        plain(&key.secret_subkeys[0].key, MADE),
    ] {
        let error = judged(&keys, &signature).unwrap_err();
        assert!(matches!(error, SignatureError::WeakKey(..)), "{error}");
    }
    // Old hashes do not even get that far.
    let md5 = over_m(&key.primary_key, MADE, |c| c.hash_alg = HashAlgorithm::Md5);
    let verdict = keys.verify(b"m", &make::armored(md5), HashRule::WeakBecauseAccepted);
    assert_eq!(verdict, Err(SignatureError::WeakHash("MD5".to_owned())));
}

/// A version 4 RSA key of that many bits, without a secret.
fn rsa_packet(bits: u16, exponent: &[u8]) -> Vec<u8> {
    let mut body = vec![4];
    body.extend(BORN.to_be_bytes());
    body.push(1);
    body.extend(bits.to_be_bytes());
    body.extend(vec![0xff; usize::from(bits).div_ceil(8)]);
    let first = exponent[0].leading_zeros();
    let exponent_bits = u16::try_from(exponent.len() * 8).unwrap() - u16::try_from(first).unwrap();
    body.extend(exponent_bits.to_be_bytes());
    body.extend(exponent);
    let mut packet = vec![0xc6, 0xff];
    packet.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    packet.extend(body);
    let user = b"big <big@vendor.invalid>";
    packet.extend([0xcd, u8::try_from(user.len()).unwrap()]);
    packet.extend(user);
    packet
}

#[test]
fn keys_that_would_take_for_ever_are_not_read() {
    let usual = [1, 0, 1];
    assert_eq!(
        Certificate::read_all(&rsa_packet(4096, &usual))
            .unwrap()
            .len(),
        1
    );
    for packet in [rsa_packet(8200, &usual), rsa_packet(4096, &[0xff; 64])] {
        let found = Certificate::read_all(&packet);
        assert!(found.is_err(), "{found:?}");
    }
}
