//! docs/runbook-keys.md as written: every block of the builder's side, on its machine.

#![expect(
    clippy::disallowed_methods,
    reason = "a test makes machines, and runs their shells"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::text;
use crate::vendor::{Vendor, names};

const RUNBOOK: &str = include_str!("../../../docs/runbook-keys.md");
const STICK: &str = "/media/stick";

/// A block with its machine and the line it begins at.
struct Block {
    machine: String,
    line: usize,
    script: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (line, words) in RUNBOOK.lines().enumerate() {
        if let Some(mark) = words.strip_prefix("```") {
            open = !open;
            if open {
                let machine = mark.strip_prefix("sh ").expect("a block names its machine");
                blocks.push(Block {
                    machine: machine.to_owned(),
                    line: line + 1,
                    script: String::new(),
                });
            }
        } else if open {
            let block = blocks.last_mut().unwrap();
            block.script.push_str(words);
            block.script.push('\n');
        }
    }
    assert!(!open, "the last block is not closed");
    blocks
}

/// `bundle` with the fixture's product where the document builds the embedded one.
fn wrapper(directory: &Path, vendor: &Vendor) -> PathBuf {
    let bin = directory.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != build ] || set -- \"$@\" --product '{}' --without-installer x86_64\n\
         exec '{}' \"$@\"\n",
        vendor.product().display(),
        env!("CARGO_BIN_EXE_bundle")
    );
    std::fs::write(bin.join("bundle"), script).unwrap();
    std::fs::set_permissions(bin.join("bundle"), std::fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

#[test]
fn the_runbook_runs_as_it_stands() {
    let (vendor, place) = (Vendor::new(), tempfile::tempdir().unwrap());
    let stick = place.path().join("stick");
    std::fs::create_dir(&stick).unwrap();
    let bin = wrapper(place.path(), &vendor);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut ran = 0;
    for block in blocks().into_iter().filter(|block| block.machine != "host") {
        let home = place.path().join("machines").join(&block.machine);
        std::fs::create_dir_all(&home).unwrap();
        let script = block.script.replace(STICK, text(&stick));
        let output = Command::new("sh")
            .args(["-euc", &script])
            .env_clear()
            .env("PATH", &path)
            .env("HOME", &home)
            .env("BUNDLE_KEY_PASSPHRASE", format!("of {}", block.machine))
            .current_dir(&home)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "line {} of the runbook, on {}:\n{}{}",
            block.line,
            block.machine,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ran += 1;
    }
    assert!(ran > 30, "{ran} blocks ran");
    // The files that the host blocks name are ready to be carried.
    let exported = names(&stick.join("to-host"));
    for block in blocks().iter().filter(|block| block.machine == "host") {
        let words = block.script.split_whitespace();
        let named = words.filter_map(|word| word.strip_prefix("to-host/"));
        for name in named {
            assert!(
                exported.iter().any(|file| file == name),
                "{name}: {exported:?}"
            );
        }
    }
    let newest = std::fs::read(stick.join("trust/root.6.json")).unwrap();
    let newest = manifests::trust::TrustRoot::parse(&newest).unwrap();
    assert_eq!(newest.document().release.threshold, 2);
    assert_eq!(newest.document().revoked.len(), 2);
}
