//! Builds one RPM with `nfpm`, the packager that the vendor uses.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::command::run;
use super::recipe::{Artifact, LIBRARY, Package, Product, ScriptletFault, Variant};
use super::service;

/// The packager's version; another may write other bytes.
pub(crate) const NFPM_VERSION: &str = "2.48.0";

/// Where the files of the packages stand.
pub(crate) fn fixture_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vendor")
}

/// What is the same for every package.
#[derive(Debug)]
pub(crate) struct Workshop<'a> {
    pub(crate) nfpm: &'a Path,
    /// The compiled fixture service.
    pub(crate) image: &'a [u8],
    /// Holds the secret package keys.
    pub(crate) keys: &'a Path,
    /// Holds what is made on the way.
    pub(crate) scratch: &'a Path,
    /// Takes the RPMs.
    pub(crate) rpms: &'a Path,
}

impl Workshop<'_> {
    pub(crate) fn build(&self, artifact: &Artifact) -> Result<()> {
        let target = self.rpms.join(artifact.path());
        let scratch = self.scratch.join(artifact.path());
        fs::create_dir_all(&scratch)?;
        if let Some(dir) = target.parent() {
            fs::create_dir_all(dir)?;
        }
        let config = self.config(artifact, &scratch)?;
        let config_file = scratch.join("nfpm.json");
        fs::write(&config_file, config.to_string())?;
        run(Command::new(self.nfpm)
            .args(["package", "--packager", "rpm", "--config"])
            .arg(&config_file)
            .arg("--target")
            .arg(&target))
        .with_context(|| format!("cannot build {}", artifact.path()))
        .map(drop)
    }

    /// The packager's configuration: JSON, which is YAML too.
    fn config(&self, artifact: &Artifact, scratch: &Path) -> Result<Value> {
        let scripts = Scripts::render(artifact, scratch)?;
        let mut rpm =
            json!({ "packager": "Lab <lab@example.org>", "buildhost": "build.example.org" });
        rpm["scripts"] = json!({
            "pretrans": scripts.get("pretrans"),
            "posttrans": scripts.get("posttrans"),
        });
        if let Some(key) = signing_key(artifact, self.keys) {
            rpm["signature"] = json!({ "key_file": key });
        }
        let hour = artifact.build.hour;
        let later = u8::from(artifact.variant == Some(Variant::Repushed));
        let mtime = format!("{}T{:02}:00:00Z", artifact.release.date, hour + later);
        Ok(json!({
            "name": artifact.package.name,
            "arch": if artifact.arch == "x86_64" { "amd64" } else { "arm64" },
            "platform": "linux",
            "version": artifact.release.version,
            "release": "1",
            "vendor": match artifact.package.product {
                Product::Tyk => "Tyk Technologies Ltd (lab)",
                Product::Acme => "Acme (lab)",
            },
            "maintainer": "Lab <lab@example.org>",
            "homepage": "https://example.org",
            "description": artifact.package.description,
            "mtime": mtime,
            "depends": artifact.release.needs,
            "rpm": rpm,
            "scripts": {
                "preinstall": scripts.get("pre"),
                "postinstall": scripts.get("post"),
                "preremove": scripts.get("preun"),
                "postremove": scripts.get("postun"),
            },
            "contents": self.contents(artifact, scratch, &scripts, &mtime)?,
        }))
    }

    fn contents(
        &self,
        artifact: &Artifact,
        scratch: &Path,
        scripts: &Scripts,
        mtime: &str,
    ) -> Result<Vec<Value>> {
        let package = artifact.package;
        let mut files = layered_files(artifact)?;
        let program = scratch.join("program");
        if package.role == LIBRARY {
            fs::write(
                &program,
                format!("#!/bin/sh\necho {}\n", artifact.file_name()),
            )?;
        } else {
            fs::write(&program, service::program(self.image, artifact))?;
        }
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        files.insert(package.binary.to_owned(), program);
        files.extend(scripts.installed_copies(package));
        let mut contents = Vec::new();
        for (destination, source) in files {
            let mode = fs::metadata(&source)?.permissions().mode() & 0o755;
            let mut entry = json!({
                "src": source,
                "dst": destination,
                "file_info": { "mode": mode, "owner": "root", "group": "root", "mtime": mtime },
            });
            if destination == package.config {
                entry["type"] = json!("config|noreplace");
            }
            contents.push(entry);
        }
        if let Some((link, target)) = package.link {
            contents.push(json!({ "src": target, "dst": link, "type": "symlink" }));
        }
        Ok(contents)
    }
}

fn signing_key(artifact: &Artifact, keys: &Path) -> Option<PathBuf> {
    let name = match artifact.variant {
        Some(Variant::Unsigned) => return None,
        Some(Variant::ForeignKey) => "stranger".to_owned(),
        Some(Variant::Repushed) | None => format!("package-{}", artifact.package.product.name()),
    };
    Some(super::keys::secret_file(keys, &name))
}

/// Rendered scriptlets, unit and init script, by template name.
#[derive(Debug)]
struct Scripts(BTreeMap<&'static str, PathBuf>);

impl Scripts {
    fn render(artifact: &Artifact, scratch: &Path) -> Result<Self> {
        let package = artifact.package;
        let templates = fixture_dir().join(package.product.name());
        let unit = format!("{}.service", package.name);
        let mut rendered = BTreeMap::new();
        if package.role == LIBRARY {
            return Ok(Self(rendered));
        }
        for name in [
            "pre",
            "post",
            "preun",
            "postun",
            "posttrans",
            "init",
            "unit",
        ] {
            let file = if name == "unit" {
                unit.clone()
            } else {
                format!("{name}.sh")
            };
            let template = templates.join(&file);
            if !template.exists() {
                continue;
            }
            let text = fill(&fs::read_to_string(&template)?, name, artifact)
                .with_context(|| format!("in the template {}", template.display()))?;
            let path = scratch.join(&file);
            fs::write(&path, text)?;
            let mode = if name == "unit" { 0o644 } else { 0o755 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            rendered.insert(name, path);
        }
        // The vendor does not have these scriptlets: they are there only to fail.
        for name in ["pretrans", "preun"] {
            let fault = fault(name, artifact);
            if !fault.is_empty() && !rendered.contains_key(name) {
                let path = scratch.join(format!("{name}.sh"));
                fs::write(&path, format!("#!/bin/sh\n{fault}\n"))?;
                rendered.insert(name, path);
            }
        }
        Ok(Self(rendered))
    }

    fn get(&self, name: &str) -> Option<&PathBuf> {
        self.0.get(name)
    }

    /// The unit and the init script, and the copies of both and of the scriptlets that the vendor
    /// ships below `install/`.
    fn installed_copies(&self, package: &Package) -> Vec<(String, PathBuf)> {
        let name = package.name;
        let mut copies = Vec::new();
        for (template, source) in &self.0 {
            let source = || source.clone();
            let helper = match *template {
                "unit" => {
                    copies.push((format!("{}/{name}.service", package.unit_dir), source()));
                    format!("inits/systemd/system/{name}.service")
                }
                "init" => {
                    copies.push((format!("/etc/init.d/{name}"), source()));
                    format!("inits/sysv/init.d/{name}")
                }
                "pre" => "before_install.sh".to_owned(),
                "post" => "post_install.sh".to_owned(),
                "postun" => "post_remove.sh".to_owned(),
                "posttrans" => "post_trans.sh".to_owned(),
                _ => continue,
            };
            if package.product == Product::Tyk {
                copies.push((format!("/opt/{name}/install/{helper}"), source()));
            }
        }
        copies
    }
}

/// The lines with which a release's scriptlet fails, or nothing.
fn fault(name: &str, artifact: &Artifact) -> &'static str {
    match (name, artifact.release.fault) {
        ("pretrans", Some(ScriptletFault::Pretrans)) => "echo 'not on this host' >&2\nexit 1",
        ("pre", Some(ScriptletFault::Pre)) => "echo 'unsupported configuration' >&2\nexit 1",
        ("post", Some(ScriptletFault::Post)) => "echo 'cannot convert the settings' >&2\nexit 3",
        ("preun", Some(ScriptletFault::Preun)) => "echo 'still in use' >&2\nexit 1",
        ("postun", Some(ScriptletFault::Postun)) => "echo 'cannot clean up' >&2\nexit 5",
        ("posttrans", Some(ScriptletFault::Posttrans)) => "echo 'cannot tidy up' >&2\nexit 4",
        _ => "",
    }
}

fn fill(template: &str, name: &str, artifact: &Artifact) -> Result<String> {
    let package = artifact.package;
    let text = template
        .replace("@NAME@", package.name)
        .replace("@VERSION@", artifact.release.version)
        .replace("@UNIT@", &format!("{}.service", package.name))
        .replace("@BINARY@", package.binary)
        .replace("@CONFIG@", package.config)
        .replace(
            "@CHANGE_OWNERSHIP@",
            if package.change_ownership {
                "yes"
            } else {
                "no"
            },
        )
        .replace("@FAULT@", fault(name, artifact));
    if text.contains("@NAME") || text.contains("@UNIT") {
        bail!("a placeholder is misspelt");
    }
    Ok(text)
}

/// The package's plain files: destination to source, later layers over earlier ones.
fn layered_files(artifact: &Artifact) -> Result<BTreeMap<String, PathBuf>> {
    let root = fixture_dir().join(artifact.package.name);
    let mut lines: Vec<(Vec<u32>, PathBuf)> = Vec::new();
    for entry in fs::read_dir(&root).with_context(|| format!("no {}", root.display()))? {
        let path = entry?.path();
        let line = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        lines.push((numbers(&line), path));
    }
    lines.sort();
    let version = numbers(artifact.release.version);
    let mut files = BTreeMap::new();
    for (_, layer) in lines.iter().filter(|(line, _)| *line <= version) {
        for source in files_below(layer)? {
            let relative = source.strip_prefix(layer)?.to_string_lossy().into_owned();
            if relative == "REMOVED" {
                for removed in fs::read_to_string(&source)?.lines() {
                    files
                        .remove(removed)
                        .with_context(|| format!("{removed} never existed"))?;
                }
            } else {
                files.insert(format!("/{relative}"), source);
            }
        }
    }
    Ok(files)
}

/// The numbers of a dotted version; `base` has none and so comes first.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Every file below a directory, in order.
pub(crate) fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entries = fs::read_dir(dir)
        .with_context(|| format!("cannot list {}", dir.display()))?
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}
