//! Everything behind signature and digests: the manifest, the carried product, the file lists.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let tar = fuzz::Sections::of(text).tar();
    let Ok(metadata) = fuzz::read_bundle(&fuzz::compress(&tar)) else {
        return;
    };
    let manifest = metadata.manifest();
    fuzz::check_canonical(&tar, manifest);
    fuzz::assert_round_trip(manifest);
    fuzz::assert_round_trip(metadata.product());
    for rpm in &manifest.rpms {
        let files = metadata.files(&rpm.sha256).unwrap();
        assert_eq!(files.nevra, rpm.nevra);
        fuzz::assert_round_trip(files);
    }
});
