//! A bundle of the fixture vendor's packages, built once by the real builder, for all processes of a run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lab::program;
use lab::vendor::{Fixtures, Product, Vendor, VendorOptions};

/// A title that would ask the network, run and change colours if it were markup.
pub(crate) const TITLE: &str = "Tyk <img src=\"http://127.0.0.1:9/title\"><script>document.title = 'run'\
                                </script><style>@import url(http://127.0.0.1:9/style)</style>\u{202e}";

/// Written when the directory is complete.
const COMPLETE: &str = "complete";

/// A directory with `bundle.tar.zst`, what is beside it, and `docs/` out of it.
pub(crate) fn unpacked() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(built_once)
}

/// Builds it, unless another process of the same run has done so. A bundle of an earlier run is
/// removed.
fn built_once() -> PathBuf {
    let top = Path::new(env!("CARGO_TARGET_TMPDIR")).join("evidence");
    std::fs::create_dir_all(&top).unwrap();
    let lock = std::fs::File::create(top.join("lock")).unwrap();
    lock.lock().unwrap();
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    let dir = top.join(format!("run-{run}"));
    if dir.join(COMPLETE).exists() {
        return dir;
    }
    for entry in std::fs::read_dir(&top).unwrap() {
        let left = entry.unwrap().path();
        if left.is_dir() {
            std::fs::remove_dir_all(left).unwrap();
        }
    }
    build(&dir);
    std::fs::write(dir.join(COMPLETE), "").unwrap();
    dir
}

/// Returns a document of the bundle.
pub(crate) fn document(name: &str) -> PathBuf {
    unpacked().join("docs").join(name)
}

fn build(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let fixtures = Fixtures::prepare().unwrap();
    let vendor = Vendor::start(&fixtures, VendorOptions::default()).unwrap();
    let mut product = fixtures.product(Product::Tyk, &vendor.base_url()).unwrap();
    TITLE.clone_into(&mut product.title);
    let text = toml::to_string(&product).unwrap();
    std::fs::write(dir.join("product.toml"), text).unwrap();
    // The installer does not matter here; any program can be carried.
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
        .current_dir(dir)
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
        .current_dir(dir)
        .status()
        .unwrap();
    assert!(unpack.success());
}
