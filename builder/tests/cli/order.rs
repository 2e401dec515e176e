//! The order of a bundle's entries, as the installer's reader demands it.

use std::io::Read as _;

use manifests::format::{BLOCK_BYTES, HeaderClaim, Section, padding, read_header};

use crate::program::User;
use crate::vendor::{BUILT, Vendor};

fn claims(bundle: &[u8]) -> Vec<HeaderClaim> {
    let mut tar = Vec::new();
    let mut decoder = zstd::Decoder::new(bundle).unwrap();
    decoder.window_log_max(23).unwrap();
    decoder.read_to_end(&mut tar).unwrap();
    let mut claims = Vec::new();
    let mut at = 0;
    loop {
        let block: &[u8; BLOCK_BYTES] = tar[at..].first_chunk().unwrap();
        if block.iter().all(|&byte| byte == 0) {
            assert_eq!(tar.len() - at, 2 * BLOCK_BYTES);
            return claims;
        }
        let claim = read_header(block).unwrap();
        let size = usize::try_from(claim.size).unwrap();
        at += BLOCK_BYTES + size + padding(claim.size);
        claims.push(claim);
    }
}

#[test]
fn sections_rise_and_so_do_signatures_and_trust_documents() {
    let (vendor, user) = (Vendor::new(), User::new());
    user.build_el8(&vendor).assert_ok();
    let claims = claims(&std::fs::read(user.bundle()).unwrap());
    let section = |claim: &HeaderClaim| Section::of(&claim.path).unwrap();
    for pair in claims.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert!(section(a) <= section(b), "{} {}", a.path, b.path);
        let unlisted = matches!(section(a), Section::Signatures | Section::Trust);
        if unlisted && section(a) == section(b) {
            assert!(a.path < b.path, "{} comes after {}", a.path, b.path);
        }
    }
    assert!(claims.iter().all(|claim| claim.mtime == u64::from(BUILT)));
    let trust = claims
        .iter()
        .filter(|claim| section(claim) == Section::Trust);
    assert_eq!(trust.count(), 2);
}
