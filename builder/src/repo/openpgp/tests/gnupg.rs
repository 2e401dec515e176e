//! Keys and signatures as vendors make them: with `gpg`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;

/// A home of its own; the agent that gpg starts for it goes with it.
struct Gnupg(TempDir);

impl Gnupg {
    /// Nothing where there is no gpg. The lab needs one too, so CI has it.
    fn new() -> Option<Self> {
        let home = Self(tempfile::tempdir().unwrap());
        let there = home.command("gpg").arg("--version").output();
        if there.is_err() {
            eprintln!("skipped: there is no gpg");
        }
        there.is_ok().then_some(home)
    }

    #[expect(clippy::disallowed_methods, reason = "a vendor's tool, in a test")]
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("--homedir").arg(self.0.path());
        command
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let quiet = ["--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"];
        let mut child = self
            .command("gpg")
            .args(quiet)
            .args(["--passphrase", ""])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        output.stdout
    }

    fn make(&self, name: &str, algorithm: &str, when: &[&str], expires: &str) {
        let user = format!("{name}@vendor.invalid");
        let args = ["--quick-generate-key", &user, algorithm, "sign", expires];
        self.run(&[when, &args].concat(), b"");
    }

    fn trusted(&self, name: &str) -> TrustedKeys {
        let found = Certificate::read_all(&self.run(&["--armor", "--export", name], b"")).unwrap();
        let pins = [found[0].fingerprint().clone()];
        TrustedKeys::pin(found, &pins).unwrap().minimised().unwrap()
    }

    fn sign(&self, name: &str, more: &[&str]) -> Vec<u8> {
        let args = ["--local-user", name, "--armor", "--detach-sign"];
        self.run(&[more, &args].concat(), b"m")
    }

    fn judged(&self, name: &str, more: &[&str]) -> Result<SignedBy, SignatureError> {
        let signature = self.sign(name, more);
        self.trusted(name)
            .verify(b"m", &signature, HashRule::Strong)
    }

    /// gpg writes a revocation along with a key, unreadable to itself until a colon is removed.
    fn revoke(&self, name: &str) {
        let fingerprint = self.trusted(name).certificates()[0].fingerprint().clone();
        let file: PathBuf = self.0.path().join("openpgp-revocs.d");
        let text = std::fs::read_to_string(file.join(format!("{fingerprint}.rev"))).unwrap();
        let text = text.replace(":-----BEGIN", "-----BEGIN");
        self.run(&["--import"], text.as_bytes());
    }
}

impl Drop for Gnupg {
    fn drop(&mut self) {
        let _ = self.command("gpgconf").args(["--kill", "all"]).status();
    }
}

#[test]
fn what_gpg_makes_by_default_counts_and_what_it_still_can_make_does_not() {
    let Some(gpg) = Gnupg::new() else { return };
    gpg.make("good", "ed25519", &[], "never");
    assert!(gpg.judged("good", &[]).is_ok());
    let error = gpg.judged("good", &["--textmode"]).unwrap_err();
    assert!(matches!(error, SignatureError::Form(_)), "{error}");
    let ends = ["--default-sig-expire", "3d"];
    let error = gpg.judged("good", &ends).unwrap_err();
    assert!(matches!(error, SignatureError::Form(_)), "{error}");
    let critical = ["--sig-notation", "!only-for@vendor.invalid=tests"];
    let error = gpg.judged("good", &critical).unwrap_err();
    assert!(matches!(error, SignatureError::Form(_)), "{error}");
    for weak in ["rsa1024", "dsa1024"] {
        gpg.make(weak, weak, &[], "never");
        let error = gpg.judged(weak, &["--digest-algo", "SHA256"]).unwrap_err();
        assert!(matches!(error, SignatureError::WeakKey(..)), "{error}");
        let error = gpg.judged(weak, &["--digest-algo", "SHA1"]).unwrap_err();
        assert!(matches!(error, SignatureError::WeakHash(_)), "{error}");
    }
}

#[test]
fn what_gpg_signed_before_a_key_expired_counts_until_the_key_is_revoked() {
    let Some(gpg) = Gnupg::new() else { return };
    let born = ["--faked-system-time", "20200101T000000!"];
    gpg.make("old", "ed25519", &born, "2d");
    let then = ["--faked-system-time", "20200102T000000!"];
    let signature = gpg.sign("old", &then);
    let verdict = |keys: &TrustedKeys| keys.verify(b"m", &signature, HashRule::Strong);
    verdict(&gpg.trusted("old")).unwrap();
    gpg.revoke("old");
    let error = verdict(&gpg.trusted("old")).unwrap_err();
    assert!(matches!(error, SignatureError::Revoked(_)), "{error}");
}
