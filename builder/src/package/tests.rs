use std::path::PathBuf;

use pgp::composed::{ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::types::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::checksum::Checksum;
use crate::repo::openpgp::Certificate;

const BUILT: u32 = 1_700_000_000;
const NEVRA: &str = "relay-5.3.0-1.x86_64";

fn key() -> SignedSecretKey {
    let params = SecretKeyParamsBuilder::default()
        .key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .created_at(Timestamp::from_secs(BUILT - 1000))
        .primary_user_id("vendor <vendor@vendor.invalid>".to_owned())
        .build()
        .unwrap();
    params.generate(rand::thread_rng()).unwrap()
}

fn trusted(key: &SignedSecretKey) -> TrustedKeys {
    let public = key.to_public_key();
    let armored = public.to_armored_string(ArmorOptions::default()).unwrap();
    let found = Certificate::read_all(armored.as_bytes()).unwrap();
    let pins = [found[0].fingerprint().clone()];
    TrustedKeys::pin(found, &pins).unwrap()
}

fn signer(key: &SignedSecretKey) -> rpm::signature::pgp::Signer {
    let armored = key.to_armored_string(ArmorOptions::default()).unwrap();
    rpm::signature::pgp::Signer::from_asc(&armored).unwrap()
}

fn unsigned() -> rpm::Package {
    let config = rpm::BuildConfig::v4()
        .compression(rpm::CompressionType::Gzip)
        .source_date(BUILT);
    rpm::PackageBuilder::new("relay", "5.3.0", "MIT", "x86_64", "A test")
        .using_config(config)
        .release("1")
        .with_file_contents(
            b"{}\n".repeat(300),
            rpm::FileOptions::new("/etc/relay.json")
                .config()
                .noreplace(),
        )
        .unwrap()
        .with_file_contents(b"old", rpm::FileOptions::new("/usr/bin/relay"))
        .unwrap()
        .post_install_script("systemctl restart relay ||:")
        .requires(rpm::Dependency::greater_eq("glibc", "2.17"))
        .build()
        .unwrap()
}

fn bytes(package: &rpm::Package) -> Vec<u8> {
    let mut bytes = Vec::new();
    package.write(&mut bytes).unwrap();
    bytes
}

fn signed(key: &SignedSecretKey) -> Vec<u8> {
    let mut package = unsigned();
    package.sign(signer(key)).unwrap();
    bytes(&package)
}

struct Case {
    _dir: TempDir,
    path: PathBuf,
}

fn case(bytes: &[u8]) -> Case {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.rpm");
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).open(&path).unwrap();
    file.write_all(bytes).unwrap();
    Case { _dir: dir, path }
}

fn judged(
    bytes: &[u8],
    nevra: &str,
    keys: &TrustedKeys,
    accepted: &[&str],
) -> Result<DownloadedRpm, PackageError> {
    let case = case(bytes);
    let planned = PlannedPackage {
        nevra: nevra.parse().unwrap(),
        url: "https://host/x.rpm".parse().unwrap(),
        size: bytes.len() as u64,
        checksum: Checksum::new("sha256", &"0".repeat(64)).unwrap(),
        repository: "relay".to_owned(),
        uses: Vec::new(),
    };
    let accept_unsigned: Vec<String> = accepted.iter().map(ToString::to_string).collect();
    let requirements = Requirements {
        keys,
        accept_unsigned: &accept_unsigned,
    };
    check(planned, &ReceivedFile::fake(&case.path), requirements)
}

#[test]
fn a_signed_package_is_described_as_its_header_says() {
    let key = key();
    let rpm = judged(&signed(&key), NEVRA, &trusted(&key), &[]).unwrap();
    assert_eq!(rpm.build_time(), u64::from(BUILT));
    assert!(rpm.signer().is_some());
    assert_eq!(rpm.lint(), []);
    let files = rpm.files();
    assert_eq!(
        (files.compressor.as_str(), files.digest_algorithm.as_str()),
        ("gzip", "sha256")
    );
    let about = &files.about;
    let said = (about.summary.as_str(), about.licence.as_str());
    assert_eq!((said, about.vendor.as_str()), (("A test", "MIT"), ""));
    let config = files
        .files
        .iter()
        .find(|f| f.path == "/etc/relay.json")
        .unwrap();
    assert!(config.config && config.noreplace && config.is_regular());
    assert_eq!((config.size, config.digest.len()), (900, 64));
    let need = files.requires.iter().find(|d| d.name == "glibc").unwrap();
    assert_eq!(
        (need.comparison.as_str(), need.version.as_str()),
        (">=", "2.17")
    );
    assert_eq!(files.scriptlets.len(), 1);
    assert_eq!(files.scriptlets[0].phase, "%post");
    assert!(files.scriptlets[0].body.contains("systemctl restart"));
}

#[test]
fn another_identity_is_refused_even_if_rpm_takes_it_for_equal() {
    let key = key();
    for other in [
        "relay-5.3.1-1.x86_64",
        "relay-5.03.0-1.x86_64",
        "relay-1:5.3.0-1.x86_64",
    ] {
        let error = judged(&signed(&key), other, &trusted(&key), &[]).unwrap_err();
        assert!(
            matches!(error, PackageError::Identity { .. }),
            "{other}: {error}"
        );
    }
}

#[test]
fn an_unsigned_package_needs_its_name_on_the_command_line() {
    let keys = trusted(&key());
    let plain = bytes(&unsigned());
    for accepted in [&[][..], &["other"]] {
        let error = judged(&plain, NEVRA, &keys, accepted).unwrap_err();
        assert!(matches!(error, PackageError::Unsigned), "{error}");
    }
    let rpm = judged(&plain, NEVRA, &keys, &["relay"]).unwrap();
    assert_eq!(rpm.lint(), [LintFlag::Unsigned]);
    assert!(rpm.signer().is_none());
}

#[test]
fn another_keys_signature_is_refused_whatever_was_accepted() {
    let (key, stranger) = (key(), key());
    for accepted in [&[][..], &["relay"]] {
        let error = judged(&signed(&stranger), NEVRA, &trusted(&key), accepted).unwrap_err();
        assert!(
            matches!(
                error,
                PackageError::Signature(SignatureError::UnknownKey(_))
            ),
            "{error}"
        );
    }
}

#[test]
fn a_changed_header_and_a_changed_payload_are_refused() {
    let key = key();
    let keys = trusted(&key);
    let good = signed(&key);
    let script = good.windows(9).position(|w| w == b"systemctl").unwrap();
    for at in [script, good.len() - 20] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(judged(&bad, NEVRA, &keys, &[]).is_err(), "{at}");
        assert!(judged(&bad, NEVRA, &keys, &["relay"]).is_err(), "{at}");
    }
    for length in [0, 50, 200, good.len() - 1] {
        assert!(
            judged(&good[..length], NEVRA, &keys, &[]).is_err(),
            "{length}"
        );
    }
}

mod crafted;
mod payload;
