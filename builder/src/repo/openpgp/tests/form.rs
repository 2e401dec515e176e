//! What a data signature must look like. Each is real: made by the pinned key over the right bytes.

use pgp::packet::{Notation, PacketTrait as _, SubpacketData};
use pgp::types::SigningKey;

use super::make::{MADE, armored, critical, lifetime, over_m, plain, regular};
use super::*;

fn verdict(key: &SignedSecretKey, signature: &[u8]) -> Result<SignedBy, SignatureError> {
    trusted(key).verify(b"m", signature, HashRule::Strong)
}

/// The verdict over a signature of one's choice.
fn chosen(change: impl FnOnce(&mut SignatureConfig)) -> Result<SignedBy, SignatureError> {
    let key = make(&params());
    verdict(&key, &armored(over_m(&key.primary_key, MADE, change)))
}

#[track_caller]
fn refused_form(change: impl FnOnce(&mut SignatureConfig), word: &str) {
    match chosen(change) {
        Err(SignatureError::Form(text)) => assert!(text.contains(word), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_signature_says_when_it_was_made() {
    assert_eq!(chosen(|_| ()).unwrap().created, MADE);
}

#[test]
fn text_mode_is_refused() {
    refused_form(|config| config.typ = SignatureType::Text, "Text");
}

#[test]
fn version_3_covers_its_time_and_counts_and_version_2_does_not() {
    let key = make(&params());
    let primary = &key.primary_key;
    let old = |config: SignatureConfig| {
        let mut hasher = config.hash_alg.new_hasher().unwrap();
        hasher.update(b"m");
        config.hash_signature_data(&mut hasher).unwrap();
        let hash = hasher.finalize();
        let bytes = primary.sign(&Password::empty(), config.hash_alg, &hash);
        let start = [hash[0], hash[1]];
        Signature::from_config(config, start, bytes.unwrap()).unwrap()
    };
    let (time, id) = (Timestamp::from_secs(MADE), primary.legacy_key_id());
    let (typ, hash) = (SignatureType::Binary, HashAlgorithm::Sha256);
    let three = old(SignatureConfig::v3(
        typ,
        primary.algorithm(),
        hash,
        time,
        id,
    ));
    assert_eq!(verdict(&key, &armored(three)).unwrap().created, MADE);
    let two = old(SignatureConfig::v2(
        typ,
        primary.algorithm(),
        hash,
        time,
        id,
    ));
    let error = verdict(&key, &armored(two)).unwrap_err();
    assert!(matches!(error, SignatureError::Form(_)), "{error}");
}

#[test]
fn only_a_signed_time_is_a_time() {
    refused_form(
        |config| {
            let time = config.hashed_subpackets.remove(0);
            config.unhashed_subpackets.push(time);
        },
        "names no time",
    );
    // A second time outside changes nothing.
    let outside = |config: &mut SignatureConfig| {
        let earlier = Timestamp::from_secs(MADE - 500);
        let time = SubpacketData::SignatureCreationTime(earlier);
        config.unhashed_subpackets.push(regular(time));
    };
    assert_eq!(chosen(outside).unwrap().created, MADE);
}

#[test]
fn an_issuer_is_a_hint_wherever_it_stands() {
    let key = make(&params());
    let stranger = make(&params());
    let hinted = |change: &dyn Fn(&mut SignatureConfig)| {
        verdict(
            &key,
            &armored(over_m(&key.primary_key, MADE, |config| change(config))),
        )
    };
    hinted(&|config| {
        let issuer = config.hashed_subpackets.pop().unwrap();
        config.unhashed_subpackets.push(issuer);
    })
    .unwrap();
    hinted(&|config| drop(config.hashed_subpackets.pop())).unwrap();
    let other = SubpacketData::IssuerFingerprint(stranger.fingerprint());
    let error = hinted(&|config| config.hashed_subpackets[1] = regular(other.clone())).unwrap_err();
    assert!(matches!(error, SignatureError::UnknownKey(_)), "{error}");
    // A stranger who names the pinned key made no signature of it.
    let own = SubpacketData::IssuerFingerprint(key.fingerprint());
    let forged = over_m(&stranger.primary_key, MADE, |config| {
        config.hashed_subpackets[1] = regular(own);
    });
    let error = verdict(&key, &armored(forged)).unwrap_err();
    assert!(matches!(error, SignatureError::Mismatch(_)), "{error}");
}

#[test]
fn what_is_critical_and_unknown_is_refused() {
    let notation = || {
        SubpacketData::Notation(Notation {
            readable: true,
            name: b"only-for@vendor.invalid".to_vec().into(),
            value: b"tests".to_vec().into(),
        })
    };
    chosen(|config| config.hashed_subpackets.push(regular(notation()))).unwrap();
    let recipient = || SubpacketData::IntendedRecipientFingerprint(make(&params()).fingerprint());
    for strange in [
        notation(),
        recipient(),
        SubpacketData::Experimental(101, vec![1].into()),
    ] {
        refused_form(
            |config| config.hashed_subpackets.push(critical(strange)),
            "critical",
        );
    }
    let time = |config: &mut SignatureConfig| config.hashed_subpackets[0].is_critical = true;
    chosen(time).unwrap();
}

#[test]
fn a_signature_that_runs_out_is_refused() {
    let until = |secs| SubpacketData::SignatureExpirationTime(lifetime(secs));
    refused_form(
        |config| config.hashed_subpackets.push(regular(until(1))),
        "runs out",
    );
    refused_form(
        |config| config.hashed_subpackets.push(regular(until(u32::MAX))),
        "runs out",
    );
    chosen(|config| config.hashed_subpackets.push(regular(until(0)))).unwrap();
    // The server of a signature cannot end it.
    chosen(|config| config.unhashed_subpackets.push(regular(until(1)))).unwrap();
}

#[test]
fn one_good_signature_among_several_suffices() {
    let (key, stranger) = (make(&params()), make(&params()));
    let (good, foreign) = (
        plain(&key.primary_key, MADE),
        plain(&stranger.primary_key, MADE),
    );
    for both in [
        [&foreign[..], &good].concat(),
        [&good[..], &foreign].concat(),
    ] {
        verdict(&key, &both).unwrap();
    }
    let packets = |keys: &[&SignedSecretKey]| {
        let mut bytes = Vec::new();
        for key in keys {
            let signature = over_m(&key.primary_key, MADE, |_| ());
            signature.to_writer_with_header(&mut bytes).unwrap();
        }
        bytes
    };
    verdict(&key, &packets(&[&stranger, &key])).unwrap();
    let error = verdict(&key, &packets(&[&stranger, &stranger])).unwrap_err();
    assert!(matches!(error, SignatureError::UnknownKey(_)), "{error}");
    verdict(&key, &packets(&[&key; 16])).unwrap();
    let error = verdict(&key, &packets(&[&key; 17])).unwrap_err();
    assert!(matches!(error, SignatureError::Unreadable(_)), "{error}");
}

#[test]
fn text_around_an_armor_is_not_looked_at_and_its_size_is_bounded() {
    let key = make(&params());
    let good = plain(&key.primary_key, MADE);
    verdict(
        &key,
        &[b"Made by a vendor\n\n", &good[..], b"\nbye\n"].concat(),
    )
    .unwrap();
    let huge = [&good[..], &vec![b'\n'; 64 * 1024]].concat();
    let error = verdict(&key, &huge).unwrap_err();
    assert!(matches!(error, SignatureError::Unreadable(_)), "{error}");
    let cut = &good[..good.len() / 2];
    assert!(verdict(&key, cut).is_err());
}

#[test]
fn a_signed_text_and_a_certificate_are_no_detached_signature() {
    let key = make(&params());
    let text = armored(over_m(&key.primary_key, MADE, |config| {
        config.typ = SignatureType::Text;
    }));
    let signed = [
        b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nm\n",
        &text[..],
    ];
    let error = verdict(&key, &signed.concat()).unwrap_err();
    assert!(matches!(error, SignatureError::Form(_)), "{error}");
    let mut packets = Vec::new();
    let public = key.to_public_key();
    pgp::ser::Serialize::to_writer(&public, &mut packets).unwrap();
    let own = over_m(&key.primary_key, MADE, |_| ());
    own.to_writer_with_header(&mut packets).unwrap();
    let armor = public.to_armored_bytes(ArmorOptions::default()).unwrap();
    for other in [packets, armor] {
        let error = verdict(&key, &other).unwrap_err();
        assert!(matches!(error, SignatureError::Unreadable(_)), "{error}");
    }
}
