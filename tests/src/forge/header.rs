//! An RPM's header, read by rpm itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use manifests::digest::Sha256;
use manifests::evr::Evr;
use manifests::nevra::Nevra;
use manifests::package_files::{About, Dependency, PACKAGE_FILES_TYPE, PackageFiles, PackagedFile};

const FORMAT: &str = "P\\t%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{BUILDTIME}\\t\
     %{LONGSIZE}\\n[F\\t%{FILENAMES}\\t%{FILEMODES}\\t%{FILEUSERNAME}\\t%{FILEGROUPNAME}\\t\
     %{FILESIZES}\\t%{FILEFLAGS}\\t%{FILEDIGESTS}\\t%{FILELINKTOS}\\n][O\\t%{OBSOLETENEVRS}\\n]";

/// The parts of a header that a bundle repeats.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) build_time: u64,
    pub(super) files: PackageFiles,
}

/// Reads the header of an RPM.
pub(super) fn read(path: &Path, sha256: Sha256) -> Result<Header> {
    let output = Command::new("rpm")
        .args(["-qp", "--nosignature", "--qf", FORMAT])
        .arg(path)
        .output()?;
    ensure!(
        output.status.success(),
        "rpm cannot read {}",
        path.display()
    );
    let text = String::from_utf8(output.stdout)?;
    let (replaced, text): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with("O\t"));
    let replaced = replaced
        .into_iter()
        .map(|line| Dependency::parse(&line[2..]));
    let mut lines = text
        .into_iter()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().context("no answer")?;
    let [_, name, epoch, version, release, arch, build_time, size] = head[..] else {
        anyhow::bail!("an odd answer: {head:?}");
    };
    let nevra = Nevra::new(name, Evr::new(epoch.parse()?, version, release)?, arch)?;
    let files = PackageFiles {
        document: PACKAGE_FILES_TYPE.to_owned(),
        rpm: sha256,
        nevra,
        about: About::default(),
        installed_bytes: size.parse()?,
        compressor: "gzip".to_owned(),
        digest_algorithm: "sha256".to_owned(),
        files: lines.map(|fields| file(&fields)).collect::<Result<_>>()?,
        requires: Vec::new(),
        provides: Vec::new(),
        conflicts: Vec::new(),
        obsoletes: replaced.collect(),
        scriptlets: Vec::new(),
    };
    Ok(Header {
        build_time: build_time.parse()?,
        files,
    })
}

fn file(fields: &[&str]) -> Result<PackagedFile> {
    let [_, path, mode, user, group, size, flags, digest, link] = fields[..] else {
        anyhow::bail!("an odd file: {fields:?}");
    };
    let flags: u32 = flags.parse()?;
    Ok(PackagedFile {
        path: path.to_owned(),
        mode: mode.parse()?,
        user: user.to_owned(),
        group: group.to_owned(),
        size: size.parse()?,
        digest: digest.to_owned(),
        link: link.to_owned(),
        capabilities: String::new(),
        config: flags & 1 != 0,
        noreplace: flags & 16 != 0,
        ghost: flags & 64 != 0,
    })
}
