//! Split bundles: built, verified where they lie, joined, split anew, repaired.

#![expect(
    clippy::disallowed_methods,
    reason = "a test damages and moves parts as a bad medium does"
)]

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::program::{Run, User, text};
use crate::vendor::{Vendor, names};

const LIST: &str = "bundle.tar.zst.parts.json";

/// A split bundle in `out/`, and the same bundle whole in `whole/`.
struct Split {
    _vendor: Vendor,
    user: User,
}

fn part(number: u32) -> String {
    format!("bundle.tar.zst.part{number:03}")
}

impl Split {
    fn new() -> Self {
        let (vendor, user) = (Vendor::new(), User::new());
        let request = ["--version", "5.3", "--distro", "el8", "--split", "1K"];
        user.build(&vendor, &request).assert_ok();
        std::fs::create_dir(user.path("whole")).unwrap();
        let (lock, whole) = (
            user.path("out/bundle.lock.json"),
            user.path("whole/bundle.tar.zst"),
        );
        user.run(&["build", "--locked", text(&lock), "-o", text(&whole)])
            .assert_ok();
        let split = Self {
            _vendor: vendor,
            user,
        };
        assert!(split.count() >= 5, "{:?}", names(&split.user.path("out")));
        split
    }

    fn count(&self) -> usize {
        let is_part = |name: &String| name.contains(".part0");
        names(&self.user.path("out"))
            .iter()
            .filter(|name| is_part(name))
            .count()
    }

    fn out(&self, name: &str) -> PathBuf {
        self.user.path("out").join(name)
    }

    fn verify(&self, more: &[&str]) -> Run {
        let list = self.out(LIST);
        self.user
            .run(&[&["verify", text(&list)][..], more].concat())
    }

    fn flip(&self, number: u32) {
        let path = self.out(&part(number));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn whole(&self) -> PathBuf {
        self.user.path("whole/bundle.tar.zst")
    }
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).unwrap() == std::fs::read(other).unwrap()
}

#[test]
fn a_split_build_verifies_where_it_lies_and_joins_to_the_whole_one() {
    let split = Split::new();
    let before = names(&split.user.path("out"));
    assert!(!before.contains(&"bundle.tar.zst".to_owned()), "{before:?}");
    assert!(
        split
            .verify(&[])
            .assert_ok()
            .assert_as_before()
            .stdout
            .contains("every one of them good")
    );
    assert_eq!(
        names(&split.user.path("out")),
        before,
        "verifying writes nothing"
    );
    let joined = split.user.path("joined.tar.zst");
    let list = split.out(LIST);
    let join = || split.user.run(&["join", text(&list), "-o", text(&joined)]);
    join().assert_ok().assert_as_before();
    assert!(same(&joined, &split.whole()));
    join().assert_refused(2, &["there already"]);
    let sizes = (1..=split.count()).map(|n| {
        let name = part(u32::try_from(n).unwrap());
        std::fs::metadata(split.out(&name)).unwrap().len()
    });
    let sizes: Vec<u64> = sizes.collect();
    let (short, equal) = sizes.split_last().unwrap();
    assert!(
        equal.iter().all(|size| *size == 1024) && *short <= 1024,
        "{sizes:?}"
    );
    let to = split.user.path("docs");
    split
        .user
        .run(&["extract", text(&list), "--to", text(&to), "docs"])
        .assert_ok();
    let shown = split.user.run(&["inspect", text(&list)]);
    assert!(
        shown
            .assert_ok()
            .assert_as_before()
            .stdout
            .contains("relay-5.3.10-1"),
        "{}",
        shown.stdout
    );
    let first = split.out(&part(1));
    let run = split.user.run(&["verify", text(&first)]);
    run.assert_refused(2, &["parts.json"]);
}

#[test]
fn one_pass_names_every_bad_part_with_both_digests() {
    let split = Split::new();
    split.flip(2);
    std::fs::remove_file(split.out(&part(3))).unwrap();
    let short = std::fs::read(split.out(&part(4))).unwrap();
    std::fs::write(split.out(&part(4)), &short[1..]).unwrap();
    let run = split.verify(&[]);
    run.assert_refused(
        3,
        &[
            "part002: its SHA-256 is",
            "part003: it is missing",
            "part004: it has 1023",
        ],
    );
    assert!(!run.stderr.contains("part001"), "{}", run.stderr);
}

#[test]
fn swapped_repeated_linked_and_piped_parts_are_refused_by_name() {
    let split = Split::new();
    let (one, two, aside) = (split.out(&part(1)), split.out(&part(2)), split.out("aside"));
    let reset = || {
        let list = split.out(LIST);
        let whole = split.whole();
        split
            .user
            .run(&["repair", text(&list), "--from", text(&whole)])
            .assert_ok();
        split.verify(&[]).assert_ok();
    };
    std::fs::rename(&one, &aside).unwrap();
    std::fs::rename(&two, &one).unwrap();
    std::fs::rename(&aside, &two).unwrap();
    split
        .verify(&[])
        .assert_refused(3, &["part001: its SHA-256", "part002: its SHA-256"]);
    reset();
    std::fs::copy(&one, &two).unwrap();
    split
        .verify(&[])
        .assert_refused(3, &["part002: its SHA-256"]);
    reset();
    std::fs::rename(&two, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &two).unwrap();
    split
        .verify(&[])
        .assert_refused(3, &["part002: it is not a regular file"]);
    std::fs::remove_file(&two).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &two, kind, mode, 0).unwrap();
    split
        .verify(&[])
        .assert_refused(3, &["part002: it is not a regular file"]);
    std::fs::remove_file(&two).unwrap();
    std::fs::create_dir(&two).unwrap();
    split
        .verify(&[])
        .assert_refused(3, &["part002: it is not a regular file"]);
}

#[test]
fn parts_are_read_from_several_discs() {
    let split = Split::new();
    let discs = [split.user.path("disc2"), split.user.path("disc3")];
    for (disc, number) in discs.iter().zip([2, 3]) {
        std::fs::create_dir(disc).unwrap();
        std::fs::rename(split.out(&part(number)), disc.join(part(number))).unwrap();
    }
    split
        .verify(&[])
        .assert_refused(3, &["part002: it is missing", "part003: it is missing"]);
    let dirs = [
        "--parts-dir",
        text(&discs[0]),
        "--parts-dir",
        text(&discs[1]),
    ];
    split.verify(&dirs).assert_ok();
}

#[test]
fn a_repair_writes_exactly_what_is_bad() {
    let split = Split::new();
    let good = split.user.path("copy");
    std::fs::create_dir(&good).unwrap();
    for name in names(&split.user.path("out")) {
        std::fs::copy(split.out(&name), good.join(&name)).unwrap();
    }
    let inode = |number| std::fs::metadata(split.out(&part(number))).unwrap().ino();
    let before: Vec<u64> = [1, 3, 5].into_iter().map(inode).collect();
    split.flip(2);
    std::fs::remove_file(split.out(&part(4))).unwrap();
    let repair = |from: &Path| {
        let list = split.out(LIST);
        split
            .user
            .run(&["repair", text(&list), "--from", text(from)])
    };
    let mut bytes = std::fs::read(split.whole()).unwrap();
    bytes[1024 + 7] ^= 1;
    let bad = split.user.path("bad.tar.zst");
    std::fs::write(&bad, bytes).unwrap();
    repair(&bad).assert_refused(3, &["part 2"]);
    assert!(!split.out(&part(4)).exists(), "all or nothing");
    let run = repair(&good.join(LIST));
    let said = &run.assert_ok().stdout;
    assert!(
        said.contains("part002") && said.contains("part004"),
        "{said}"
    );
    assert!(!said.contains("part001"), "{said}");
    split.verify(&[]).assert_ok();
    assert_eq!(
        before,
        [1, 3, 5].into_iter().map(inode).collect::<Vec<u64>>()
    );
    assert!(
        repair(&split.whole())
            .assert_ok()
            .stdout
            .contains("nothing was written")
    );
}

#[test]
fn parts_are_split_anew_and_nothing_stale_stays() {
    let split = Split::new();
    let list = split.out(LIST);
    let resplit = |size: &str| split.user.run(&["split", text(&list), "--size", size]);
    let parts = split.count();
    resplit("3K").assert_ok();
    assert!(split.count() < parts);
    split.verify(&[]).assert_ok();
    let joined = split.user.path("joined.tar.zst");
    split
        .user
        .run(&["join", text(&list), "-o", text(&joined)])
        .assert_ok();
    assert!(same(&joined, &split.whole()));
    let elsewhere = split.user.path("other.tar.zst");
    let whole = split.whole();
    let args = [
        "split",
        text(&whole),
        "--size",
        "1M",
        "-o",
        text(&elsewhere),
    ];
    split.user.run(&args).assert_ok();
    assert!(same(&split.user.path("other.tar.zst.part001"), &whole));
    assert!(whole.exists());
    // A whole bundle of the name takes the place of the parts, and the other way round.
    let (lock, out) = (split.out("bundle.lock.json"), split.out("bundle.tar.zst"));
    let build = ["build", "--locked", text(&lock), "-o", text(&out)];
    split.user.run(&build).assert_ok();
    assert!(out.exists() && split.count() == 0 && !list.exists());
    split
        .user
        .run(&[&build[..], &["--split", "2K"]].concat())
        .assert_ok();
    assert!(!out.exists() && list.exists());
    split.verify(&[]).assert_ok();
}

#[test]
fn a_list_without_a_trusted_signature_is_refused_before_it_is_read() {
    let split = Split::new();
    let list = split.out(LIST);
    let good = std::fs::read(&list).unwrap();
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&list, bad).unwrap();
        split
            .verify(&[])
            .assert_refused(3, &["changed after signing"]);
    }
    std::fs::write(&list, &good).unwrap();
    let stranger = User::new();
    stranger.run(&["key", "create"]).assert_ok();
    let run = stranger.run(&["verify", text(&list)]);
    run.assert_refused(3, &["none of which is trusted"]);
    let signature = names(&split.user.path("out"));
    let signature = signature.iter().find(|name| name.contains(".sig")).unwrap();
    std::fs::remove_file(split.out(signature)).unwrap();
    split
        .verify(&[])
        .assert_refused(3, &["no signature", ".sig"]);
}

#[test]
fn sizes_and_names_that_make_no_parts_are_refused_before_anything_is_fetched() {
    let (vendor, user) = (Vendor::new(), User::new());
    let request = ["--version", "5.3", "--distro", "el8", "--split"];
    for size in ["0", "1023", "4.7XB", "-1"] {
        let run = user.build(&vendor, &[&request[..], &[size]].concat());
        assert_eq!(run.code, Some(2), "{size}: {}", run.stderr);
    }
    let odd = user.path("out/a b.tar.zst");
    let product = vendor.product();
    let args = [
        "build",
        "--product",
        text(&product),
        "-o",
        text(&odd),
        "--without-installer",
    ];
    let run = user.run(&[&args[..], &["x86_64"], &request[..], &["1K"]].concat());
    run.assert_refused(2, &["cannot be the name of a split bundle"]);
    user.assert_nothing_written();
}
