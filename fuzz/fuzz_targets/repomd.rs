//! `repomd.xml`.
#![no_main]

use builder::repo::{Repomd, read_repomd};
use fuzz::quoted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(repomd) = read_repomd(bytes) {
        assert_eq!(read_repomd(written(&repomd).as_bytes()).unwrap(), repomd);
    }
});

/// Writes what was read as plainly as possible.
fn written(repomd: &Repomd) -> String {
    let primary = &repomd.primary;
    let checksum = primary.checksum.to_string();
    let (kind, hex) = checksum.split_once(':').unwrap();
    let number = |name: &str, value: Option<u64>| {
        value.map_or(String::new(), |value| format!("<{name}>{value}</{name}>"))
    };
    format!(
        "<repomd>{}<data type=\"primary\"><checksum type=\"{kind}\">{hex}</checksum>\
         <location href=\"{}\"/>{}{}</data></repomd>",
        number("revision", repomd.revision),
        quoted(&primary.href),
        number("size", primary.size),
        number("open-size", primary.open_size),
    )
}
