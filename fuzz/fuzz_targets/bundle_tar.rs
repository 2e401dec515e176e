//! The stream inside the frame, under a valid signature over whatever its first entry holds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|tar: &[u8]| {
    let tar = fuzz::sign_tar(tar);
    if let Ok(metadata) = fuzz::read_bundle(&fuzz::compress(&tar)) {
        fuzz::check_canonical(&tar, metadata.manifest());
    }
});
