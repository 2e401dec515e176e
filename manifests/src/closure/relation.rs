//! Capabilities as rpm compares them: a name, and ranges of versions that overlap.

use std::cmp::Ordering;

use crate::evr::compare_versions;
use crate::package_files::Dependency;

/// Whether an offer meets a need of the same name: their ranges overlap, and where either has none,
/// any version will do.
#[must_use]
pub(super) fn overlaps(offer: &Dependency, need: &Dependency) -> bool {
    if offer.name != need.name {
        return false;
    }
    if offer.comparison.is_empty() || need.comparison.is_empty() {
        return true;
    }
    let (below, above) = (
        |d: &Dependency| d.comparison.starts_with('<'),
        |d: &Dependency| d.comparison.starts_with('>'),
    );
    let equal = |d: &Dependency| d.comparison.ends_with('=');
    match compare(&offer.version, &need.version) {
        Ordering::Less => above(offer) || below(need),
        Ordering::Greater => below(offer) || above(need),
        Ordering::Equal => {
            (equal(offer) && equal(need))
                || (below(offer) && below(need))
                || (above(offer) && above(need))
        }
    }
}

/// Compares `[EPOCH:]VERSION[-RELEASE]`; a release counts only where both have one.
fn compare(a: &str, b: &str) -> Ordering {
    let ((a_epoch, a_version, a_release), (b_epoch, b_version, b_release)) = (parts(a), parts(b));
    let releases = match (a_release, b_release) {
        (Some(a), Some(b)) => compare_versions(a, b),
        _ => Ordering::Equal,
    };
    a_epoch
        .cmp(&b_epoch)
        .then_with(|| compare_versions(a_version, b_version))
        .then(releases)
}

fn parts(text: &str) -> (u64, &str, Option<&str>) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, text),
    };
    match rest.split_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_overlap_as_rpms_do() {
        let parse = Dependency::parse;
        let meets = |offer: &str, need: &str| overlaps(&parse(offer), &parse(need));
        for (offer, need, expected) in [
            ("a", "a >= 5", true),
            ("a = 1:1-1", "a", true),
            ("b = 1", "a", false),
            ("a = 1.10-1", "a >= 1.9", true),
            ("a = 1.9-3", "a = 1.9", true),
            ("a = 1.9-3", "a = 1.9-2", false),
            ("a = 1.9-3", "a > 1.9", false),
            ("a = 1.9-3", "a < 1.9", false),
            ("a = 1:1.0-1", "a > 2.0", true),
            ("a < 2", "a > 1", true),
            ("a < 1", "a > 1", false),
            ("a <= 1", "a >= 1", true),
            ("a = 1.0~rc1-1", "a < 1.0", true),
        ] {
            assert_eq!(meets(offer, need), expected, "{offer} for {need}");
        }
    }
}
