//! What a root document changes, in plain words.

use manifests::printable::printable;
use manifests::signature::KeyId;
use manifests::trust::RootDocument;

/// Returns `2 of 3`.
#[must_use]
pub fn of_threshold(threshold: u32, keys: &[KeyId]) -> String {
    format!("{threshold} of {}", keys.len())
}

/// Returns what is different, a sentence each. Without a version before, everything is new.
#[must_use]
pub fn differences(before: Option<&RootDocument>, after: &RootDocument) -> Vec<String> {
    let mut words = Vec::new();
    let titled = before.is_none_or(|before| before.title != after.title);
    if titled {
        words.push(format!("its title is \"{}\"", printable(&after.title)));
    }
    let root = |document: &RootDocument| (document.root.threshold, document.root.keys.clone());
    let release =
        |document: &RootDocument| (document.release.threshold, document.release.keys.clone());
    role(
        &mut words,
        "root",
        "root documents",
        before.map(root),
        root(after),
        after,
    );
    role(
        &mut words,
        "release",
        "bundles",
        before.map(release),
        release(after),
        after,
    );
    if before.is_none_or(|before| before.release.products != after.release.products) {
        let products: Vec<String> = after.release.products.iter().map(|p| scope(p)).collect();
        words.push(format!("the release keys sign for {}", products.join(", ")));
    }
    for revoked in &after.revoked {
        if before.is_none_or(|before| before.revokes(&revoked.id).is_none()) {
            words.push(format!(
                "key {} is REVOKED, it counts no more, for ever: {}",
                revoked.id,
                printable(&revoked.reason)
            ));
        }
    }
    words
}

fn scope(product: &str) -> String {
    if product == "*" {
        "every product".to_owned()
    } else {
        printable(product)
    }
}

fn role(
    words: &mut Vec<String>,
    name: &str,
    signs: &str,
    before: Option<(u32, Vec<KeyId>)>,
    (threshold, keys): (u32, Vec<KeyId>),
    after: &RootDocument,
) {
    let old = before.as_ref().map_or(&[][..], |(_, keys)| keys);
    for key in old.iter().filter(|key| !keys.contains(key)) {
        if after.revokes(key).is_none() {
            words.push(format!("key {key} is a {name} key no more"));
        }
    }
    for key in keys.iter().filter(|key| !old.contains(key)) {
        words.push(format!("key {key} becomes a {name} key"));
    }
    let now = of_threshold(threshold, &keys);
    match before {
        Some((threshold, old)) => {
            let was = of_threshold(threshold, &old);
            if was != now {
                words.push(format!(
                    "{signs} need signatures of {now} {name} keys, {was} before"
                ));
            }
        }
        None => words.push(format!("{signs} need signatures of {now} {name} keys")),
    }
}
