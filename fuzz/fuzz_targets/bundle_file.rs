//! The file as it lies on a stick: frame, window, entries.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    if let Ok(metadata) = fuzz::read_bundle(file) {
        let tar = zstd::decode_all(file).unwrap();
        fuzz::check_canonical(&tar, metadata.manifest());
    }
});
