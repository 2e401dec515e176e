//! The commands of docs/verify-by-hand.md, run as written.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::forge;
use manifests::digest::Sha256;
use manifests::format::{BLOCK_BYTES, padding, read_header};
use tempfile::TempDir;

use crate::evidence::bundle::unpacked;

const DOCUMENT: &str = include_str!("../../../../docs/verify-by-hand.md");

/// Returns the document's blocks that are to be run, in order.
fn commands() -> String {
    let mut blocks = DOCUMENT.split("\n```sh\n").skip(1);
    let mut all = String::new();
    blocks.clone().for_each(|block| {
        all += block.split_once("\n```\n").unwrap().0;
        all.push('\n');
    });
    assert!(blocks.nth(5).is_some(), "blocks are missing: {all}");
    all
}

/// A directory with a bundle that differs from the built one.
struct Case {
    dir: TempDir,
    /// The root document whose fingerprint the reader received by another channel.
    root: Vec<u8>,
}

impl Case {
    fn new(entries: &[(String, Vec<u8>)]) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let stick = dir.path().join("stick");
        std::fs::create_dir(&stick).unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        for name in ["root.json", "install-x86_64"] {
            std::fs::copy(unpacked().join(name), stick.join(name)).unwrap();
        }
        let mut tar = Vec::new();
        for (path, bytes) in entries {
            forge::append(&mut tar, path, bytes).unwrap();
        }
        tar.extend([0; 2 * BLOCK_BYTES]);
        let bundle = forge::compress(&tar).unwrap();
        std::fs::write(stick.join("bundle.tar.zst"), bundle).unwrap();
        let root = std::fs::read(unpacked().join("root.json")).unwrap();
        Self { dir, root }
    }

    fn stick(&self, name: &str) -> PathBuf {
        self.dir.path().join("stick").join(name)
    }

    fn run(&self) -> Output {
        Command::new("sh")
            .args(["-c", &commands()])
            .current_dir(self.dir.path().join("work"))
            .env("BUNDLE", self.stick("bundle.tar.zst"))
            .env("ROOT", self.stick("root.json"))
            .env("FINGERPRINT", Sha256::of(&self.root).to_string())
            .output()
            .unwrap()
    }

    /// Runs the commands and returns all their output; they must fail.
    fn refused(&self) -> String {
        let output = self.run();
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    }
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

/// Reads the entries of the built bundle.
fn entries() -> Vec<(String, Vec<u8>)> {
    let file = std::fs::read(unpacked().join("bundle.tar.zst")).unwrap();
    let tar = zstd::decode_all(&*file).unwrap();
    let (mut rest, mut entries) = (&tar[..], Vec::new());
    while rest[0] != 0 {
        let (block, after) = rest.split_first_chunk().unwrap();
        let claim = read_header(block).unwrap();
        let (body, after) = after.split_at(usize::try_from(claim.size).unwrap());
        entries.push((claim.path.to_string(), body.to_vec()));
        rest = &after[padding(claim.size)..];
    }
    entries
}

fn position(entries: &[(String, Vec<u8>)], start: &str) -> usize {
    entries
        .iter()
        .position(|(path, _)| path.starts_with(start))
        .unwrap()
}

#[test]
fn the_built_bundle_passes_as_it_lies_and_written_by_another_hand() {
    let entries = entries();
    let case = Case::new(&entries);
    let packages = entries
        .iter()
        .filter(|(path, _)| path.starts_with("packages/"))
        .count();
    for built in [false, true] {
        if built {
            let bundle = unpacked().join("bundle.tar.zst");
            std::fs::copy(bundle, case.stick("bundle.tar.zst")).unwrap();
            clear(&case.dir.path().join("work"));
        }
        let output = case.run();
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        for words in [
            "root.json: OK".to_owned(),
            "good signatures: 1, needed: 1".to_owned(),
            "product: tyk".to_owned(),
            format!("packages: {packages}"),
        ] {
            assert!(said.contains(&words), "{words}: {said}");
        }
    }
}

fn clear(dir: &Path) {
    std::fs::remove_dir_all(dir).unwrap();
    std::fs::create_dir(dir).unwrap();
}

#[test]
fn one_flipped_byte_of_any_kind_of_file_is_found() {
    for start in [
        "product.json",
        "files/",
        "docs/sbom",
        "installer/",
        "packages/",
    ] {
        let mut entries = entries();
        let at = position(&entries, start);
        let middle = entries[at].1.len() / 2;
        entries[at].1[middle] ^= 1;
        let said = Case::new(&entries).refused();
        assert!(
            said.contains(&format!("{}: FAILED", entries[at].0)),
            "{said}"
        );
    }
    let mut entries = entries();
    entries[0].1[100] ^= 1;
    assert!(Case::new(&entries).refused().contains("good signatures: 0"));
}

#[test]
fn a_package_that_the_vendor_did_not_sign_is_found_although_the_manifest_lists_it() {
    let spoils: [fn(&Path); 2] = [flip_near_the_end, remove_the_signature];
    for (spoil, said) in spoils.into_iter().zip(["NOT OK", ": digests OK"]) {
        let (key, mut entries) = (forge::TestKey::from_seed(9).unwrap(), entries());
        let at = position(&entries, "packages/");
        entries[at].1 = spoilt(&entries[at].1, spoil);
        let mut manifest: serde_json::Value = serde_json::from_slice(&entries[0].1).unwrap();
        for entry in manifest["entries"].as_array_mut().unwrap() {
            if entry["path"] == entries[at].0 {
                entry["sha256"] = Sha256::of(&entries[at].1).to_string().into();
            }
        }
        entries[0].1 = manifests::json::canonical(&manifest).unwrap();
        entries[1] = key.signature_entry(&entries[0].1);
        // The root document is a new one that fits: only the package is wrong.
        let mut case = Case::new(&entries);
        case.root = key.root_document().unwrap();
        std::fs::write(case.stick("root.json"), &case.root).unwrap();
        let refused = case.refused();
        assert!(refused.contains("good signatures: 1"), "{refused}");
        assert!(refused.contains(said), "{refused}");
    }
}

/// Returns a package with something done to it.
fn spoilt(package: &[u8], spoil: fn(&Path)) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(file.path(), package).unwrap();
    spoil(file.path());
    std::fs::read(file.path()).unwrap()
}

fn flip_near_the_end(package: &Path) {
    let mut bytes = std::fs::read(package).unwrap();
    let at = bytes.len() - 20;
    bytes[at] ^= 1;
    std::fs::write(package, bytes).unwrap();
}

fn remove_the_signature(package: &Path) {
    let mut removing = Command::new("rpmsign");
    let output = removing.arg("--delsign").arg(package).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn another_keys_signature_and_another_root_are_refused() {
    let (key, good) = (forge::TestKey::from_seed(9).unwrap(), entries());
    let (name, foreign) = key.signature_entry(&good[0].1);
    // Under its own name, and under the name of the key that is trusted.
    for name in [name, good[1].0.clone()] {
        let mut entries = good.clone();
        entries[1] = (name, foreign.clone());
        let said = Case::new(&entries).refused();
        assert!(said.contains("good signatures: 0, needed: 1"), "{said}");
    }
    let mut entries = good.clone();
    entries.remove(1);
    assert!(Case::new(&entries).refused().contains("good signatures: 0"));
    let case = Case::new(&good);
    std::fs::write(case.stick("root.json"), key.root_document().unwrap()).unwrap();
    assert!(case.refused().contains("FAILED"));
}

#[test]
fn added_removed_and_repeated_files_are_found() {
    let good = entries();
    for path in [
        "extras/more",
        "packages/more.rpm",
        "docs/more",
        "trust/more",
    ] {
        let mut entries = good.clone();
        entries.push((path.to_owned(), b"more".to_vec()));
        let output = Case::new(&entries).run();
        // Files in `trust/` have no part in the verdict, and are used nowhere.
        assert_eq!(output.status.success(), path.starts_with("trust/"));
        assert!(output.status.success() || said(&output).contains(&format!("> {path}")));
    }
    for start in [
        "product",
        "keys/",
        "files/",
        "docs/",
        "SHA256SUMS",
        "packages/",
    ] {
        let mut entries = good.clone();
        let (path, _) = entries.remove(position(&entries, start));
        let said = Case::new(&entries).refused();
        assert!(said.contains(&path), "{path}: {said}");
    }
    let mut entries = good.clone();
    let twice = entries[position(&good, "packages/")].clone();
    entries.push(twice.clone());
    assert!(
        Case::new(&entries)
            .refused()
            .contains(&format!("> {}", twice.0))
    );
}

#[test]
fn the_installer_beside_the_bundle_must_be_the_one_in_it() {
    let case = Case::new(&entries());
    std::fs::write(case.stick("install-x86_64"), b"another program").unwrap();
    assert!(case.refused().contains("differ"));
}
