//! Packages whose signature header was put together by hand, as their server can.

use std::io::Read as _;

use pgp::composed::DetachedSignature;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::PacketTrait as _;
use pgp::types::Password;

use super::*;

const BINARY: u32 = 7;
const STRING: u32 = 6;
const RSA: u32 = 268;
const PGP: u32 = 1002;
const SHA256: u32 = 273;

/// A package in its parts.
struct Parts {
    lead: Vec<u8>,
    header: Vec<u8>,
    payload: Vec<u8>,
}

struct Tag {
    number: u32,
    typ: u32,
    bytes: Vec<u8>,
}

fn tag(number: u32, bytes: Vec<u8>) -> Tag {
    let typ = if number == SHA256 || number == 1000 {
        STRING
    } else {
        BINARY
    };
    Tag { number, typ, bytes }
}

impl Parts {
    fn of(package: &rpm::Package) -> Self {
        let bytes = bytes(package);
        let offsets = package.metadata.get_package_segment_offsets();
        let [from, to] = [offsets.header, offsets.payload].map(|at| usize::try_from(at).unwrap());
        Self {
            lead: bytes[..96].to_vec(),
            header: bytes[from..to].to_vec(),
            payload: bytes[to..].to_vec(),
        }
    }

    fn both(&self) -> Vec<u8> {
        [&self.header[..], &self.payload].concat()
    }

    fn with(&self, tags: &[Tag]) -> Vec<u8> {
        let signatures = header(62, tags);
        let padding = vec![0; signatures.len().next_multiple_of(8) - signatures.len()];
        [&self.lead[..], &signatures, &padding, &self.both()].concat()
    }

    fn signed_header(&self, key: &SignedSecretKey) -> Tag {
        tag(RSA, over(key, HashAlgorithm::Sha256, &self.header))
    }
}

/// A header with a region, as rpm writes one.
fn header(region: u32, tags: &[Tag]) -> Vec<u8> {
    let count = u32::try_from(tags.len() + 1).unwrap();
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for tag in tags {
        let length = u32::try_from(tag.bytes.len()).unwrap();
        let count = if tag.typ == BINARY { length } else { 1 };
        let at = u32::try_from(store.len()).unwrap();
        index.extend([tag.number, tag.typ, at, count].map(u32::to_be_bytes));
        store.extend(&tag.bytes);
    }
    let at = u32::try_from(store.len()).unwrap();
    index.insert(0, region.to_be_bytes());
    for (place, word) in [BINARY, at, 16].into_iter().enumerate() {
        index.insert(place + 1, word.to_be_bytes());
    }
    let trailer = [region, BINARY, (count * 16).wrapping_neg(), 16];
    store.extend(trailer.map(u32::to_be_bytes).as_flattened());
    let mut bytes = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    bytes.extend(count.to_be_bytes());
    bytes.extend(u32::try_from(store.len()).unwrap().to_be_bytes());
    [&bytes[..], index.as_flattened(), &store].concat()
}

fn over(key: &SignedSecretKey, hash: HashAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let (rng, password) = (rand::thread_rng(), Password::empty());
    let signature =
        DetachedSignature::sign_binary_data(rng, &key.primary_key, &password, hash, bytes);
    let signature = signature.unwrap().signature;
    signature.to_writer_with_header(&mut packet).unwrap();
    packet
}

#[track_caller]
fn verdict(
    parts: &Parts,
    tags: &[Tag],
    key: &SignedSecretKey,
    accepted: &[&str],
) -> Result<DownloadedRpm, PackageError> {
    judged(&parts.with(tags), NEVRA, &trusted(key), accepted)
}

#[test]
fn a_signature_header_by_hand_passes() {
    let key = key();
    let parts = Parts::of(&unsigned());
    let rpm = verdict(&parts, &[parts.signed_header(&key)], &key, &[]).unwrap();
    // No digest of the header beside the signature: that is what FIPS hosts refuse.
    assert_eq!(rpm.lint(), [LintFlag::NoSha256Header]);
    let digest = format!("{}\0", manifests::digest::Sha256::of(&parts.header));
    let tags = [parts.signed_header(&key), tag(SHA256, digest.into_bytes())];
    assert_eq!(verdict(&parts, &tags, &key, &[]).unwrap().lint(), []);
    let wrong = format!("{}\0", manifests::digest::Sha256::of(b"other"));
    let tags = [parts.signed_header(&key), tag(SHA256, wrong.into_bytes())];
    let error = verdict(&parts, &tags, &key, &[]).unwrap_err();
    assert!(matches!(error, PackageError::Digest { .. }), "{error}");
}

#[test]
fn tags_that_do_not_belong_into_a_signature_header_are_refused() {
    let key = key();
    let parts = Parts::of(&unsigned());
    let reserved = [parts.signed_header(&key), tag(1008, vec![0; 32])];
    verdict(&parts, &reserved, &key, &[]).unwrap();
    // The size, a scriptlet, the file digests, a dependency, the payload digest, other regions.
    for number in [1009, 1023, 1035, 1049, 5092, 61, 63, 100, 0x7fff_ffff] {
        let tags = [parts.signed_header(&key), tag(number, b"x\0".to_vec())];
        for accepted in [&[][..], &["relay"]] {
            let error = verdict(&parts, &tags, &key, accepted).unwrap_err();
            assert!(
                matches!(error, PackageError::Header(_)),
                "{number}: {error}"
            );
            assert_eq!(error.exit(), Exit::Verification);
        }
    }
    let stranger = super::key();
    let twice = [parts.signed_header(&key), parts.signed_header(&stranger)];
    let error = verdict(&parts, &twice, &key, &[]).unwrap_err();
    assert!(matches!(error, PackageError::Header(_)), "{error}");
}

#[test]
fn a_tag_outside_the_region_or_twice_in_the_header_is_refused() {
    let key = key();
    let good = Parts::of(&unsigned());
    let count = u32::from_be_bytes(good.header[8..12].try_into().unwrap());
    let index = usize::try_from(count).unwrap() * 16;
    // The last entry once more, beyond what the region spans.
    let last = good.header[index..index + 16].to_vec();
    let mut outside = Parts::of(&unsigned());
    outside.header.splice(16 + index..16 + index, last.clone());
    outside.header[8..12].copy_from_slice(&(count + 1).to_be_bytes());
    let mut other = Parts::of(&unsigned());
    other.header.splice(16 + index..16 + index, last);
    other.header[8..12].copy_from_slice(&(count + 1).to_be_bytes());
    other.header[16 + index..20 + index].copy_from_slice(&0x7fff_fff0_u32.to_be_bytes());
    let mut twice = Parts::of(&unsigned());
    let name = twice.header[16 + index - 32..16 + index - 28].to_vec();
    twice.header[16 + index - 16..16 + index - 12].copy_from_slice(&name);
    for (what, parts) in [("outside", outside), ("other", other), ("twice", twice)] {
        // The vendor's own signature over it makes no difference.
        let error = verdict(&parts, &[parts.signed_header(&key)], &key, &[]).unwrap_err();
        assert!(matches!(error, PackageError::Header(_)), "{what}: {error}");
    }
}

#[test]
fn a_signature_over_header_and_payload_is_held_to_the_same_policy() {
    let key = key();
    let stranger = super::key();
    let parts = Parts::of(&unsigned());
    let own = || parts.signed_header(&key);
    let good = over(&key, HashAlgorithm::Sha256, &parts.both());
    verdict(&parts, &[own(), tag(PGP, good.clone())], &key, &[]).unwrap();
    for wrong in [
        over(&key, HashAlgorithm::Sha256, b"other"),
        over(&key, HashAlgorithm::Sha256, &parts.header),
        over(&stranger, HashAlgorithm::Sha256, &parts.both()),
        b"no signature".to_vec(),
    ] {
        let tags = [own(), tag(PGP, wrong.clone())];
        let error = verdict(&parts, &tags, &key, &[]).unwrap_err();
        assert!(matches!(error, PackageError::Signature(_)), "{error}");
        // Nor is it unsigned then, whatever was accepted.
        let error = verdict(&parts, &[tag(PGP, wrong)], &key, &["relay"]).unwrap_err();
        assert!(matches!(error, PackageError::Signature(_)), "{error}");
    }
    // Alone it makes no package signed.
    let alone = || [tag(PGP, good.clone())];
    let error = verdict(&parts, &alone(), &key, &[]).unwrap_err();
    assert!(matches!(error, PackageError::Unsigned), "{error}");
    let accepted = verdict(&parts, &alone(), &key, &["relay"]).unwrap();
    assert!(accepted.lint().contains(&LintFlag::Unsigned));
}

#[test]
fn sha1_signatures_are_flagged_where_they_were_accepted_and_refused_elsewhere() {
    let key = {
        let params = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Rsa(2048))
            .can_certify(true)
            .can_sign(true)
            .created_at(Timestamp::from_secs(BUILT - 1000))
            .primary_user_id("vendor <vendor@vendor.invalid>".to_owned())
            .build()
            .unwrap();
        params.generate(rand::thread_rng()).unwrap()
    };
    let parts = Parts::of(&unsigned());
    let weak = || tag(RSA, over(&key, HashAlgorithm::Sha1, &parts.header));
    let both = |hash| tag(PGP, over(&key, hash, &parts.both()));
    for tags in [
        vec![weak()],
        vec![weak(), both(HashAlgorithm::Sha256)],
        vec![parts.signed_header(&key), both(HashAlgorithm::Sha1)],
    ] {
        let error = verdict(&parts, &tags, &key, &[]).unwrap_err();
        let weak = PackageError::Signature(SignatureError::WeakHash("SHA1".to_owned()));
        assert_eq!(error.to_string(), weak.to_string());
        let rpm = verdict(&parts, &tags, &key, &["relay"]).unwrap();
        assert!(rpm.lint().contains(&LintFlag::Sha1Signature));
        assert!(!rpm.lint().contains(&LintFlag::Unsigned));
    }
}

fn one_file(compression: rpm::CompressionType) -> rpm::Package {
    let config = rpm::BuildConfig::v4()
        .compression(compression)
        .source_date(BUILT);
    rpm::PackageBuilder::new("relay", "5.3.0", "MIT", "x86_64", "A test")
        .using_config(config)
        .release("1")
        .with_file_contents(b"old", rpm::FileOptions::new("/usr/bin/relay"))
        .unwrap()
        .build()
        .unwrap()
}

#[test]
fn md5_file_digests_cover_no_payload() {
    let key = key();
    let mut parts = Parts::of(&one_file(rpm::CompressionType::Gzip));
    // Payload digest and file digest algorithm under unknown numbers, as before rpm 4.6.
    for number in [5092_u32, 5093, 5097, 5011] {
        let known = number.to_be_bytes();
        let at = parts.header.chunks(4).position(|word| word == known);
        if let Some(at) = at {
            parts.header[at * 4] = 0x7f;
        }
    }
    // An MD5 has half the digits.
    let digest = manifests::digest::Sha256::of(b"old").to_string();
    let mut places = parts.header.windows(64);
    let at = places
        .position(|window| window == digest.as_bytes())
        .unwrap();
    parts.header[at + 32] = 0;
    let error = verdict(&parts, &[parts.signed_header(&key)], &key, &[]).unwrap_err();
    assert!(matches!(error, PackageError::NoPayloadDigest), "{error}");
    let rpm = verdict(&parts, &[parts.signed_header(&key)], &key, &["relay"]).unwrap();
    for flag in [LintFlag::Md5FileDigests, LintFlag::NoPayloadDigest] {
        assert!(rpm.lint().contains(&flag), "{:?}", rpm.lint());
    }
}

#[test]
fn only_what_rpm_4_11_cannot_unpack_is_flagged_so() {
    let key = key();
    for (compression, flagged) in [
        (rpm::CompressionType::None, false),
        (rpm::CompressionType::Gzip, false),
        (rpm::CompressionType::Xz, false),
        (rpm::CompressionType::Zstd, true),
    ] {
        let mut package = one_file(compression);
        package.sign(signer(&key)).unwrap();
        let rpm = judged(&bytes(&package), NEVRA, &trusted(&key), &[]).unwrap();
        let found = rpm.lint().contains(&LintFlag::PayloadNotForEl7);
        assert_eq!(found, flagged, "{compression:?}");
    }
}

#[test]
fn the_payload_that_the_signed_header_names_is_the_one_that_counts() {
    let key = key();
    let mut package = unsigned();
    package.sign(signer(&key)).unwrap();
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(package.payload.as_slice())
        .read_to_end(&mut archive)
        .unwrap();
    // The very same files, packed anew.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut packed, &archive).unwrap();
    package.payload = packed.finish().unwrap();
    let error = judged(&bytes(&package), NEVRA, &trusted(&key), &["relay"]).unwrap_err();
    assert!(matches!(error, PackageError::Digest { .. }), "{error}");
}
