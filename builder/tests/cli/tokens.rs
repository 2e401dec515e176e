//! Keys in a PKCS#11 token, by `SoftHSM`.

#![expect(
    clippy::disallowed_methods,
    reason = "a test writes a token's configuration and PIN"
)]

use std::os::unix::fs::PermissionsExt as _;

use crate::people::{TRUST, id_of, init, make_key, openssl_accepts, stock};
use crate::program::{Run, User, text};
use crate::vendor::Vendor;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A user with a token in a directory, and a P-256 key in that.
struct Holder {
    user: User,
    config: String,
}

impl Holder {
    fn new() -> Self {
        let user = User::new();
        let tokens = user.path("tokens");
        crate::people::carry(&user.path("out"), &tokens);
        let config = user.path("softhsm2.conf");
        std::fs::write(
            &config,
            format!("directories.tokendir = {}\n", tokens.display()),
        )
        .unwrap();
        let config = text(&config).to_owned();
        let environment = [("SOFTHSM2_CONF", config.as_str())];
        let init = [
            "--init-token",
            "--free",
            "--label",
            "Team keys",
            "--so-pin",
            "87654321",
            "--pin",
            "4711",
        ];
        stock("softhsm2-util", &init, &environment);
        let tool = [
            "--module",
            MODULE,
            "--token-label",
            "Team keys",
            "--login",
            "--pin",
            "4711",
        ];
        for (id, label) in [("01", "one"), ("02", "two")] {
            let make = [
                "--keypairgen",
                "--key-type",
                "EC:prime256v1",
                "--id",
                id,
                "--label",
                label,
            ];
            stock("pkcs11-tool", &[&tool[..], &make].concat(), &environment);
        }
        std::fs::write(user.path("pin"), "4711\n").unwrap();
        std::fs::set_permissions(user.path("pin"), std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { user, config }
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_with(&[], args)
    }

    fn run_with(&self, more: &[(&str, &str)], args: &[&str]) -> Run {
        let config = [("SOFTHSM2_CONF", self.config.as_str())];
        self.user.run_with(&[&config[..], more].concat(), args)
    }

    fn uri(&self, key: &str, pin: &str) -> String {
        let pin = if pin.is_empty() {
            String::new()
        } else {
            format!("&pin-source=file:{}", self.user.path(pin).display())
        };
        format!("pkcs11:token=Team%20keys;{key}?module-path={MODULE}{pin}")
    }

    /// Returns the first key's public half as openssl reads it, by way of pkcs11-tool.
    fn public_by_stock_tools(&self) -> String {
        let der = self.user.path("token.der");
        let token = ["--module", MODULE, "--token-label", "Team keys"];
        let read = ["--read-object", "--type", "pubkey", "--id", "01", "-o"];
        let all = [&token[..], &read, &[text(&der)]].concat();
        stock("pkcs11-tool", &all, &[("SOFTHSM2_CONF", &self.config)]);
        let pkey = ["pkey", "-pubin", "-inform", "DER", "-in", text(&der)];
        stock("openssl", &pkey, &[])
    }
}

#[expect(clippy::too_many_lines, reason = "one story, in its order")]
#[test]
fn a_token_signs_root_documents_and_bundles_that_stock_tools_accept() {
    let (vendor, holder) = (Vendor::new(), Holder::new());
    let user = &holder.user;
    make_key(user, "file");
    let token = holder.uri("object=one", "pin");
    let export = [
        "key",
        "export",
        "public",
        "--key",
        &token,
        "-o",
        "token.pub.pem",
    ];
    holder.run(&export).assert_ok();
    assert_eq!(
        std::fs::read_to_string(user.path("token.pub.pem")).unwrap(),
        holder.public_by_stock_tools()
    );

    // 2 of 2: a file and the token, in both roles.
    init(user, ("1", &["file"]), ("1", &["file"]));
    let add = [
        "root",
        "add-key",
        "token.pub.pem",
        "--role",
        "both",
        "--root-threshold",
        "2",
    ];
    holder
        .run(&[&add[..], &["--release-threshold", "2"]].concat())
        .assert_ok();
    holder
        .run(&["root", "sign", "--key", "file.pem", "--yes"])
        .assert_ok();
    let signed = holder.run(&["root", "sign", "--key", &token, "--yes"]);
    assert!(
        signed.assert_ok().stdout.contains("root version 2 counts"),
        "{}",
        signed.stdout
    );
    let public = user.path("token.pub.pem");
    let id = id_of(&public);
    let trust = user.path(TRUST);
    openssl_accepts(
        &public,
        &trust.join(format!("root.2.{id}.sig")),
        &trust.join("root.2.json"),
    );

    let request = ["--version", "5.3", "--distro", "el8", "--key", "file.pem"];
    user.build(&vendor, &request).assert_ok();
    let bundle = user.bundle();
    holder
        .run(&["verify", text(&bundle)])
        .assert_refused(3, &["needs 2"]);
    let by_id = holder.uri("id=%01", "pin");
    holder
        .run(&["sign", text(&bundle), "--key", &by_id, "--yes"])
        .assert_ok();
    holder.run(&["verify", text(&bundle)]).assert_ok();
    holder
        .run(&["extract", text(&bundle), "--to", "x"])
        .assert_ok();
    openssl_accepts(
        &public,
        &user.path(&format!("x/signatures/{id}.sig")),
        &user.path("x/manifest.json"),
    );
}

#[test]
fn a_wrong_pin_token_and_key_have_their_own_messages() {
    let holder = Holder::new();
    let show = |uri: &str, pin: &str| {
        holder.run_with(&[("BUNDLE_KEY_PIN", pin)], &["key", "show", "--key", uri])
    };
    show(&holder.uri("object=two", ""), "4711").assert_ok();
    show(&holder.uri("object=two", ""), "4712").assert_refused(2, &["refuses the PIN"]);
    show(&holder.uri("object=three", ""), "4711").assert_refused(2, &["no such P-256 private key"]);
    let other = holder.uri("object=two", "").replace("Team", "Some");
    show(&other, "4711").assert_refused(2, &["there are: `Team keys`"]);
    std::fs::set_permissions(
        holder.user.path("pin"),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    show(&holder.uri("object=two", "pin"), "4711").assert_refused(1, &["read by others"]);
}
