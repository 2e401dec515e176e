//! packagecloud's read tokens: for the origin, never for the network behind it.

use lab::vendor::{Server, VendorOptions};

use crate::sources::builder::{Builder, published, start};

#[test]
fn a_read_token_opens_the_origin_and_goes_no_further() {
    let token = "canary9a8b7c";
    let vendor = start(VendorOptions {
        read_token: Some(token.to_owned()),
        ..VendorOptions::default()
    });
    let builder = Builder::new();
    let run = builder.build(&vendor.base_url(), &[], &[]);
    builder.assert_refused(&run, 1, &["401", "--token-file"]);
    let run = builder.build(&vendor.base_url(), &[], &[("BUNDLE_TOKEN", token)]);
    builder.assert_right(&run, &published());
    assert!(!run.stderr.contains(token));
    let lock = std::fs::read_to_string(builder.path("out/bundle.lock.json")).unwrap();
    assert!(!lock.contains(token));
    let requests = vendor.requests().unwrap();
    let heard = requests
        .iter()
        .filter(|one| one.server == Server::Cdn && one.authorized);
    assert_eq!(heard.count(), 0);
    assert!(requests.iter().any(|one| one.server == Server::Cdn));
}
