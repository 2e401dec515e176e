//! The builder's reader, which is another one, refuses the same files.

use builder::archive::verify;
use lab::hostile::{Aim, Workshop, catalogue};
use manifests::trust::TrustRoot;

use crate::hostile::say;

/// Hashing gigabytes of zeros once, in the installer, is enough.
const ZEROS: &str = "last-byte-of-2-to-the-";

/// What only an installer can be too old for.
const FOR_INSTALLERS: &str = "installer-of-the-future";

#[test]
fn the_builder_refuses_them_too() {
    let shop = Workshop::prepare().unwrap();
    let documents = shop.roots().unwrap();
    let roots: Vec<TrustRoot> = documents
        .iter()
        .map(|document| TrustRoot::parse(document).unwrap())
        .collect();
    verify(&shop.good().unwrap()[..], &roots).unwrap();
    let mut accepted = Vec::new();
    let mut count = 0;
    for attack in catalogue() {
        if attack.aim != Aim::Bundle
            || attack.name.starts_with(ZEROS)
            || attack.name == FOR_INSTALLERS
        {
            continue;
        }
        count += 1;
        let bytes = attack.make(&shop).unwrap();
        if verify(&bytes[..], &roots).is_ok() {
            accepted.push(attack.name);
        }
    }
    assert!(accepted.is_empty(), "the builder accepts {accepted:?}");
    say(&format!(
        "hostile bundles: {count} of {count} refused by the builder's reader"
    ));
}
