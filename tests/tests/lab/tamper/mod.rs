//! Every byte of a bundle counts: the installer refuses every change, cut and addition.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests write files, show counts, and fail by panicking"
)]

#[cfg(test)]
mod flips;
#[cfg(test)]
mod parts;

use std::path::Path;

use installer::bundle::{BundleError, OpenBundle, UntrustedBundle};
use lab::forge::{Forge, TestKey, compress};
use lab::vendor::{Fixtures, Product};
use manifests::bundle::Role;
use manifests::nevra::Arch;
use manifests::product::ProductManifest;
use manifests::trust::TrustRoot;

use crate::budget;

/// A good bundle, opened, and the key that is trusted.
struct Case {
    dir: tempfile::TempDir,
    file: Vec<u8>,
    tar: Vec<u8>,
    roots: Vec<TrustRoot>,
}

fn case() -> Case {
    let fixtures = Fixtures::prepare().unwrap();
    let text = fixtures
        .product_toml(Product::Acme, "http://127.0.0.1:9")
        .unwrap();
    let rpm = |version| fixtures.rpm("relayd", version, "el8", "x86_64").unwrap();
    let forge = Forge {
        product: ProductManifest::from_toml(&text).unwrap(),
        vendor_keys: vec![fixtures.package_key(Product::Acme).unwrap().file],
        rpms: vec![(rpm("2.1.0"), Role::Target), (rpm("2.0.0"), Role::Previous)],
        distro: "el8".to_owned(),
        arch: Arch::X86_64,
        version: "2.1".to_owned(),
        lint: Vec::new(),
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good");
    let key = TestKey::from_seed(1).unwrap();
    forge.write(&key, &path).unwrap();
    let file = std::fs::read(&path).unwrap();
    let tar = zstd::decode_all(&file[..]).unwrap();
    let roots = vec![TrustRoot::parse(&key.root_document().unwrap()).unwrap()];
    Case {
        dir,
        file,
        tar,
        roots,
    }
}

impl Case {
    fn open(&self, path: &Path) -> Result<(), BundleError> {
        let archive = UntrustedBundle::open(path)?;
        OpenBundle::verify(archive, &self.roots)?
            .verify_payload()
            .map(|_| ())
    }

    fn accepts(&self, bytes: &[u8]) -> bool {
        let path = self.dir.path().join("candidate");
        std::fs::write(&path, bytes).unwrap();
        self.open(&path).is_ok()
    }

    fn accepts_tar(&self, tar: &[u8]) -> bool {
        self.accepts(&compress(tar).unwrap())
    }
}

/// Numbers that are the same in every run: a linear congruence is random enough to choose bytes.
fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    let step = |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(seed), step).map(|n| usize::try_from(n >> 33).unwrap())
}

#[test]
fn flipped_bytes_of_the_file_cuts_and_additions_are_refused() {
    let case = case();
    for at in numbers(11).map(|n| n % case.file.len()).take(budget::FLIPS) {
        let mut bad = case.file.clone();
        bad[at] ^= 1 << (at % 8);
        // Some bits of a zstd stream decide nothing; then the content must be unchanged.
        if case.accepts(&bad) {
            assert!(
                zstd::decode_all(&bad[..]).unwrap() == case.tar,
                "file byte {at}"
            );
        }
    }
    for length in (0..case.tar.len())
        .step_by(512 * 61)
        .chain([case.tar.len() - 1])
    {
        assert!(!case.accepts_tar(&case.tar[..length]), "cut at {length}");
    }
    let with = |more: &[u8]| [&case.file, more].concat();
    assert!(!case.accepts(&with(&[0])), "a byte behind the frame");
    assert!(
        !case.accepts(&with(&case.file)),
        "a second bundle behind the frame"
    );
    assert!(
        !case.accepts_tar(&[&case.tar[..], &[0; 512]].concat()),
        "a third zero block"
    );
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0][..], &case.file].concat();
    assert!(!case.accepts(&skippable), "a skippable frame before it");
}

#[test]
fn a_signature_by_another_key_or_of_another_bundle_is_refused() {
    let case = case();
    let stranger = TestKey::from_seed(9).unwrap();
    let roots = vec![TrustRoot::parse(&stranger.root_document().unwrap()).unwrap()];
    let foreign = Case { roots, ..case };
    assert!(!foreign.accepts(&foreign.file));
    let rootless = Case {
        roots: Vec::new(),
        ..foreign
    };
    assert!(!rootless.accepts(&rootless.file));
}
