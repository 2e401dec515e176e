//! Packages without a payload digest, as rpm 4.11 makes them: only the files speak.

use std::io::{Read as _, Write as _};

use super::*;

/// Renames the payload digest tag, which is what a package of rpm 4.11 looks like to readers.
fn without_payload_digest(package: &rpm::Package) -> rpm::Package {
    let mut raw = bytes(package);
    let tag = [5092_u32, 5093, 5097].map(u32::to_be_bytes);
    for at in 0..raw.len() - 4 {
        if tag.iter().any(|t| raw[at..at + 4] == *t) {
            // Far above every known tag.
            raw[at] = 0x7f;
        }
    }
    rpm::Package::parse(&mut raw.as_slice()).unwrap()
}

fn with_everything() -> rpm::Package {
    let config = rpm::BuildConfig::v4()
        .compression(rpm::CompressionType::Gzip)
        .source_date(BUILT);
    let package = rpm::PackageBuilder::new("relay", "5.3.0", "MIT", "x86_64", "A test")
        .using_config(config)
        .release("1")
        .with_file_contents(b"old", rpm::FileOptions::new("/usr/bin/relay"))
        .unwrap()
        .with_file_contents(b"", rpm::FileOptions::new("/etc/relay.empty"))
        .unwrap()
        .with_symlink(rpm::FileOptions::symlink("/usr/bin/r", "/usr/bin/relay"))
        .unwrap()
        .with_dir_entry(rpm::FileOptions::dir("/var/lib/relay"))
        .unwrap()
        .with_ghost(rpm::FileOptions::ghost("/var/log/relay.log"))
        .unwrap()
        .build();
    without_payload_digest(&package.unwrap())
}

/// Signs the package and lets its archive be changed afterwards, as its server can.
fn served(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Result<DownloadedRpm, PackageError> {
    let key = key();
    let mut package = with_everything();
    package.clear_signatures().unwrap();
    package.sign(signer(&key)).unwrap();
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(package.payload.as_slice())
        .read_to_end(&mut archive)
        .unwrap();
    package.payload = gz(&change(archive));
    judged(&bytes(&package), NEVRA, &trusted(&key), &[])
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn find(archive: &[u8], text: &[u8]) -> usize {
    archive.windows(text.len()).position(|w| w == text).unwrap()
}

/// The header before the name of an entry has 110 bytes.
fn start_of(archive: &[u8], name: &[u8]) -> usize {
    find(archive, name) - 110
}

#[track_caller]
fn refused(change: impl FnOnce(Vec<u8>) -> Vec<u8>, word: &str) {
    let error = served(change).unwrap_err();
    assert_eq!(error.exit(), Exit::Verification, "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

#[test]
fn every_kind_of_file_passes_and_zeros_may_fill_the_last_block() {
    let rpm = served(|archive| archive).unwrap();
    assert_eq!(rpm.lint(), [LintFlag::NoPayloadDigest]);
    served(|archive| [archive, vec![0; 300]].concat()).unwrap();
}

#[test]
fn a_bare_trailer_is_refused() {
    refused(
        |archive| archive[start_of(&archive, b"TRAILER!!!")..].to_vec(),
        "is missing",
    );
}

#[test]
fn a_missing_symlink_is_refused() {
    refused(
        |mut archive| {
            // The link's own entry: its name, then its target.
            let from = start_of(&archive, b"./usr/bin/r\0");
            let to = archive[from + 6..].windows(6).position(|w| w == b"070701");
            archive.drain(from..from + 6 + to.unwrap());
            archive
        },
        "is missing",
    );
}

#[test]
fn another_target_of_a_symlink_is_refused() {
    refused(
        |mut archive| {
            let link = find(&archive, b"./usr/bin/r\0");
            let target = link + find(&archive[link..], b"/usr/bin/relay");
            archive[target..target + 14].copy_from_slice(b"/tmp/bin/relay");
            archive
        },
        "another target",
    );
}

#[test]
fn another_type_and_other_permissions_are_refused() {
    // inode, then mode: eight digits each.
    let mode_of = |archive: &[u8], name: &[u8]| start_of(archive, name) + 6 + 8;
    for mode in [0o120_644_u32, 0o100_755 | 0o4000, 0o020_644] {
        refused(
            |mut archive| {
                let at = mode_of(&archive, b"./usr/bin/relay\0");
                archive[at..at + 8].copy_from_slice(format!("{mode:08x}").as_bytes());
                archive
            },
            "another type",
        );
    }
}

#[test]
fn another_content_an_unknown_file_and_a_second_entry_are_refused() {
    refused(
        |mut archive| {
            let at = find(&archive, b"old");
            archive[at..at + 3].copy_from_slice(b"bad");
            archive
        },
        "/usr/bin/relay",
    );
    refused(
        |mut archive| {
            let at = find(&archive, b"./etc/relay.empty");
            archive[at + 2] = b'E';
            archive
        },
        "not in the header",
    );
    refused(
        |archive| {
            let trailer = start_of(&archive, b"TRAILER!!!");
            [&archive[..trailer], &archive].concat()
        },
        "there twice",
    );
}

#[test]
fn data_after_the_trailer_are_refused() {
    for rest in [&b"x"[..], &[0; 512], b"\0\0x"] {
        refused(|archive| [&archive[..], rest].concat(), "after its end");
    }
    let key = key();
    let mut package = with_everything();
    package.clear_signatures().unwrap();
    package.sign(signer(&key)).unwrap();
    let good = bytes(&package);
    for rest in [&b"x"[..], &gz(b"more")] {
        let longer = [&good[..], rest].concat();
        let error = judged(&longer, NEVRA, &trusted(&key), &[]).unwrap_err();
        assert!(matches!(error, PackageError::Payload(_)), "{error}");
    }
}

/// `newc` by hand: name, inode, links, body.
fn archive_of(entries: &[(&str, u32, u32, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, inode, links, body) in entries {
        let fields = [
            *inode,
            0o100_644,
            0,
            0,
            *links,
            0,
            u32::try_from(body.len()).unwrap(),
        ];
        archive.extend(b"070701");
        for field in fields {
            archive.extend(format!("{field:08x}").bytes());
        }
        let rest = [0, 0, 0, 0, u32::try_from(name.len()).unwrap() + 1, 0];
        for field in rest {
            archive.extend(format!("{field:08x}").bytes());
        }
        archive.extend(name.bytes());
        archive.resize((archive.len() + 1).next_multiple_of(4), 0);
        archive.extend(*body);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

#[test]
fn hard_links_have_their_content_once() {
    let key = key();
    let mut package = rpm::PackageBuilder::new("relay", "5.3.0", "MIT", "x86_64", "A test")
        .using_config(rpm::BuildConfig::v4().source_date(BUILT))
        .release("1")
        .with_file_contents(b"same", rpm::FileOptions::new("/usr/bin/a"))
        .unwrap()
        .with_file_contents(b"same", rpm::FileOptions::new("/usr/bin/b"))
        .unwrap()
        .build()
        .unwrap();
    package = without_payload_digest(&package);
    package.clear_signatures().unwrap();
    package.sign(signer(&key)).unwrap();
    let mut judge = |a: (u32, &[u8]), b: (u32, &[u8])| {
        package.payload = gz(&archive_of(&[
            ("./usr/bin/a", a.0, 2, a.1),
            ("./usr/bin/b", b.0, 2, b.1),
            ("TRAILER!!!", 0, 1, b""),
        ]));
        judged(&bytes(&package), NEVRA, &trusted(&key), &[])
    };
    judge((1, b""), (1, b"same")).unwrap();
    assert!(judge((1, b""), (2, b"same")).is_err());
    assert!(judge((1, b""), (1, b"")).is_err());
    assert!(judge((1, b"same"), (1, b"sane")).is_err());
}
