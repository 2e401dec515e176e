//! The package list, packed or not.
#![no_main]

use std::collections::BTreeSet;
use std::io::BufReader;

use builder::repo::{RepoPackage, open_list, read_list};
use fuzz::quoted;
use libfuzzer_sys::fuzz_target;
use manifests::closure::Capabilities;
use url::Url;

/// The unpacked size that a signed `repomd.xml` would state.
const OPEN_BYTES: u64 = 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let base: Url = "https://repository.invalid/el/8/".parse().unwrap();
    let open = || open_list(bytes, Some(OPEN_BYTES)).ok();
    let Some(list) = open() else { return };
    let whole = read_list(list, &base, None);
    // The result does not depend on the pieces in which the bytes arrive.
    let by_sevens = open()
        .map(|list| BufReader::with_capacity(7, list))
        .unwrap();
    let by_sevens = read_list(by_sevens, &base, None);
    assert_eq!(by_sevens.as_ref().ok(), whole.as_ref().ok());
    let Ok(whole) = whole else { return };
    for (package, _) in &whole {
        assert!(package.url.as_str().starts_with(base.as_str()));
        assert_eq!(package.nevra.to_string().parse(), Ok(package.nevra.clone()));
    }
    let packages = || whole.iter().map(|(package, _)| package);
    let names: BTreeSet<String> = packages().map(|p| p.nevra.name().to_owned()).collect();
    let chosen = read_list(open().unwrap(), &base, Some(&names)).unwrap();
    assert!(chosen.iter().map(|(package, _)| package).eq(packages()));
    let written: String = whole
        .iter()
        .map(|(p, c)| written(p, &c.files, &base))
        .collect();
    let again = read_list(written.as_bytes(), &base, None).unwrap();
    // What it replaces is not written.
    let plain = |package: &RepoPackage| {
        let mut package = package.clone();
        package.obsoletes.clear();
        package
    };
    let again_plain = again.iter().map(|(package, _)| plain(package));
    assert!(again_plain.eq(packages().map(plain)));
    let files = |list: &Listed| {
        list.iter()
            .flat_map(|(_, c)| c.files.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(files(&again), files(&whole));
});

type Listed = Vec<(RepoPackage, Capabilities)>;

/// Writes what was read as plainly as possible.
fn written(package: &RepoPackage, files: &[String], base: &Url) -> String {
    let nevra = &package.nevra;
    let evr = nevra.evr();
    let checksum = package.checksum.to_string();
    let (kind, hex) = checksum.split_once(':').unwrap();
    let file = |path: &String| format!("<file>{}</file>", quoted(path));
    let files: String = files.iter().map(file).collect();
    format!(
        "<package><name>{}</name><arch>{}</arch><version epoch=\"{}\" ver=\"{}\" rel=\"{}\"/>\
         <checksum type=\"{kind}\">{hex}</checksum><size package=\"{}\"/>\
         <location href=\"{}\"/><format>{files}</format></package>",
        quoted(nevra.name()),
        nevra.arch(),
        evr.epoch(),
        quoted(evr.version()),
        quoted(evr.release()),
        package.size,
        quoted(&package.url.as_str()[base.as_str().len()..]),
    )
}
