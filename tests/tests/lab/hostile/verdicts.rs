//! The verdict of both programs on every hostile bundle, and on real bundles with a changed byte or
//! without their end: the regression test of the reader that they share.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use installer::bundle::{BundleError, OpenBundle, UntrustedBundle};
use lab::forge::{TestKey, compress};
use lab::hostile::{Aim, Workshop, catalogue};
use manifests::format::{BLOCK_BYTES, header_for, padding, read_header};
use manifests::trust::TrustRoot;

use super::say;

/// Hashing gigabytes of zeros once, in the shipped installer, is enough.
const ZEROS: &str = "last-byte-of-2-to-the-";
/// Only an installer can be too old for this bundle.
const FOR_INSTALLERS: &str = "installer-of-the-future";
/// The seed of the key that signs what the fuzz targets read.
const FUZZ_SEED: u8 = 7;
/// One of so many bytes of a real archive is changed; every byte would take minutes.
const STRIDE: usize = 7;

fn root(key: &TestKey) -> TrustRoot {
    TrustRoot::parse(&key.root_document().unwrap()).unwrap()
}

/// Reads a bundle as the installer does, from its first byte to its last.
fn install(bytes: &[u8], roots: &[TrustRoot]) -> Result<(), BundleError> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut memory = File::from(rustix::fs::memfd_create("bundle", flags).unwrap());
    memory.write_all(bytes).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    let archive = UntrustedBundle::open(&path)?;
    OpenBundle::verify(archive, roots)?.verify_payload()?;
    Ok(())
}

/// The name of the error and its text, without what differs from one machine to the next.
fn verdict<T, E: Error + 'static>(result: Result<T, E>) -> (String, String) {
    let Err(error) = result else {
        return ("accepted".to_owned(), String::new());
    };
    let debug = format!("{error:?}");
    let inner = debug
        .trim_start_matches("Refused(")
        .trim_start_matches("Bundle(");
    let end = inner.find(|c: char| !c.is_alphanumeric());
    let class = inner[..end.unwrap_or(inner.len())].to_owned();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    (class, redacted(&text))
}

fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let is = |fits: fn(&u8) -> bool| word.as_bytes().iter().all(fits);
        match word.len() {
            16.. if is(u8::is_ascii_hexdigit) => out.push_str("<hex>"),
            3.. if is(u8::is_ascii_digit) => out.push_str("<n>"),
            _ => out.push_str(&word),
        }
        word.clear();
        out.push(c);
    }
    out.trim_end().chars().take(200).collect()
}

fn both(bytes: &[u8], roots: &[TrustRoot]) -> [(String, String); 2] {
    [
        verdict(install(bytes, roots)),
        verdict(builder::archive::verify(bytes, roots)),
    ]
}

/// Counts the verdicts on many similar files.
fn counted(files: impl Iterator<Item = Vec<u8>>, roots: &[TrustRoot]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let [installer, builder] = both(&file, roots).map(|(class, _)| class);
        *counts
            .entry(format!("{installer} / {builder}"))
            .or_default() += 1;
    }
    let lines = counts
        .iter()
        .map(|(both, count)| format!("  {both}: {count}\n"));
    lines.collect()
}

fn golden(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/hostile/golden");
    std::fs::read(dir.join(name)).unwrap()
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let entries = std::fs::read_dir(dir.join(target)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (
                format!("{target}/{name}"),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// Puts a signature over the first entry of an archive behind it, as the fuzz target does.
fn signed(tar: &[u8], key: &TestKey) -> Vec<u8> {
    let claim = read_header(tar.first_chunk().unwrap()).unwrap();
    let size = usize::try_from(claim.size).unwrap();
    let manifest = &tar[BLOCK_BYTES..BLOCK_BYTES + size];
    let end = BLOCK_BYTES + size + padding(claim.size);
    let (path, signature) = key.signature_entry(manifest);
    let length = signature.len() as u64;
    let header = header_for(&path.parse().unwrap(), length, claim.mtime).unwrap();
    let zeros = vec![0; padding(length)];
    [&tar[..end], &header, &signature, &zeros, &tar[end..]].concat()
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bad = bytes.to_vec();
    bad[at] ^= 1 << (at % 8);
    bad
}

/// It was made with the builder as it was in November 2026, and its key thrown away.
#[test]
fn a_bundle_of_an_earlier_builder_is_read() {
    let roots = [TrustRoot::parse(&golden("root.json")).unwrap()];
    let bundle = golden("bundle-1");
    install(&bundle, &roots).unwrap();
    builder::archive::verify(&bundle[..], &roots).unwrap();
    builder::archive::check(&bundle[..]).unwrap();
}

#[test]
fn both_programs_give_the_recorded_verdict_on_every_hostile_bundle() {
    let shop = Workshop::prepare().unwrap();
    let documents = shop.roots().unwrap();
    let roots = documents
        .iter()
        .map(|document| TrustRoot::parse(document).unwrap());
    let roots: Vec<TrustRoot> = roots.collect();
    let (mut table, mut refused) = (String::new(), 0);
    let mut add = |name: &str, bytes: &[u8], is_good: bool| {
        let [installer, builder] = both(bytes, &roots);
        assert_eq!(installer.0 == "accepted", is_good, "{name}");
        assert_eq!(
            builder.0 == "accepted",
            is_good || name == FOR_INSTALLERS,
            "{name}"
        );
        refused += usize::from(!is_good);
        let _ = writeln!(
            table,
            "{name}\n  install  {}: {}\n  bundle   {}: {}",
            installer.0, installer.1, builder.0, builder.1
        );
    };
    add("good", &shop.good().unwrap(), true);
    for attack in catalogue() {
        if attack.aim != Aim::Root && !attack.name.starts_with(ZEROS) {
            let bytes = attack.make(&shop).unwrap();
            add(attack.name, &bytes, attack.aim == Aim::Host);
        }
    }
    say(&format!(
        "hostile bundles: {refused} refused by both programs' reader"
    ));
    insta::assert_snapshot!("hostile", table);
}

#[test]
fn both_programs_give_the_recorded_verdict_on_real_bundles_and_on_damaged_ones() {
    let key = TestKey::from_seed(FUZZ_SEED).unwrap();
    let roots = [root(&key)];
    let mut table = String::new();
    let mut files = corpus("bundle_file");
    // Only tests ever wrote such a frame.
    files.push(("without-checksum".to_owned(), golden("without-checksum")));
    for (name, file) in files {
        let [installer, builder] =
            both(&file, &roots).map(|(class, text)| format!("{class}: {text}"));
        let _ = writeln!(
            table,
            "{name}\n  install  {installer}\n  bundle   {builder}"
        );
        let flips = (0..file.len()).map(|at| flipped(&file, at));
        let _ = write!(
            table,
            "{name}, each byte flipped\n{}",
            counted(flips, &roots)
        );
        let cuts = (0..file.len())
            .step_by(STRIDE)
            .map(|at| file[..at].to_vec());
        let _ = write!(table, "{name}, cut off\n{}", counted(cuts, &roots));
    }
    for (name, tar) in corpus("bundle_tar") {
        let tar = signed(&tar, &key);
        let packed = compress(&tar).unwrap();
        let [installer, builder] =
            both(&packed, &roots).map(|(class, text)| format!("{class}: {text}"));
        let _ = writeln!(
            table,
            "{name}\n  install  {installer}\n  bundle   {builder}"
        );
        let flips = (0..tar.len()).step_by(STRIDE);
        let flips = flips.map(|at| compress(&flipped(&tar, at)).unwrap());
        let _ = write!(
            table,
            "{name}, bytes flipped and packed again\n{}",
            counted(flips, &roots)
        );
    }
    insta::assert_snapshot!("damaged", table);
}
