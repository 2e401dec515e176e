#![expect(
    clippy::disallowed_methods,
    reason = "a test lays out parts and damages them"
)]

use std::io::Read as _;
use std::path::PathBuf;

use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::limits::PARTS_DOCUMENT_MAX_BYTES;
use manifests::parts::{PARTS_TYPE, Part, PartsDocument, document_name, part_name, signature_name};
use manifests::reader::{PartsSet, ReadError};
use manifests::trust::TrustRoot;

use super::*;
use crate::trust::test_keys;

const BUNDLE: &str = "b.tar.zst";
const SIZE: usize = 1000;

struct Medium {
    dir: tempfile::TempDir,
    bytes: Vec<u8>,
    roots: Vec<TrustRoot>,
}

fn root() -> TrustRoot {
    TrustRoot::parse(&canonical(&test_keys::document(1, 3, 3)).unwrap()).unwrap()
}

impl Medium {
    /// Three full parts and a short one of bytes that all differ.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3500_u32)
            .flat_map(u32::to_le_bytes)
            .take(3500)
            .collect();
        let mut parts = Vec::new();
        for (piece, number) in bytes.chunks(SIZE).zip(1..) {
            std::fs::write(dir.path().join(part_name(BUNDLE, number)), piece).unwrap();
            parts.push(Part {
                number,
                size: piece.len() as u64,
                sha256: Sha256::of(piece),
            });
        }
        let medium = Self {
            dir,
            roots: vec![root()],
            bytes: bytes.clone(),
        };
        medium.sign(&PartsDocument {
            document: PARTS_TYPE.to_owned(),
            bundle: BUNDLE.to_owned(),
            product: "acme".to_owned(),
            size: bytes.len() as u64,
            sha256: Sha256::of(&bytes),
            manifest_sha256: Sha256::of(b""),
            parts,
        });
        medium
    }

    fn sign(&self, document: &PartsDocument) {
        let bytes = canonical(document).unwrap();
        let signature = test_keys::sign(&bytes, 3);
        let name = signature_name(BUNDLE, signature.key_id());
        std::fs::write(self.dir.path().join(name), signature.as_bytes()).unwrap();
        std::fs::write(self.list(), bytes).unwrap();
    }

    fn list(&self) -> PathBuf {
        self.dir.path().join(document_name(BUNDLE))
    }

    fn part(&self, number: u32) -> PathBuf {
        self.dir.path().join(part_name(BUNDLE, number))
    }

    fn open(&self) -> Result<PartsSet<Disk>, ReadError> {
        let set = PartsSet::open(Disk, &self.list(), &[], &self.roots)?;
        set.check_presence().map(|()| set)
    }

    /// Returns the error, whether opening or reading refuses the parts.
    fn refusal(&self) -> String {
        let set = match self.open() {
            Ok(set) => set,
            Err(error) => return chain(&error),
        };
        let mut bytes = Vec::new();
        set.reader().read_to_end(&mut bytes).unwrap_err();
        assert!(bytes.len() < self.bytes.len());
        chain(&set.reader().finish().unwrap_err())
    }
}

fn chain(error: &ReadError) -> String {
    crate::failure::chain(error)
}

#[test]
fn the_parts_are_the_bundle() {
    let medium = Medium::new();
    let set = medium.open().unwrap();
    let mut bytes = Vec::new();
    set.reader().read_to_end(&mut bytes).unwrap();
    assert!(bytes == medium.bytes);
    set.reader().finish().unwrap();
    let names = std::fs::read_dir(medium.dir.path()).unwrap().count();
    assert_eq!(names, 6, "reading writes nothing");
}

#[test]
fn every_bad_part_is_refused_by_name() {
    type Spoil = (&'static str, fn(&Medium));
    let spoils: [Spoil; 8] = [
        ("part002: it is missing", |m| {
            std::fs::remove_file(m.part(2)).unwrap();
        }),
        ("part002: it has 999 bytes", |m| {
            std::fs::write(m.part(2), &m.bytes[1000..1999]).unwrap();
        }),
        ("part002: it has 1001 bytes", |m| {
            std::fs::write(m.part(2), &m.bytes[1000..2001]).unwrap();
        }),
        ("part003: its SHA-256", |m| {
            std::fs::copy(m.part(2), m.part(3)).map(|_| ()).unwrap();
        }),
        ("part002: its SHA-256", |m| {
            std::fs::rename(m.part(1), m.part(9)).unwrap();
            std::fs::rename(m.part(2), m.part(1)).unwrap();
            std::fs::rename(m.part(9), m.part(2)).unwrap();
        }),
        ("part004: it is not a regular file", |m| {
            std::fs::rename(m.part(4), m.part(9)).unwrap();
            std::os::unix::fs::symlink(m.part(9), m.part(4)).unwrap();
        }),
        ("part001: it is not a regular file", |m| {
            std::fs::remove_file(m.part(1)).unwrap();
            let kind = rustix::fs::FileType::Fifo;
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, m.part(1), kind, mode, 0).unwrap();
        }),
        ("part004: its SHA-256", |m| {
            let mut last = std::fs::read(m.part(4)).unwrap();
            *last.last_mut().unwrap() ^= 1;
            std::fs::write(m.part(4), last).unwrap();
        }),
    ];
    for (word, spoil) in spoils {
        let medium = Medium::new();
        spoil(&medium);
        let refusal = medium.refusal();
        assert!(refusal.contains(word), "no {word:?}: {refusal}");
    }
}

#[test]
fn a_list_is_accepted_only_with_its_signature_and_for_its_product() {
    let medium = Medium::new();
    let good = std::fs::read(medium.list()).unwrap();
    for at in (0..good.len()).step_by(13) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(medium.list(), bad).unwrap();
        let refusal = medium.open().unwrap_err();
        assert!(refusal.untrusted().is_some(), "{refusal}");
        let list = medium.list().display().to_string();
        assert!(refusal.to_string().contains(&list), "{refusal}");
    }
    std::fs::write(medium.list(), &good).unwrap();
    assert!(PartsSet::open(Disk, &medium.list(), &[], &[]).is_err());
    let mut foreign: PartsDocument = serde_json::from_slice(&good).unwrap();
    foreign.product = "other".to_owned();
    medium.sign(&foreign);
    assert!(chain(&medium.open().unwrap_err()).contains("other"));
    let large = vec![b' '; usize::try_from(PARTS_DOCUMENT_MAX_BYTES).unwrap() + 1];
    std::fs::write(medium.list(), large).unwrap();
    assert!(chain(&medium.open().unwrap_err()).contains("larger than"));
}

#[test]
fn several_discs_are_one_set() {
    let medium = Medium::new();
    let disc = tempfile::tempdir().unwrap();
    let moved = disc.path().join(part_name(BUNDLE, 3));
    std::fs::rename(medium.part(3), &moved).unwrap();
    assert!(medium.open().is_err());
    let dirs = [disc.path().to_owned()];
    let set = PartsSet::open(Disk, &medium.list(), &dirs, &medium.roots).unwrap();
    set.reader().finish().unwrap();
}

#[test]
fn a_part_that_shrinks_while_it_is_read_ends_the_stream() {
    let medium = Medium::new();
    let set = medium.open().unwrap();
    let mut reader = set.reader();
    let mut first = [0; 10];
    reader.read_exact(&mut first).unwrap();
    let file = OpenOptions::new().write(true).open(medium.part(1)).unwrap();
    file.set_len(10).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("it has 10 bytes"), "{error}");
}
