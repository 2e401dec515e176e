//! What the first bytes of a program or shared object reveal.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use manifests::digest::{Sha256, of_reader};
use manifests::nevra::Arch;

/// How many bytes are looked at.
const START_BYTES: usize = 20;
const SHARED_OBJECT: u16 = 3;

/// Reads at most `max` bytes of a file, and returns its start, how many bytes were read and their digest.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<(Vec<u8>, u64, Sha256)> {
    let mut file = File::open(path)?.take(max);
    let mut start = Vec::new();
    file.by_ref()
        .take(START_BYTES as u64)
        .read_to_end(&mut start)?;
    let (size, sha256) = of_reader(&mut start.chain(file))?;
    Ok((start, size, sha256))
}

/// Whether a file is a 64-bit little-endian ELF file whose `e_machine` is the architecture's.
pub(crate) fn is_for(start: &[u8], arch: Arch) -> bool {
    let machine: u16 = match arch {
        Arch::X86_64 => 62,
        Arch::Aarch64 => 183,
    };
    start.starts_with(b"\x7fELF\x02\x01") && start.get(18..20) == Some(&machine.to_le_bytes())
}

/// Whether it is, besides, a shared object.
pub(crate) fn is_shared_object(start: &[u8], arch: Arch) -> bool {
    is_for(start, arch) && start.get(16..18) == Some(&SHARED_OBJECT.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_or_kind_is_told_apart() {
        let mut start = b"\x7fELF\x02\x01".to_vec();
        start.resize(START_BYTES, 0);
        start[18] = 62;
        assert!(is_for(&start, Arch::X86_64));
        assert!(!is_shared_object(&start, Arch::X86_64));
        start[16] = 3;
        assert!(is_shared_object(&start, Arch::X86_64));
        assert!(!is_shared_object(&start, Arch::Aarch64));
        assert!(!is_for(b"#!/bin/sh\n", Arch::X86_64));
    }
}
