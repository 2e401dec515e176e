//! The root document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifests::digest::Sha256;
use manifests::trust::TrustRoot;

fuzz_target!(|bytes: &[u8]| {
    let Ok(root) = TrustRoot::parse(bytes) else {
        return;
    };
    assert_eq!(*root.fingerprint(), Sha256::of(bytes));
    let written = fuzz::assert_round_trip(root.document());
    let again = TrustRoot::parse(&written).unwrap();
    assert_eq!(again.document(), root.document());
    let (root, release) = (&root.document().root, &root.document().release);
    for (threshold, keys) in [
        (root.threshold, &root.keys),
        (release.threshold, &release.keys),
    ] {
        assert!(threshold > 0 && keys.len() >= threshold as usize);
    }
});
