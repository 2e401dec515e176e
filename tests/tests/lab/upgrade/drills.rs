//! docs/runbook-keys.md as a drill: its blocks run on their machines, those for hosts on a real
//! one. In between, the tests try what a thief can do, and that it stops working.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::program;
use lab::vendor::{Product, Vendor, VendorOptions};
use manifests::digest::Sha256;

use crate::upgrade::support::{Site, say, site};

const RUNBOOK: &str = include_str!("../../../../docs/runbook-keys.md");
const STICK: &str = "/media/stick";
const BUNDLE: &str = "/root/bundle.tar.zst";

/// A block, the number of its section, and its machine.
struct Block {
    section: u32,
    machine: String,
    script: String,
}

fn blocks() -> Vec<Block> {
    let (mut blocks, mut section, mut open) = (Vec::<Block>::new(), 0, false);
    for line in RUNBOOK.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.split('.').next().unwrap().parse().unwrap();
        } else if let Some(mark) = line.strip_prefix("```") {
            open = !open;
            if open {
                let (machine, script) = (mark.replace("sh ", ""), String::new());
                blocks.push(Block {
                    section,
                    machine,
                    script,
                });
            }
        } else if open {
            let script = &mut blocks.last_mut().unwrap().script;
            script.push_str(line);
            script.push('\n');
        }
    }
    blocks
}

/// The people's desks, the stick that they carry between them, and the host at the end.
struct Drill {
    place: tempfile::TempDir,
    path: String,
    site: Site,
}

impl Drill {
    fn new(site: Site, vendor: &Vendor) -> Self {
        let place = tempfile::tempdir().unwrap();
        let product = site.fixtures.product_toml(Product::Tyk, &vendor.base_url());
        let named = place.path().join("product.toml");
        std::fs::write(&named, product.unwrap()).unwrap();
        std::fs::create_dir(place.path().join("stick")).unwrap();
        let bin = place.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        // The document builds the embedded product.
        let script = format!(
            "#!/bin/sh\n[ \"$1\" != build ] || set -- \"$@\" --product '{}' --without-installer x86_64\n\
             exec '{}' \"$@\"\n",
            named.display(),
            program::built("builder", "bundle").unwrap().display()
        );
        std::fs::write(bin.join("bundle"), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join("bundle"), executable).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Self { place, path, site }
    }

    fn stick(&self) -> PathBuf {
        self.place.path().join("stick")
    }

    fn bundle(&self) -> PathBuf {
        self.place.path().join("builder/bundle.tar.zst")
    }

    fn run(&self, block: &Block) {
        if block.machine == "host" {
            return self.run_on_host(&block.script);
        }
        let home = self.place.path().join(&block.machine);
        std::fs::create_dir_all(&home).unwrap();
        let script = block.script.replace(STICK, self.stick().to_str().unwrap());
        let output = Command::new("sh")
            .args(["-euc", &script])
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &home)
            .env("BUNDLE_KEY_PASSPHRASE", format!("of {}", block.machine))
            .current_dir(&home)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let Block {
            machine, section, ..
        } = block;
        assert!(
            output.status.success(),
            "section {section}, {machine}:\n{script}\n{said}"
        );
    }

    /// Carries the files that the document names and runs the block in `/root`.
    fn run_on_host(&self, script: &str) {
        self.carry(&self.bundle());
        let to_host = self.stick().join("to-host");
        for entry in std::fs::read_dir(&to_host).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let to = format!("/root/to-host/{name}");
            let file = to_host.join(&name);
            self.site.host.copy_in(&file, &to, 0o644).unwrap();
        }
        let mut words = script.split_whitespace();
        let named = words.find_map(|word| word.strip_prefix("to-host/"));
        let root = std::fs::read(to_host.join(named.unwrap())).unwrap();
        let script = script.replace("FINGERPRINT", &Sha256::of(&root).to_string());
        let script = format!("cd /root && {script}");
        let said = self.site.host.check(&["sh", "-euc", &script]);
        println!("{}", said.unwrap());
    }

    fn carry(&self, bundle: &Path) {
        self.site.host.copy_in(bundle, BUNDLE, 0o644).unwrap();
    }

    fn assert_refused(&self, bundle: &Path, why: &str) {
        self.carry(bundle);
        for args in [&["verify", BUNDLE][..], &[BUNDLE]] {
            let run = self.site.install(args);
            assert_eq!(run.code(), Some(3), "{}", run.stderr);
            assert!(run.stderr.contains(why), "no `{why}` in {}", run.stderr);
        }
    }
}

#[test]
fn rotation_and_theft_as_the_runbook_has_them() {
    let Some(site) = site("drills") else { return };
    let vendor = Vendor::start(&site.fixtures, VendorOptions::default()).unwrap();
    let drill = Drill::new(site, &vendor);
    let keep = |name: &str| {
        let kept = drill.place.path().join(name);
        std::fs::copy(drill.bundle(), &kept).unwrap();
        kept
    };
    let blocks = blocks();
    let play = |section: u32| {
        let begun = std::time::Instant::now();
        let of_section = || blocks.iter().filter(|block| block.section == section);
        assert!(of_section().count() > 3, "section {section}");
        of_section().for_each(|block| drill.run(block));
        say(&format!(
            "drill: section {section} of the runbook, {} blocks in {} s",
            of_section().count(),
            begun.elapsed().as_secs()
        ));
    };

    play(1);
    let first = keep("first");
    // Rotation: the host takes the new key from the first bundle it installs, and drops the old
    // one.
    play(3);
    let rotated = keep("rotated");
    drill.carry(&first);
    drill.site.must_install(&["verify", BUNDLE]);
    drill.carry(&rotated);
    drill.site.must_install(&[BUNDLE]);
    assert_eq!(drill.site.version(0).as_deref(), Some("5.3.2"));
    drill.assert_refused(&first, "may not sign any more since root version 2");
    // Theft: the stolen key signs for this host until the revocation arrives, and not after that.
    drill.carry(&rotated);
    drill.site.must_install(&["verify", BUNDLE]);
    play(4);
    drill.assert_refused(&rotated, "build machine broken into");
    play(5);
    play(6);
    let listed = drill.site.must_install(&["trust", "list"]).stdout;
    for words in ["version      5", "laptop of carol stolen"] {
        assert!(listed.contains(words), "no `{words}` in {listed}");
    }
}
