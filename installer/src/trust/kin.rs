//! Versions of one root that do not vouch for each other.

use manifests::trust::TrustRoot;

/// Whether a document replaces an enrolled one that could not vouch for it, because its signatures
/// were not brought along.
#[must_use]
pub fn is_older(old: &TrustRoot, new: &TrustRoot) -> bool {
    is_akin(old, new) && old.document().version < new.document().version
}

/// Whether two documents look like versions of one root: they share a root key and a product.
#[must_use]
pub fn is_akin(one: &TrustRoot, other: &TrustRoot) -> bool {
    let (one, other) = (one.document(), other.document());
    let covers = |product: &String| {
        let both = [&one.release.products, &other.release.products];
        both.iter().all(|scope| {
            scope
                .iter()
                .any(|p| p == "*" || p == product || product == "*")
        })
    };
    one.root
        .keys
        .iter()
        .any(|key| other.root.keys.contains(key))
        && one.release.products.iter().any(covers)
}
