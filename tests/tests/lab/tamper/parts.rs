//! Bundles in parts: accepted where they lie; a part that is not as signed is refused by its name.

use std::path::{Path, PathBuf};

use installer::bundle::{BundleError, OpenBundle, UntrustedBundle};
use installer::layout::Layout;
use lab::forge::{TestKey, split};
use manifests::digest::Sha256;
use manifests::reader::ReadError;

use crate::tamper::{Case, case, numbers};

const NAME: &str = "bundle.tar.zst";

struct Parts {
    case: Case,
    dir: tempfile::TempDir,
    list: PathBuf,
}

fn parts() -> Parts {
    let case = case();
    let dir = tempfile::tempdir().unwrap();
    let key = TestKey::from_seed(1).unwrap();
    let size = case.file.len() / 7;
    let list = split((NAME, "acme"), &case.file, size, &key, dir.path()).unwrap();
    Parts { case, dir, list }
}

impl Parts {
    fn open(&self) -> Result<OpenBundle, BundleError> {
        let bundle = UntrustedBundle::open_parts(&self.list, &[], &self.case.roots)?;
        OpenBundle::verify(bundle, &self.case.roots)
    }

    fn path(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("{NAME}.part{number:03}"))
    }

    fn refusal(&self) -> Result<(), BundleError> {
        self.open()?.verify_payload().map(|_| ())
    }
}

fn names_of_bad(error: &BundleError) -> Vec<PathBuf> {
    match error {
        BundleError::Refused(ReadError::Parts { bad, .. }) => {
            bad.iter().map(|part| part.path.clone()).collect()
        }
        other => panic!("no part is named: {other}"),
    }
}

#[test]
fn parts_are_staged_where_they_lie_and_nothing_is_joined() {
    let parts = parts();
    parts.refusal().unwrap();
    let open = parts.open().unwrap();
    let wanted = open
        .metadata()
        .manifest()
        .rpms
        .iter()
        .map(|rpm| rpm.sha256)
        .collect();
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    installer::secure_fs::ensure_dir(&layout.store(), 0o700).unwrap();
    let before = listing(parts.dir.path());
    open.stage(&layout, &wanted).unwrap();
    for sha256 in &wanted {
        let stored = std::fs::read(layout.stored_rpm(sha256)).unwrap();
        assert_eq!(Sha256::of(&stored), *sha256);
    }
    assert_eq!(
        std::fs::read_dir(layout.store()).unwrap().count(),
        wanted.len()
    );
    assert_eq!(listing(parts.dir.path()), before);
}

fn listing(dir: &Path) -> Vec<(PathBuf, Sha256)> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .map(|path| (path.clone(), Sha256::of(&std::fs::read(path).unwrap())))
        .collect();
    found.sort();
    found
}

#[test]
fn a_flipped_byte_anywhere_names_its_part() {
    let parts = parts();
    for at in numbers(23).map(|n| n % parts.case.file.len()).take(200) {
        let number = at / (parts.case.file.len() / 7) + 1;
        let good = std::fs::read(parts.path(number)).unwrap();
        let mut bad = good.clone();
        bad[at % (parts.case.file.len() / 7)] ^= 1 << (at % 8);
        std::fs::write(parts.path(number), bad).unwrap();
        let error = parts.refusal().unwrap_err();
        assert_eq!(names_of_bad(&error), [parts.path(number)], "byte {at}");
        std::fs::write(parts.path(number), good).unwrap();
    }
    parts.refusal().unwrap();
}

#[test]
fn a_bad_part_is_refused_before_an_rpm_of_it_is_stored() {
    let parts = parts();
    // The last whole part: the remainder behind it may be too short to hold a part of an RPM.
    let last = parts.path(7);
    let mut bytes = std::fs::read(&last).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let open = parts.open().unwrap();
    let rpms = &open.metadata().manifest().rpms;
    let last_rpm = rpms.last().unwrap().sha256;
    let wanted = std::iter::once(last_rpm).collect();
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    installer::secure_fs::ensure_dir(&layout.store(), 0o700).unwrap();
    let error = open.stage(&layout, &wanted).unwrap_err();
    assert_eq!(names_of_bad(&error), [last]);
    assert_eq!(std::fs::read_dir(layout.store()).unwrap().count(), 0);
}

#[test]
fn good_parts_of_another_bundle_or_by_another_key_are_refused() {
    let parts = parts();
    // The list of one bundle with the signature of a stranger.
    let stranger = TestKey::from_seed(9).unwrap();
    let other = tempfile::tempdir().unwrap();
    let list = split(
        (NAME, "acme"),
        &parts.case.file,
        5000,
        &stranger,
        other.path(),
    )
    .unwrap();
    let error = UntrustedBundle::open_parts(&list, &[], &parts.case.roots).unwrap_err();
    let is_of_list = matches!(error, BundleError::Refused(ReadError::PartsList { .. }));
    assert!(is_of_list, "{error}");
    // A trusted key signed the list of parts; the manifest inside was changed after its signature.
    let key = TestKey::from_seed(1).unwrap();
    let mut tar = parts.case.tar.clone();
    tar[600] ^= 1;
    let forged = lab::forge::compress(&tar).unwrap();
    let list = split((NAME, "acme"), &forged, 5000, &key, other.path()).unwrap();
    let bundle = UntrustedBundle::open_parts(&list, &[], &parts.case.roots).unwrap();
    let error = OpenBundle::verify(bundle, &parts.case.roots).unwrap_err();
    let is_untrusted = matches!(error, BundleError::Refused(ReadError::Untrusted(_)));
    assert!(is_untrusted, "{error}");
}
