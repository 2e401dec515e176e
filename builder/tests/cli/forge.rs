//! Bundles that are wrong although a trusted key signed them. Hosts would refuse them, so the
//! builder's own verdict must refuse them too.

use std::io::Write as _;

use builder::archive::verify;
use builder::explain::Explain as _;
use manifests::bundle::BundleManifest;
use manifests::digest::Sha256;
use manifests::format::{BLOCK_BYTES, header_for, padding, read_header};
use manifests::limits::{PRODUCT_MAX_BYTES, SIGNATURES_MAX, TRUST_ENTRIES_MAX};
use manifests::package_files::PackageFiles;
use manifests::trust::TrustRoot;
use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;

use crate::program::User;
use crate::vendor::Vendor;

/// A real bundle, taken apart, with the key that signed it.
struct Forge {
    manifest: BundleManifest,
    front: Vec<(String, Vec<u8>)>,
    listed: Vec<(String, Vec<u8>)>,
    key: SigningKey,
    roots: Vec<TrustRoot>,
}

impl Forge {
    fn new() -> Self {
        let (vendor, user) = (Vendor::new(), User::new());
        user.build_el8(&vendor).assert_ok();
        let packed = std::fs::read(user.bundle()).unwrap();
        let mut entries = entries(&zstd::decode_all(packed.as_slice()).unwrap());
        let manifest = BundleManifest::parse(&entries.remove(0).1).unwrap();
        let (front, listed) = entries
            .into_iter()
            .partition(|(path, _)| path.starts_with("signatures/") || path.starts_with("trust/"));
        let pem = user.path("config/airgap-bundle/signing-key.pem");
        let secret = SecretKey::from_pkcs8_pem(&std::fs::read_to_string(pem).unwrap());
        let root = std::fs::read(user.path("out/root.json")).unwrap();
        Self {
            manifest,
            front,
            listed,
            key: SigningKey::from(secret.unwrap()),
            roots: vec![TrustRoot::parse(&root).unwrap()],
        }
    }

    fn listed_mut(&mut self, start: &str) -> &mut Vec<u8> {
        let mut found = self.listed.iter_mut();
        &mut found.find(|(path, _)| path.starts_with(start)).unwrap().1
    }

    /// Lists the entries as they are now, signs the list, and returns the verdict.
    fn judged(&mut self) -> Result<(), String> {
        let packed = self.packed();
        let verdict = verify(packed.as_slice(), &self.roots);
        verdict.map(drop).map_err(|error| error.explain().why)
    }

    fn packed(&mut self) -> Vec<u8> {
        for (entry, (_, bytes)) in self.manifest.entries.iter_mut().zip(&self.listed) {
            (entry.size, entry.sha256) = (bytes.len() as u64, Sha256::of(bytes));
        }
        let manifest = manifests::json::canonical(&self.manifest).unwrap();
        let signature: DerSignature = self.key.sign(&manifest);
        let key_id = self.roots[0].document().release.keys[0].as_str();
        let own = format!("signatures/{key_id}.sig");
        let mut tar = Vec::new();
        put(
            &mut tar,
            "manifest.json",
            &manifest,
            self.manifest.timestamp,
        );
        for (path, bytes) in &self.front {
            let bytes = if *path == own {
                signature.as_bytes()
            } else {
                bytes.as_slice()
            };
            put(&mut tar, path, bytes, self.manifest.timestamp);
        }
        for (path, bytes) in &self.listed {
            put(&mut tar, path, bytes, self.manifest.timestamp);
        }
        tar.extend([0; 2 * BLOCK_BYTES]);
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn assert_refused(&mut self, word: &str) {
        let error = self.judged().unwrap_err();
        assert!(error.contains(word), "no {word:?}: {error}");
    }
}

pub(crate) fn entries(mut tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut entries = Vec::new();
    loop {
        let (block, rest) = tar.split_first_chunk::<BLOCK_BYTES>().unwrap();
        if *block == [0; BLOCK_BYTES] {
            return entries;
        }
        let claim = read_header(block).unwrap();
        let size = usize::try_from(claim.size).unwrap();
        entries.push((claim.path.to_string(), rest[..size].to_vec()));
        tar = &rest[size + padding(claim.size)..];
    }
}

fn put(tar: &mut Vec<u8>, path: &str, bytes: &[u8], mtime: u64) {
    let size = bytes.len() as u64;
    tar.extend(header_for(&path.parse().unwrap(), size, mtime).unwrap());
    tar.extend(bytes);
    tar.extend(&[0; BLOCK_BYTES][..padding(size)]);
}

#[test]
fn a_bundle_that_is_put_together_again_passes() {
    assert_eq!(Forge::new().judged(), Ok(()));
}

#[test]
fn a_product_of_another_name_or_above_its_bound_is_refused() {
    let mut forge = Forge::new();
    let good = forge.listed_mut("product.json").clone();
    let other = String::from_utf8(good.clone()).unwrap();
    *forge.listed_mut("product.json") = other.replace("courier", "carrier").into();
    forge.assert_refused("carrier");
    *forge.listed_mut("product.json") = b"{}".to_vec();
    forge.assert_refused("product.json");
    let mut large = good;
    large.resize(usize::try_from(PRODUCT_MAX_BYTES).unwrap() + 1, b' ');
    *forge.listed_mut("product.json") = large;
    forge.assert_refused("readers take at most");
}

#[test]
fn a_file_list_that_is_broken_or_another_packages_is_refused() {
    let mut forge = Forge::new();
    let good = forge.listed_mut("files/").clone();
    *forge.listed_mut("files/") = b"[]".to_vec();
    forge.assert_refused("files/");
    for spoil in [
        |list: &mut PackageFiles| list.nevra = "other-1-1.x86_64".parse().unwrap(),
        |list: &mut PackageFiles| list.rpm = Sha256::of(b"other"),
        |list: &mut PackageFiles| list.document = "airgap-bundle/files/2".to_owned(),
    ] {
        let mut list: PackageFiles = serde_json::from_slice(&good).unwrap();
        spoil(&mut list);
        *forge.listed_mut("files/") = manifests::json::canonical(&list).unwrap();
        forge.judged().unwrap_err();
    }
}

#[test]
fn signatures_rise_by_name() {
    let mut forge = Forge::new();
    let lowest = ("signatures/0000000000000000.sig".to_owned(), vec![1; 70]);
    forge.front.insert(0, lowest.clone());
    assert_eq!(forge.judged(), Ok(()));
    let first = forge.front.remove(0);
    forge.front.insert(1, first);
    forge.assert_refused("a name after");
}

#[test]
fn more_trust_entries_than_a_host_looks_at_are_refused() {
    let mut forge = Forge::new();
    // They sort after the one document that is there, and no version exceeds its number of
    // signatures.
    let strange = (0..TRUST_ENTRIES_MAX).map(|n| {
        let version = 20 + n / SIGNATURES_MAX;
        (format!("trust/root.{version}.{n:016x}.sig"), vec![1; 70])
    });
    forge.front.extend(strange);
    forge.assert_refused("more under trust/ than a reader takes");
}

#[test]
fn what_hosts_refuse_is_not_signed_in_the_first_place() {
    let (vendor, user) = (Vendor::new(), User::new());
    let product = std::fs::read_to_string(vendor.product()).unwrap();
    let title = "x".repeat(usize::try_from(PRODUCT_MAX_BYTES).unwrap());
    let product = product.replace("\"Courier\"", &format!("{title:?}"));
    vendor.write("product.toml", product);
    let run = user.build_el8(&vendor);
    run.assert_refused(2, &["product.json", "hosts would refuse"]);
    user.assert_nothing_written();
}

pub(crate) fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c == '\n' || c == '\t' || !c.is_control())
}

#[test]
fn text_of_a_bundle_cannot_control_the_terminal() {
    let mut forge = Forge::new();
    forge.manifest.title = "Courier\u{1b}[2J\nVERIFIED by key".to_owned();
    forge.manifest.channel = "stable\u{202e}".to_owned();
    for rpm in &mut forge.manifest.rpms {
        rpm.uses[0].component += "\r";
    }
    let (vendor, user) = (Vendor::new(), User::new());
    let bundle = vendor.write("hostile.tar.zst", forge.packed());
    let run = user.run(&["inspect", crate::program::text(&bundle)]);
    assert!(
        is_plain(&run.assert_ok().assert_as_before().stdout),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("Courier\\u{1b}[2J\\nVERIFIED"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains('\u{202e}'));
}
