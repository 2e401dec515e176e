//! Package URLs.

use manifests::nevra::Nevra;
use manifests::percent::encoded;

/// Returns `pkg:rpm/<product>/<name>@<version>-<release>?arch=…&distro=…&epoch=…`. The name space is
/// the product's name, since the distributor of a package is known in free text only. Epoch 0 is left out.
pub(super) fn rpm(product: &str, nevra: &Nevra, distro: Option<&str>) -> String {
    let evr = nevra.evr();
    let version = format!("{}-{}", evr.version(), evr.release());
    let mut purl = format!(
        "pkg:rpm/{}/{}@{}?arch={}",
        encoded(product),
        encoded(nevra.name()),
        encoded(&version),
        encoded(nevra.arch())
    );
    if let Some(distro) = distro {
        purl += &format!("&distro={}", encoded(distro));
    }
    if evr.epoch() != 0 {
        purl += &format!("&epoch={}", evr.epoch());
    }
    purl
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purl_has_sorted_qualifiers_and_nothing_that_ends_it_early() {
        let nevra: Nevra = "lib++-2:1.0~rc1^git+5-1.el8.x86_64".parse().unwrap();
        assert_eq!(
            rpm("tyk", &nevra, Some("el8&x=?#/")),
            "pkg:rpm/tyk/lib%2B%2B@1.0~rc1%5Egit%2B5-1.el8?arch=x86_64&distro=el8%26x%3D%3F%23%2F&epoch=2"
        );
        let plain: Nevra = "relay-5.3.0-1.noarch".parse().unwrap();
        assert_eq!(
            rpm("courier", &plain, None),
            "pkg:rpm/courier/relay@5.3.0-1?arch=noarch"
        );
    }
}
