//! Files out of real RPMs, by the host's own `rpm2cpio`.

use std::collections::BTreeSet;
use std::io::{Read as _, Seek as _};

use installer::host::payload::{PayloadError, extract, read_files};
use lab::vendor::Fixtures;
use manifests::digest::Sha256;
use rpm::CompressionType;

use crate::config::scratch::{Flag, Scratch, package};

const CONF: &str = "/etc/cells/main.conf";
const LARGE: &str = "/opt/cells/program";

fn wanted(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

#[test]
fn every_compression_that_this_rpm_knows_is_read() {
    let scratch = Scratch::new();
    let large: Vec<u8> = (0..3_000_000_u32)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    for compression in [
        CompressionType::None,
        CompressionType::Gzip,
        CompressionType::Xz,
        CompressionType::Zstd,
    ] {
        let files = [
            (CONF, Flag::Config, b"one\ntwo\n".as_slice()),
            (LARGE, Flag::Plain, &large),
            ("/opt/cells/empty", Flag::Plain, b""),
        ];
        let set = scratch.store(&package("1.0", compression, &files));
        let paths = wanted(&[CONF, LARGE, "/opt/cells/empty", "/opt/cells/absent"]);
        let found = read_files(&set.rpms()[0], &paths, 1_000_000).unwrap();
        assert_eq!(found.contents[CONF], b"one\ntwo\n", "{compression:?}");
        assert_eq!(found.contents["/opt/cells/empty"], b"");
        assert_eq!(found.contents.len(), 2);
        assert_eq!(found.too_large, wanted(&[LARGE]));
        let mut file = tempfile::tempfile().unwrap();
        extract(&set.rpms()[0], LARGE, &file).unwrap();
        file.rewind().unwrap();
        let mut copy = Vec::new();
        file.read_to_end(&mut copy).unwrap();
        assert!(copy == large, "{compression:?}");
        let error = extract(&set.rpms()[0], "/opt/cells/absent", &file).unwrap_err();
        assert!(matches!(error, PayloadError::Missing { .. }), "{error}");
    }
}

#[test]
fn the_vendors_own_packages_are_read() {
    let scratch = Scratch::new();
    let fixtures = Fixtures::prepare().unwrap();
    let path = fixtures
        .rpm("tyk-gateway", "5.2.5", "el8", "x86_64")
        .unwrap();
    let set = scratch.store(&std::fs::read(path).unwrap());
    let (conf, program) = ("/opt/tyk-gateway/tyk.conf", "/opt/tyk-gateway/tyk");
    let found = read_files(&set.rpms()[0], &wanted(&[conf]), 1 << 20).unwrap();
    let headers = installer::host::Host::rpm_headers(
        &installer::host::linux::LinuxHost::new(&scratch.layout),
        &set,
    );
    let headers = headers.unwrap();
    let digest = |path: &str| {
        let file = headers[0].files.iter().find(|file| file.path == path);
        file.unwrap().digest.clone()
    };
    assert_eq!(Sha256::of(&found.contents[conf]).to_string(), digest(conf));
    let mut file = tempfile::tempfile().unwrap();
    extract(&set.rpms()[0], program, &file).unwrap();
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(Sha256::of(&bytes).to_string(), digest(program));
}

#[test]
fn a_file_that_is_not_an_rpm_or_is_cut_off_is_an_error() {
    let scratch = Scratch::new();
    let files = [(CONF, Flag::Config, b"one\n".as_slice())];
    let whole = package("1.0", CompressionType::Gzip, &files);
    for bytes in [b"no rpm at all".as_slice(), &whole[..whole.len() - 20]] {
        let set = scratch.store(bytes);
        assert!(read_files(&set.rpms()[0], &wanted(&[CONF]), 1 << 20).is_err());
    }
}
