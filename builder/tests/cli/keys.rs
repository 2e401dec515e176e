//! Keys in files as other tools make them, and their passphrases.

#![expect(
    clippy::disallowed_methods,
    reason = "a test runs a program without a terminal"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::people::{id_of, init, make_key, stock};
use crate::program::{User, text};

fn private(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes a key with openssl, and the same key encrypted with a passphrase.
fn openssl_key(user: &User, algorithm: &[&str], how: &[&str]) {
    let (plain, locked) = (user.path("plain.pem"), user.path("locked.pem"));
    let make = [&["genpkey", "-out", text(&plain)][..], algorithm].concat();
    stock("openssl", &make, &[]);
    let convert = [
        "pkcs8",
        "-topk8",
        "-in",
        text(&plain),
        "-out",
        text(&locked),
    ];
    let passphrase = ["-passout", "pass:open sesame"];
    stock("openssl", &[&convert[..], how, &passphrase].concat(), &[]);
    let public = user.path("locked.pub.pem");
    stock(
        "openssl",
        &[
            "pkey",
            "-in",
            text(&plain),
            "-pubout",
            "-out",
            text(&public),
        ],
        &[],
    );
    private(&plain, 0o600);
    private(&locked, 0o600);
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const SIGN: [&str; 5] = ["root", "sign", "--yes", "--key", "locked.pem"];

#[test]
fn encrypted_keys_of_openssl_sign() {
    let cbc = ["-v2", "aes-256-cbc"];
    for (algorithm, how) in [
        (&P256[..], &cbc[..]),
        (
            &P256[..],
            &[
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA512",
                "-iter",
                "5000",
            ][..],
        ),
        (&P256[..], &["-scrypt", "-scrypt_N", "1024"][..]),
        (&["-algorithm", "ED25519"][..], &cbc[..]),
    ] {
        let user = User::new();
        openssl_key(&user, algorithm, how);
        let plain = user.run(&["key", "export", "public", "--key", "plain.pem"]);
        let public = std::fs::read_to_string(user.path("locked.pub.pem")).unwrap();
        assert_eq!(plain.assert_ok().stdout, public);
        std::fs::copy(user.path("plain.pem"), user.path("first.pem")).unwrap();
        make_key(&user, "release");
        let init = [
            "root",
            "init",
            "--title",
            "T",
            "--product",
            "*",
            "--root-key",
            "locked.pub.pem",
            "--root-threshold",
            "1",
            "--release-key",
            "release.pub.pem",
            "--release-threshold",
            "1",
        ];
        user.run(&init).assert_ok();
        let wrong = user.run_with(&[("BUNDLE_KEY_PASSPHRASE", "open barley")], &SIGN);
        wrong.assert_refused(2, &["the passphrase does not open locked.pem"]);
        let right = user.run_with(&[("BUNDLE_KEY_PASSPHRASE", "open sesame")], &SIGN);
        assert!(
            right.assert_ok().stdout.contains("counts from now on"),
            "{}",
            right.stdout
        );
        // The plain form of the key signs the same: both are deterministic.
        let id = id_of(&user.path("locked.pub.pem"));
        let signature = user.path(&format!("config/airgap-bundle/trust/root.1.{id}.sig"));
        let before = std::fs::read(&signature).unwrap();
        let document = "config/airgap-bundle/trust/root.1.json";
        user.run(&["root", "sign", document, "--key", "plain.pem", "--yes"])
            .assert_ok();
        assert_eq!(std::fs::read(&signature).unwrap(), before);
    }
}

#[test]
fn a_passphrase_comes_only_from_a_private_file() {
    let user = User::new();
    std::fs::write(user.path("pass"), "one two\n").unwrap();
    private(&user.path("pass"), 0o600);
    let create = [
        "key",
        "create",
        "--encrypt",
        "--passphrase-file",
        "pass",
        "-o",
        "locked.pem",
    ];
    user.run(&create).assert_ok();
    user.run(&create).assert_refused(2, &["already"]);
    let pem = std::fs::read_to_string(user.path("locked.pem")).unwrap();
    assert!(
        pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        "{pem}"
    );
    // Stock tools open it, and only with that passphrase.
    let locked = user.path("locked.pem");
    let open = ["pkey", "-in", text(&locked), "-noout", "-passin"];
    stock("openssl", &[&open[..], &["pass:one two"]].concat(), &[]);
    let export = [
        "key",
        "export",
        "public",
        "--key",
        "locked.pem",
        "--passphrase-file",
        "pass",
    ];
    user.run(&export).assert_ok();
    private(&user.path("pass"), 0o640);
    user.run(&export)
        .assert_refused(1, &["pass can be read by others (mode 640)"]);
    // A new session has no terminal to ask on.
    let output = Command::new("setsid")
        .args([
            "-w",
            env!("CARGO_BIN_EXE_bundle"),
            "key",
            "export",
            "public",
            "--key",
        ])
        .arg(&locked)
        .env("XDG_CONFIG_HOME", user.path("config"))
        .env_remove("BUNDLE_KEY_PASSPHRASE")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no terminal") && said.contains("--passphrase-file"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_not_a_key_is_refused_with_what_to_do() {
    let user = User::new();
    make_key(&user, "a");
    init(&user, ("1", &["a"]), ("1", &["a"]));
    let old = user.path("sec1.pem");
    stock(
        "openssl",
        &[
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            text(&old),
        ],
        &[],
    );
    private(&old, 0o600);
    user.run(&["key", "show", "--key", "sec1.pem"])
        .assert_refused(1, &["openssl pkcs8 -topk8"]);
    user.run(&["key", "show", "--key", "gone.pem"])
        .assert_refused(2, &["gone.pem"]);
    user.run(&["root", "add-key", "a.pem", "--role", "both"])
        .assert_refused(2, &["public key"]);
    let pin = "pkcs11:object=a?module-path=/x.so&pin-value=4711";
    let run = user.run(&["key", "show", "--key", pin]);
    run.assert_refused(2, &["pin-source"]);
    assert!(!run.stderr.contains("4711"), "{}", run.stderr);
    let module = "pkcs11:object=a?module-path=/nowhere/token.so";
    user.run(&["key", "show", "--key", module])
        .assert_refused(2, &["/nowhere/token.so", "module-path"]);
}
