//! Throw-away `OpenPGP` keys, made by `gpg`: one package key per product, one metadata key per
//! repository, and a stranger's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::command::run;

/// The public half of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Forty hexadecimal digits in upper case, as `gpg` prints them.
    pub fingerprint: String,
    /// The ASCII-armoured key.
    pub file: PathBuf,
}

impl PublicKey {
    /// Reads a key that [`generate`] wrote.
    pub(crate) fn read(dir: &Path, name: &str) -> Result<Self> {
        let fingerprint_file = dir.join(name).with_extension("fingerprint");
        let fingerprint = fs::read_to_string(&fingerprint_file)
            .with_context(|| format!("no key {name:?} ({})", fingerprint_file.display()))?;
        Ok(Self {
            fingerprint,
            file: dir.join(name).with_extension("asc"),
        })
    }
}

/// Where the private half of a key lies.
pub(crate) fn secret_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(name).with_extension("secret.asc")
}

/// The hash of a new key's signature over itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SelfSignature {
    Sha256,
    /// What packagecloud's metadata keys still have.
    Sha1,
}

/// Makes an RSA key without a passphrase that can only sign.
pub(crate) fn generate(dir: &Path, name: &str, uid: &str, hash: SelfSignature) -> Result<()> {
    let home = GnupgHome::create()?;
    let hash = match hash {
        SelfSignature::Sha256 => "SHA256",
        SelfSignature::Sha1 => "SHA1",
    };
    run(home.gpg().args([
        "--cert-digest-algo",
        hash,
        "--quick-gen-key",
        uid,
        "rsa3072",
        "sign",
    ]))
    .with_context(|| format!("cannot make the key {name:?}"))?;
    let listing = run(home.gpg().args(["--with-colons", "--list-keys"]))?;
    let fingerprint = listing
        .lines()
        .find_map(|line| line.strip_prefix("fpr:"))
        .map(|fields| fields.trim_matches(':').to_owned())
        .context("gpg lists no fingerprint")?;
    let export = |option: &str, file: &Path| {
        run(home
            .gpg()
            .arg("--armor")
            .arg("--output")
            .arg(file)
            .arg(option))
    };
    export("--export", &dir.join(name).with_extension("asc"))?;
    export("--export-secret-keys", &secret_file(dir, name))?;
    fs::write(dir.join(name).with_extension("fingerprint"), fingerprint)?;
    Ok(())
}

/// Signs files with one key.
#[derive(Debug)]
pub(crate) struct Signer {
    home: GnupgHome,
}

impl Signer {
    pub(crate) fn new(secret_key: &Path) -> Result<Self> {
        let home = GnupgHome::create()?;
        run(home.gpg().arg("--import").arg(secret_key))?;
        Ok(Self { home })
    }

    /// Writes `FILE.asc`, an armoured detached signature.
    pub(crate) fn sign(&self, file: &Path) -> Result<()> {
        run(self
            .home
            .gpg()
            .args(["--yes", "--armor", "--digest-algo", "SHA512"])
            .arg("--detach-sign")
            .arg(file))
        .map(drop)
    }
}

/// A home directory of its own, whose agent ends with it.
#[derive(Debug)]
struct GnupgHome {
    dir: TempDir,
}

impl GnupgHome {
    fn create() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("lab-gpg-").tempdir()?;
        Ok(Self { dir })
    }

    fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.dir.path());
        gpg.args([
            "--batch",
            "--quiet",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
        ]);
        gpg.args(["--passphrase", ""]);
        gpg
    }
}

impl Drop for GnupgHome {
    fn drop(&mut self) {
        let _ = run(Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.dir.path())
            .args(["--kill", "gpg-agent"]));
    }
}
