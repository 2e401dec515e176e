//! The list of a split bundle's parts, under a valid signature.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifests::parts::{PartsDocument, check_name, number_in, verify_parts};

fuzz_target!(|bytes: &[u8]| {
    // Signing is slow: only a valid document is signed.
    if serde_json::from_slice::<PartsDocument>(bytes).is_err() {
        return;
    }
    let Ok(parts) = verify_parts(bytes, &[fuzz::sign(bytes)], fuzz::roots()) else {
        return;
    };
    let document = parts.document();
    let written = fuzz::assert_round_trip(document);
    let again = verify_parts(&written, &[fuzz::sign(&written)], fuzz::roots()).unwrap();
    assert_eq!(again.document(), document);
    check_name(&document.bundle).unwrap();
    let sizes = document.parts.iter().map(|part| u128::from(part.size));
    assert_eq!(sizes.sum::<u128>(), u128::from(document.size));
    for part in &document.parts {
        let name = document.part_name(part);
        assert_eq!(number_in(&document.bundle, &name), Some(part.number));
        assert!(!name.contains('/') && !name.starts_with('.'));
    }
});
