//! The archive inside an RPM, as it comes out of `rpm2cpio` or of the payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifests::cpio::{CpioError, Member, members};

/// What an archive holds, and how many bytes it takes.
type Contents = (Vec<(Member, Vec<u8>)>, usize);

fn read(mut archive: &[u8]) -> Result<Contents, CpioError> {
    let (whole, mut found) = (archive.len(), Vec::new());
    members(&mut archive, &mut |member, data| -> Result<(), CpioError> {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes)?;
        found.push((member.clone(), bytes));
        Ok(())
    })?;
    Ok((found, whole - archive.len()))
}

fuzz_target!(|bytes: &[u8]| {
    let Ok((found, length)) = read(bytes) else {
        return;
    };
    for (member, data) in &found {
        assert_eq!(member.size, data.len() as u64);
        assert!(member.path().starts_with('/'));
        assert!(!member.name.contains(&0));
    }
    // The archive ends at its trailer, not before it, and ignores what follows.
    let (again, same) = read(&bytes[..length]).unwrap();
    assert_eq!((again, same), (found, length));
    assert!(read(&bytes[..length - 1]).is_err());
});
