//! What a machine needs beside its disk: the distribution's cloud kernel, and a first root of busybox
//! and a few modules that finds the disk.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab unpacks packages into its cache"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use walkdir::WalkDir;

use crate::isolated::HostError;
use crate::isolated::cache::{directory_once, key};

/// Depends on the package of the kernel that is current.
const KERNEL: &str = "linux-image-cloud-amd64";
const BUSYBOX: &str = "busybox-static";
const INIT: &str = include_str!("guest/init.sh");
const EXECUTABLE: u32 = 0o755;

/// Relative to the kernel's module directory; `init.sh` knows the order in which they are loaded.
const MODULES: [&str; 7] = [
    "drivers/block/virtio_blk.ko",
    "drivers/char/virtio_console.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_ring.ko",
];

/// Bumped when the making changes.
const VERSION: &str = "1";

/// A kernel and its first root, in the cache.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) kernel: PathBuf,
    pub(super) first_root: PathBuf,
    pub(super) key: String,
}

impl Parts {
    /// Gives them, from the cache or fetched now with the machine's apt.
    pub(super) fn prepare() -> Result<Self> {
        let mut recipe = vec![VERSION, KERNEL, BUSYBOX, INIT];
        recipe.extend(MODULES);
        let key = key(&recipe);
        let directory = directory_once(&format!("vm-parts-{key}"), |partial| {
            make(partial).map_err(|error| HostError::Layer {
                name: "vm-parts".to_owned(),
                source: error.into(),
            })
        })?;
        Ok(Self {
            kernel: directory.join("kernel"),
            first_root: directory.join("first-root"),
            key,
        })
    }
}

fn make(directory: &Path) -> Result<()> {
    let unpacked = directory.join("unpacked");
    fetch(&unpacked).or_else(|_| {
        // The package lists may be missing or old.
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        fetch(&unpacked)
    })?;
    let kernel = find(&unpacked.join("boot"), "vmlinuz-")?;
    fs::rename(&kernel, directory.join("kernel"))?;
    let tree = directory.join("tree");
    lay_out(&unpacked, &tree)?;
    let pack = r#"cd "$1" && find . | "$0" cpio -o -H newc >"$2""#;
    run(Command::new("sh")
        .args(["-c", pack])
        .arg(tree.join("bin/busybox"))
        .arg(&tree)
        .arg(directory.join("first-root")))?;
    fs::remove_dir_all(&tree)?;
    Ok(fs::remove_dir_all(&unpacked)?)
}

/// Downloads the packages and unpacks them, without installing anything on this machine.
fn fetch(unpacked: &Path) -> Result<()> {
    let kernel = current_kernel()?;
    fs::create_dir_all(unpacked)?;
    run(Command::new("apt-get")
        .args(["download", "-qq", "-o", "APT::Sandbox::User=root"])
        .args([&kernel, BUSYBOX])
        .current_dir(unpacked))?;
    for package in [&kernel, BUSYBOX] {
        let file = find(unpacked, &format!("{package}_"))?;
        run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(unpacked))?;
    }
    Ok(())
}

fn current_kernel() -> Result<String> {
    let said = run(Command::new("apt-cache").args(["depends", "--important", KERNEL]))?;
    said.lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .map(str::to_owned)
        .with_context(|| format!("apt knows no {KERNEL}"))
}

fn lay_out(unpacked: &Path, tree: &Path) -> Result<()> {
    for directory in ["bin", "dev", "lib", "proc", "root", "sys"] {
        fs::create_dir_all(tree.join(directory))?;
    }
    fs::copy(unpacked.join("bin/busybox"), tree.join("bin/busybox"))?;
    let modules = find(&unpacked.join("lib/modules"), "")?.join("kernel");
    for module in MODULES {
        let from = modules.join(module);
        let name = from.file_name().unwrap_or_default();
        fs::copy(&from, tree.join("lib").join(name))
            .with_context(|| format!("the kernel has no module {module}"))?;
    }
    let init = tree.join("init");
    fs::write(&init, INIT)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(EXECUTABLE);
    Ok(fs::set_permissions(&init, mode)?)
}

/// The entry of `directory` whose name starts with `prefix`.
fn find(directory: &Path, prefix: &str) -> Result<PathBuf> {
    WalkDir::new(directory)
        .min_depth(1)
        .max_depth(1)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(walkdir::DirEntry::into_path)
        .with_context(|| format!("there is no {prefix}* in {}", directory.display()))
}

/// Runs a program of this machine that has to succeed, and gives what it printed.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{name} failed with {}: {}",
        output.status,
        said.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
