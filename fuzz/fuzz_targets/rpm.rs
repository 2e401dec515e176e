//! An RPM: header, digests, payload against header, and what a host may not accept.
#![no_main]

use builder::package::describe;
use fuzz::MemoryFile;
use libfuzzer_sys::fuzz_target;
use manifests::digest::Sha256;

fuzz_target!(|bytes: &[u8]| {
    let (file, sha256) = (MemoryFile::new(bytes), Sha256::of(bytes));
    let Ok(found) = describe(&file.path(), sha256) else {
        return;
    };
    fuzz::assert_round_trip(&found.files);
    assert_eq!(found.files.rpm, sha256);
    assert_eq!(
        found.files.nevra.to_string().parse().ok(),
        Some(found.files.nevra)
    );
    assert!(found.lint.is_sorted_by(|a, b| a < b));
});
