//! Which repositories a build reads, and from where.

use std::collections::BTreeSet;
use std::str::FromStr;

use manifests::nevra::Arch;
use manifests::product::{Distro, ProductManifest, Repository};
use url::Url;

use super::{RepoError, RepoErrorKind};

/// A repository for one distribution and architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSource {
    /// The product manifest's repository id.
    pub repository: String,
    /// The distribution.
    pub distro: String,
    /// The architecture.
    pub arch: Arch,
    /// Its address, ending in `/`.
    pub url: Url,
}

/// A place that replaces the product manifest's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// Replaces the start of every address.
    Base(String),
    /// Replaces the whole address of one repository; may hold `{major}` and `{arch}`.
    Repository {
        /// The repository's id.
        id: String,
        /// The address.
        url: String,
    },
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Not an address.
    #[error(
        "`{0}` is neither an http, https or file address nor a directory that begins with / or ."
    )]
    Address(String),
    /// User name or password inside an address.
    #[error("the address of `{0}` carries a user name or password")]
    Credentials(String),
    /// A repository that the product does not have.
    #[error("the product has no repository `{id}`; it has {known}")]
    Repository {
        /// As given.
        id: String,
        /// What exists.
        known: String,
    },
}

impl FromStr for Override {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((id, url)) if !id.contains([':', '/']) => Ok(Self::Repository {
                id: id.to_owned(),
                url: url.to_owned(),
            }),
            _ => Ok(Self::Base(text.to_owned())),
        }
    }
}

impl RepoSource {
    /// Returns the address of a file of the repository.
    pub(super) fn file(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path()));
        url
    }

    pub(super) fn error(&self, kind: RepoErrorKind) -> RepoError {
        RepoError {
            repository: self.repository.clone(),
            url: Box::new(self.url.clone()),
            kind,
        }
    }
}

/// Reads an address or a directory; an address with credentials is refused, so that none ever
/// reaches a lock or a log.
pub fn base_url(text: &str) -> Result<Url, SourceError> {
    if text.starts_with(['/', '.']) {
        return directory_url(text);
    }
    let slashed = format!("{}/", text.trim_end_matches('/'));
    let url = Url::parse(&slashed).map_err(|_| SourceError::Address(text.to_owned()))?;
    if !matches!(url.scheme(), "http" | "https" | "file") || url.query().is_some() {
        return Err(SourceError::Address(text.to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(SourceError::Credentials(host));
    }
    Ok(url)
}

/// A path begins with `/` or `.`, so that it is never taken for a host.
fn directory_url(text: &str) -> Result<Url, SourceError> {
    let absolute = std::path::absolute(text).ok();
    absolute
        .and_then(|path| Url::from_directory_path(path).ok())
        .ok_or_else(|| SourceError::Address(text.to_owned()))
}

/// Returns the address that all others begin with, unless a repository has its own.
pub fn base_address(product: &ProductManifest, overrides: &[Override]) -> Result<Url, SourceError> {
    base_url(base_of(product, overrides))
}

/// Returns where a repository's metadata keys for these distributions and architectures are
/// published: one address, unless it names them.
pub fn key_urls(
    product: &ProductManifest,
    repository: &Repository,
    overrides: &[Override],
    distros: &[&Distro],
    archs: &[Arch],
) -> Result<BTreeSet<Url>, SourceError> {
    let base = base_address(product, overrides)?;
    let targets = distros
        .iter()
        .flat_map(|distro| archs.iter().map(|arch| (*distro, *arch)));
    let url = |(distro, arch)| {
        let path = filled(&repository.key_path, distro, arch);
        base.join(&path).map_err(|_| SourceError::Address(path))
    };
    targets.map(url).collect()
}

/// Returns the sources of every given distribution and architecture.
pub fn sources_for(
    product: &ProductManifest,
    distros: &[&Distro],
    archs: &[Arch],
    overrides: &[Override],
) -> Result<Vec<RepoSource>, SourceError> {
    check_ids(product, overrides)?;
    let mut sources = Vec::new();
    for repository in &product.repositories {
        for distro in distros {
            for &arch in archs {
                let url = address(product, repository, distro, arch, overrides)?;
                sources.push(RepoSource {
                    repository: repository.id.clone(),
                    distro: distro.id.clone(),
                    arch,
                    url,
                });
            }
        }
    }
    Ok(sources)
}

fn address(
    product: &ProductManifest,
    repository: &Repository,
    distro: &Distro,
    arch: Arch,
    overrides: &[Override],
) -> Result<Url, SourceError> {
    let whole = overrides
        .iter()
        .rev()
        .find_map(|replacement| match replacement {
            Override::Repository { id, url } if *id == repository.id => Some(url.clone()),
            _ => None,
        });
    let template = whole.unwrap_or_else(|| {
        let base = base_of(product, overrides).trim_end_matches('/');
        format!("{base}/{}", repository.path)
    });
    base_url(&filled(&template, distro, arch))
}

fn filled(template: &str, distro: &Distro, arch: Arch) -> String {
    template
        .replace("{major}", &distro.major.to_string())
        .replace("{arch}", arch.as_str())
}

fn base_of<'a>(product: &'a ProductManifest, overrides: &'a [Override]) -> &'a str {
    overrides
        .iter()
        .rev()
        .find_map(|replacement| match replacement {
            Override::Base(url) => Some(url.as_str()),
            Override::Repository { .. } => None,
        })
        .unwrap_or(&product.base_url)
}

fn check_ids(product: &ProductManifest, overrides: &[Override]) -> Result<(), SourceError> {
    let known: Vec<&str> = product.repositories.iter().map(|r| r.id.as_str()).collect();
    for replacement in overrides {
        if let Override::Repository { id, .. } = replacement
            && !known.contains(&id.as_str())
        {
            return Err(SourceError::Repository {
                id: id.clone(),
                known: known.join(", "),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use manifests::product::TYK;

    use super::*;

    #[test]
    fn addresses_follow_the_template_and_the_overrides() {
        let tyk = ProductManifest::from_toml(TYK).unwrap();
        let el8 = tyk.distro("el8").unwrap();
        let plain = sources_for(&tyk, &[el8], &[Arch::X86_64], &[]).unwrap();
        assert_eq!(
            plain[0].url.as_str(),
            "https://packagecloud.io/tyk/tyk-gateway/el/8/x86_64/"
        );
        let overrides: Vec<Override> = ["file:///mirror", "tyk-pump=http://m:8080/pump/{major}"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let replaced = sources_for(&tyk, &[el8], &[Arch::X86_64], &overrides).unwrap();
        assert_eq!(
            replaced[0].url.as_str(),
            "file:///mirror/tyk-gateway/el/8/x86_64/"
        );
        assert_eq!(replaced[2].url.as_str(), "http://m:8080/pump/8/");
    }

    #[test]
    fn a_key_has_one_address_unless_the_address_names_the_target() {
        let tyk = ProductManifest::from_toml(TYK).unwrap();
        let distros = ["el8", "el9"].map(|id| tyk.distro(id).unwrap());
        let archs = [Arch::X86_64, Arch::Aarch64];
        let mirror: Override = "file:///mirror".parse().unwrap();
        let urls = |repository: &Repository| {
            let overrides = std::slice::from_ref(&mirror);
            let urls = key_urls(&tyk, repository, overrides, &distros, &archs).unwrap();
            urls.into_iter().map(String::from).collect::<Vec<_>>()
        };
        let mut repository = tyk.repositories[0].clone();
        assert_eq!(urls(&repository), ["file:///mirror/tyk-gateway/gpgkey"]);
        repository.key_path = "https://host/{major}/key".to_owned();
        assert_eq!(
            urls(&repository),
            ["https://host/8/key", "https://host/9/key"]
        );
        repository.key_path = "https://host/{major}/{arch}/key".to_owned();
        assert_eq!(urls(&repository).len(), 4);
    }

    #[test]
    fn directories_are_addresses_too() {
        assert_eq!(
            base_url("/srv/my mirror").unwrap().as_str(),
            "file:///srv/my%20mirror/"
        );
        let here = base_url("./mirror/").unwrap();
        assert!(here.as_str().starts_with("file:///") && here.as_str().ends_with("/mirror/"));
        let whole: Override = "tyk-pump=/srv/pump/{major}".parse().unwrap();
        let tyk = ProductManifest::from_toml(TYK).unwrap();
        let el8 = tyk.distro("el8").unwrap();
        let sources = sources_for(&tyk, &[el8], &[Arch::X86_64], &[whole]).unwrap();
        assert_eq!(sources[2].url.as_str(), "file:///srv/pump/8/");
    }

    #[test]
    fn credentials_and_strange_addresses_are_refused() {
        for bad in [
            "https://token@host/x",
            "https://u:p@host/",
            "ftp://host/",
            "host/x",
            "http://h/?t=1",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        let tyk = ProductManifest::from_toml(TYK).unwrap();
        let unknown = [Override::Repository {
            id: "nope".into(),
            url: "http://x/".into(),
        }];
        assert!(sources_for(&tyk, &[], &[], &unknown).is_err());
    }
}
