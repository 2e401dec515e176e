//! A bundle of the fixture vendor's packages, built once by the real builder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lab::program;
use lab::vendor::{Fixtures, Product, Vendor, VendorOptions};

/// A title that would ask the network, run and change colours if it were markup.
pub(crate) const TITLE: &str = "Tyk <img src=\"http://127.0.0.1:9/title\"><script>document.title = 'run'\
                                </script><style>@import url(http://127.0.0.1:9/style)</style>\u{202e}";

/// A directory with `bundle.tar.zst`, what is beside it, and `docs/` out of it.
pub(crate) fn unpacked() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// Returns a document of the bundle.
pub(crate) fn document(name: &str) -> PathBuf {
    unpacked().join("docs").join(name)
}

fn build() -> PathBuf {
    // Nothing drops a static: the next run clears the place.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("evidence");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let fixtures = Fixtures::prepare().unwrap();
    let vendor = Vendor::start(&fixtures, VendorOptions::default()).unwrap();
    let mut product = fixtures.product(Product::Tyk, &vendor.base_url()).unwrap();
    TITLE.clone_into(&mut product.title);
    let text = toml::to_string(&product).unwrap();
    std::fs::write(dir.join("product.toml"), text).unwrap();
    // The installer is not what is looked at; any program can be carried.
    let installer = "x86_64=/usr/bin/true";
    let request = ["--version", "5.3", "--distro", "el7,el8", "--from", "5.2"];
    let output = Command::new(program::built("builder", "bundle").unwrap())
        .args([
            "build",
            "--product",
            "product.toml",
            "--installer",
            installer,
        ])
        .args(request)
        .current_dir(&dir)
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .env("XDG_CACHE_HOME", dir.join("cache"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let unpack = Command::new("tar")
        .args(["-I", "zstd", "-xf", "bundle.tar.zst"])
        .current_dir(&dir)
        .status()
        .unwrap();
    assert!(unpack.success());
    dir
}
