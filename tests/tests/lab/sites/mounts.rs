//! Directories of a product that are mounts, as shares of several hosts are.

use crate::upgrade::support::{SERVICES, Site, site};

const MOUNTED: &str = "/opt/tyk-gateway/middleware";

impl Site {
    /// Returns the plan.
    pub(super) fn must_plan(&self) -> String {
        self.must_install(&["plan", "/root/bundle.tar.zst"]).stdout
    }
}

#[test]
fn a_share_below_a_tree_is_not_rolled_back() {
    let Some(site) = site("share") else { return };
    site.shell(&format!(
        "mkdir -p /srv/share {MOUNTED} && cp -a {MOUNTED}/. /srv/share && echo v1 >/srv/share/shared.js && \
         mount --bind /srv/share {MOUNTED}"
    ));
    // The dashboard's scriptlet fails after the gateway was upgraded.
    site.carry(&site.forge("5.4.9", "5.4.9", "1.10.0"));
    let plan = site.must_plan();
    assert!(
        plan.contains(&format!("{MOUNTED} is a mount of its own")),
        "{plan}"
    );
    site.in_transaction(
        "echo v2 >/srv/share/shared.js\necho new >/srv/share/by-node-7.js\necho x >/opt/tyk-gateway/appeared\n",
    );
    let run = site.install(&["/root/bundle.tar.zst"]);
    site.end_meddling();
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert_eq!(
        site.shell("cat /srv/share/shared.js /srv/share/by-node-7.js"),
        "v2\nnew\n"
    );
    // What the revert moved away is named, with its place.
    assert!(
        run.stdout.contains("/opt/tyk-gateway/appeared"),
        "{}",
        run.stdout
    );
    let kept = "cat /var/lib/airgap-bundle/runs/1/displaced*/opt/tyk-gateway/appeared";
    assert_eq!(site.shell(kept), "x\n");
    assert_eq!(
        site.version(0).as_deref(),
        Some("5.2.5"),
        "{}",
        SERVICES[0].0
    );
}
