//! A small signed vendor in a directory: two repositories of an invented product.

#![expect(
    clippy::disallowed_methods,
    reason = "a test lays out a throw-away repository"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use manifests::digest::Sha256;
use pgp::composed::{
    ArmorOptions, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::types::{KeyDetails as _, Password, Timestamp};
use rand::RngCore as _;
use tempfile::TempDir;

/// Newest patch of the target line last. A comparison of text would sort `5.3.10` before `5.3.9`.
const RELAY_EL8: [&str; 5] = ["5.1.0", "5.2.0", "5.2.7", "5.3.9", "5.3.10"];
const RELAY_EL9: [&str; 1] = ["5.2.0"];
const AGENT: [&str; 3] = ["1.8.0", "1.9.0", "1.10.0"];
/// The build time in the packages' headers.
pub(crate) const BUILT: u32 = 1_700_000_000;
/// `<revision>` of the repositories.
pub(crate) const REVISION: u64 = 1_700_000_500;

/// The vendor. Its files go when it is dropped.
pub(crate) struct Vendor {
    dir: TempDir,
    metadata: Key,
    package: Key,
}

/// An `OpenPGP` key.
pub(crate) struct Key {
    secret: SignedSecretKey,
}

impl Key {
    pub(crate) fn make(name: &str) -> Self {
        let params = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            // Older than what it signs.
            .created_at(Timestamp::from_secs(BUILT - 1000))
            .primary_user_id(format!("{name} <{name}@vendor.invalid>"))
            .build()
            .unwrap();
        let secret = params.generate(rand::thread_rng()).unwrap();
        Self { secret }
    }

    pub(crate) fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.fingerprint())
    }

    pub(crate) fn public(&self) -> String {
        let public = self.secret.to_public_key();
        public.to_armored_string(ArmorOptions::default()).unwrap()
    }

    fn detached(&self, bytes: &[u8]) -> String {
        DetachedSignature::sign_binary_data(
            rand::thread_rng(),
            &self.secret.primary_key,
            &Password::empty(),
            HashAlgorithm::Sha512,
            bytes,
        )
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
    }

    fn rpm(&self, name: &str, version: &str, mark: &str) -> Vec<u8> {
        let content = format!("{name} {version}{mark}\n").repeat(500);
        self.rpm_with(
            name,
            version,
            content.into_bytes(),
            rpm::CompressionType::Gzip,
        )
    }

    fn rpm_with(
        &self,
        name: &str,
        version: &str,
        content: Vec<u8>,
        compression: rpm::CompressionType,
    ) -> Vec<u8> {
        let config = rpm::BuildConfig::v4()
            .compression(compression)
            .source_date(BUILT);
        let package = rpm::PackageBuilder::new(name, version, "MIT", "x86_64", "A test")
            .using_config(config)
            .release("1")
            .with_file_contents(
                content,
                rpm::FileOptions::new(format!("/opt/{name}/{name}")),
            )
            .unwrap()
            .with_file_contents(
                format!("version = {version}\n").into_bytes(),
                rpm::FileOptions::new(format!("/etc/{name}.conf")).config(),
            )
            .unwrap()
            .post_install_script(format!("echo \u{1b}[2J{version}\nexit 0"))
            .add_changelog_entry(
                format!("Vendor <v@vendor.invalid> - {version}-1"),
                format!("- everything is better in {version}\u{202e}"),
                BUILT,
            )
            .build_and_sign(self.signer())
            .unwrap();
        let mut bytes = Vec::new();
        package.write(&mut bytes).unwrap();
        bytes
    }

    /// A package with `text` in every field that a packager may write. The crate `rpm` refuses to
    /// write control characters, but another vendor's tool may not. So it writes a stand-in of the
    /// same length, which is then exchanged.
    fn hostile(&self, name: &str, version: &str, text: &str) -> Vec<u8> {
        let stand_in: String = text
            .chars()
            .map(|c| if c.is_control() { '^' } else { c })
            .collect();
        let config = rpm::BuildConfig::v4()
            .compression(rpm::CompressionType::Gzip)
            .source_date(BUILT);
        let path = format!("/opt/{}", stand_in.replace('/', "_"));
        let package = rpm::PackageBuilder::new(name, version, &stand_in, "x86_64", &stand_in)
            .using_config(config)
            .release("1")
            .vendor(&stand_in)
            .with_file_contents(b"x", rpm::FileOptions::new(path))
            .unwrap()
            .post_install_script(&*stand_in)
            .build()
            .unwrap();
        let mut bytes = Vec::new();
        package.write(&mut bytes).unwrap();
        exchange(&mut bytes, stand_in.as_bytes(), text.as_bytes());
        let mut package = rpm::Package::parse(&mut bytes.as_slice()).unwrap();
        package.clear_signatures().unwrap();
        package.sign(self.signer()).unwrap();
        bytes.clear();
        package.write(&mut bytes).unwrap();
        bytes
    }

    fn signer(&self) -> rpm::signature::pgp::Signer {
        let secret = self.secret.to_armored_string(ArmorOptions::default());
        rpm::signature::pgp::Signer::from_asc(&secret.unwrap()).unwrap()
    }
}

/// Puts `new` wherever `old`, of the same length, is.
fn exchange(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(old.len()).position(|w| w == old) {
        bytes[from + at..from + at + old.len()].copy_from_slice(new);
        from += at + old.len();
    }
    assert!(from > 0, "there is nothing to exchange");
}

impl Vendor {
    pub(crate) fn new() -> Self {
        let vendor = Self {
            dir: tempfile::tempdir().unwrap(),
            metadata: Key::make("metadata"),
            package: Key::make("package"),
        };
        fs::create_dir_all(vendor.path("keys")).unwrap();
        fs::write(vendor.path("keys/package.asc"), vendor.package.public()).unwrap();
        for (package, distro, versions) in [
            ("relay", 8, RELAY_EL8.as_slice()),
            ("relay", 9, &RELAY_EL9),
            ("agent", 8, &AGENT),
            ("agent", 9, &AGENT),
        ] {
            vendor.publish(package, distro, versions, "");
        }
        vendor.write_product(&[vendor.metadata.fingerprint()]);
        vendor
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.dir.path().display())
    }

    pub(crate) fn product(&self) -> PathBuf {
        self.path("product.toml")
    }

    pub(crate) fn metadata_fingerprint(&self) -> String {
        self.metadata.fingerprint()
    }

    /// Writes the product manifest with these pins of the metadata key.
    pub(crate) fn write_product(&self, pins: &[String]) {
        let url = self.url();
        let package_pin = self.package.fingerprint();
        let mut text = format!(
            "type = \"airgap-bundle/product/1\"\nname = \"courier\"\ntitle = \"Courier\"\n\
             lead = \"relay\"\nbase_url = {url:?}\n\
             [[distro]]\nid = \"el8\"\nos_ids = [\"rocky\"]\nmajor = 8\naliases = [\"rocky8\"]\n\
             [[distro]]\nid = \"el9\"\nos_ids = [\"rocky\"]\nmajor = 9\n\
             [[package_key]]\nid = \"packages\"\nurl = \"{url}/keys/package.asc\"\n\
             fingerprints = [{package_pin:?}]\n\
             [[pin]]\nlead = \"5.3.0\"\ncomponent = \"agent\"\nversion = \"1.9\"\n"
        );
        for (name, versioning) in [("relay", "lead"), ("agent", "pinned")] {
            text += &format!(
                "[[repository]]\nid = {name:?}\npath = \"{name}/el/{{major}}/{{arch}}\"\n\
                 key_path = \"{name}/gpgkey\"\nkey_fingerprints = {pins:?}\n\
                 [[component]]\nname = {name:?}\ntitle = {name:?}\npackage = {name:?}\n\
                 repository = {name:?}\nversioning = {versioning:?}\n"
            );
        }
        fs::write(self.product(), text).unwrap();
    }

    /// Publishes this version of a package once more, with `text` wherever a packager may write.
    pub(crate) fn publish_hostile(&self, package: &str, distro: u32, version: &str, text: &str) {
        let bytes = self.package.hostile(package, version, text);
        self.publish_all(package, distro, vec![(version.to_owned(), bytes)]);
    }

    /// Publishes this version of a package alone, with so many bytes that do not compress.
    pub(crate) fn publish_large(&self, package: &str, distro: u32, version: &str, size: usize) {
        let mut content = vec![0; size];
        rand::thread_rng().fill_bytes(&mut content);
        let compression = rpm::CompressionType::None;
        let bytes = self
            .package
            .rpm_with(package, version, content, compression);
        self.publish_all(package, distro, vec![(version.to_owned(), bytes)]);
    }

    /// Publishes these versions of a package, each with a compression of its own.
    pub(crate) fn publish_packed(
        &self,
        package: &str,
        distro: u32,
        versions: &[(&str, rpm::CompressionType)],
    ) {
        let built = versions.iter().map(|(version, compression)| {
            let content = format!("{package} {version}\n").into_bytes();
            let bytes = self
                .package
                .rpm_with(package, version, content, *compression);
            ((*version).to_owned(), bytes)
        });
        self.publish_all(package, distro, built.collect());
    }

    /// Publishes this version of a package alone, without a signature.
    pub(crate) fn publish_unsigned(&self, package: &str, distro: u32, version: &str) {
        let bytes = self.package.rpm(package, version, "");
        let mut rpm = rpm::Package::parse(&mut bytes.as_slice()).unwrap();
        rpm.clear_signatures().unwrap();
        let mut bytes = Vec::new();
        rpm.write(&mut bytes).unwrap();
        self.publish_all(package, distro, vec![(version.to_owned(), bytes)]);
    }

    fn publish(&self, package: &str, distro: u32, versions: &[&str], mark: &str) {
        let built = versions.iter();
        let built = built.map(|v| ((*v).to_owned(), self.package.rpm(package, v, mark)));
        self.publish_all(package, distro, built.collect());
    }

    fn publish_all(&self, package: &str, distro: u32, versions: Vec<(String, Vec<u8>)>) {
        let leaf = self.path(&format!("{package}/el/{distro}/x86_64"));
        fs::create_dir_all(leaf.join("repodata")).unwrap();
        fs::write(
            self.path(&format!("{package}/gpgkey")),
            self.metadata.public(),
        )
        .unwrap();
        let (mut list, count) = (String::new(), versions.len());
        for (version, bytes) in versions {
            let file = format!("{package}-{version}-1.x86_64.rpm");
            list += &format!(
                "<package type=\"rpm\"><name>{package}</name><arch>x86_64</arch>\
                 <version epoch=\"0\" ver=\"{version}\" rel=\"1\"/>\
                 <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>\
                 <size package=\"{}\"/><location href=\"{file}\"/></package>\n",
                Sha256::of(&bytes),
                bytes.len()
            );
            fs::write(leaf.join(file), bytes).unwrap();
        }
        let primary = format!("<metadata packages=\"{count}\">\n{list}</metadata>\n");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(primary.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        fs::write(leaf.join("repodata/primary.xml.gz"), &packed).unwrap();
        let repomd = format!(
            "<repomd><revision>{REVISION}</revision><data type=\"primary\">\
             <checksum type=\"sha256\">{}</checksum>\
             <location href=\"repodata/primary.xml.gz\"/><size>{}</size>\
             <open-size>{}</open-size></data></repomd>\n",
            Sha256::of(&packed),
            packed.len(),
            primary.len()
        );
        fs::write(leaf.join("repodata/repomd.xml"), &repomd).unwrap();
        let signature = self.metadata.detached(repomd.as_bytes());
        fs::write(leaf.join("repodata/repomd.xml.asc"), signature).unwrap();
    }

    /// Publishes a package's versions again: other bytes under the same names, in signed metadata.
    pub(crate) fn push_again(&self, package: &str, distro: u32) {
        let versions = self.names_of(package, distro);
        let version = |name: &String| name.split('-').nth(1).map(ToOwned::to_owned);
        let versions: Vec<String> = versions.iter().filter_map(version).collect();
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        self.publish(package, distro, &versions, "pushed again");
    }

    /// What a repository publishes, by full name.
    pub(crate) fn names_of(&self, package: &str, distro: u32) -> Vec<String> {
        let files = names(&self.path(&format!("{package}/el/{distro}/x86_64")));
        let name = |file: String| Some(file.strip_suffix(".rpm")?.to_owned());
        files.into_iter().filter_map(name).collect()
    }

    /// Flips one byte of a published file, counted from its end.
    pub(crate) fn flip(&self, below: &str, from_end: usize) {
        let path = self.path(below);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, below: &str) {
        fs::remove_file(self.path(below)).unwrap();
    }

    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(below);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Names of everything in a directory; nothing if it is not there.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
