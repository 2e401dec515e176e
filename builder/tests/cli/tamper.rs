//! Every byte of a bundle counts: a changed byte is refused, also when the attacker knows zstd.

use std::io::Write as _;

use builder::archive::verify;
use manifests::trust::TrustRoot;

use crate::program::User;
use crate::vendor::Vendor;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

struct Built {
    packed: Vec<u8>,
    tar: Vec<u8>,
    roots: Vec<TrustRoot>,
}

fn built() -> Built {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let packed = std::fs::read(user.bundle()).unwrap();
    let root = std::fs::read(user.path("out/root.json")).unwrap();
    Built {
        tar: zstd::decode_all(packed.as_slice()).unwrap(),
        roots: vec![TrustRoot::parse(&root).unwrap()],
        packed,
    }
}

#[test]
fn every_changed_byte_is_refused_even_when_it_is_packed_again() {
    let Built { tar, roots, .. } = built();
    verify(packed(&tar).as_slice(), &roots).unwrap();
    // A stride that is coprime to the block size meets every kind of byte.
    for at in (0..tar.len()).step_by(61) {
        let mut bad = tar.clone();
        bad[at] ^= 0x04;
        assert!(
            verify(packed(&bad).as_slice(), &roots).is_err(),
            "byte {at}"
        );
    }
}

/// zstd has more than one way to write the same bytes, and sometimes a changed byte is another of
/// them. Then the signed content is unchanged; in every other case the file is refused.
#[test]
fn every_changed_byte_of_the_file_is_refused_or_changes_nothing_inside() {
    let Built { packed, tar, roots } = built();
    let mut refused = 0;
    for at in (0..packed.len()).step_by(53) {
        let mut bad = packed.clone();
        bad[at] ^= 0x10;
        match verify(bad.as_slice(), &roots) {
            Err(_) => refused += 1,
            Ok(_) => assert_eq!(zstd::decode_all(bad.as_slice()).unwrap(), tar, "byte {at}"),
        }
    }
    assert!(refused * 100 > packed.len() / 53 * 99, "{refused}");
}

#[test]
fn a_cut_or_continued_file_is_refused() {
    let Built { packed, tar, roots } = built();
    for length in [0, 1, 17, 18, packed.len() / 2, packed.len() - 1] {
        assert!(verify(&packed[..length], &roots).is_err(), "{length}");
    }
    let longer = [packed.as_slice(), b"x"].concat();
    assert!(verify(longer.as_slice(), &roots).is_err());
    let two_frames = [packed.as_slice(), self::packed(b"more").as_slice()].concat();
    assert!(verify(two_frames.as_slice(), &roots).is_err());
    let skippable = [packed.as_slice(), &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat();
    assert!(verify(skippable.as_slice(), &roots).is_err());
    for rest in [&b"\0"[..], &[0; 512], b"x"] {
        let longer = [tar.as_slice(), rest].concat();
        assert!(verify(self::packed(&longer).as_slice(), &roots).is_err());
    }
    let shorter = &tar[..tar.len() - 512];
    assert!(verify(self::packed(shorter).as_slice(), &roots).is_err());
}

#[test]
fn without_a_root_nothing_is_verified() {
    let Built { packed, .. } = built();
    let error = verify(packed.as_slice(), &[]).unwrap_err();
    assert!(error.to_string().contains("trust root"), "{error}");
}
