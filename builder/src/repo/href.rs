//! Location hrefs, which come from a repository and must stay below it.

use manifests::percent;
use url::Url;

/// An href that leaves its repository or is no file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it lists the location {href:?}: {reason}")]
pub struct BadHref {
    href: String,
    reason: &'static str,
}

impl BadHref {
    pub(super) fn new(href: &str, reason: &'static str) -> Self {
        Self {
            href: href.chars().take(200).collect(),
            reason,
        }
    }
}

/// Returns the address of `href` below `base`. Only plain relative paths are accepted: hrefs with
/// `..` occurred in packagecloud's own index.
pub(super) fn join(base: &Url, href: &str) -> Result<Url, BadHref> {
    let refuse = |reason| Err(BadHref::new(href, reason));
    if href.is_empty() || href.len() > 1024 {
        return refuse("it is empty or too long");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+~^-%".contains(c);
    if !href.chars().all(plain) {
        return refuse("it is not a plain relative path");
    }
    let Some(decoded) = percent::decoded(href) else {
        return refuse("its percent signs encode nothing readable");
    };
    let decoded: String = decoded.into_iter().map(char::from).collect();
    if !decoded.chars().all(|c| plain(c) && c != '%') {
        return refuse("it hides characters behind percent signs");
    }
    let safe = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !decoded.split('/').all(safe) {
        return refuse("it does not stay below the repository");
    }
    match base.join(href) {
        Ok(url) if url.as_str().starts_with(base.as_str()) => Ok(url),
        _ => refuse("it does not stay below the repository"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_below_the_repository() {
        let base: Url = "https://host/tyk/el/8/x86_64/".parse().unwrap();
        for href in [
            "a-1-1.x86_64.rpm",
            "Packages/a/a-1-1.x86_64.rpm",
            "a-1~rc1-1^git.x86_64.rpm",
            "a-1%2Bb-1.rpm",
        ] {
            assert!(
                join(&base, href)
                    .unwrap()
                    .as_str()
                    .starts_with(base.as_str()),
                "{href}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let base: Url = "https://host/tyk/el/8/x86_64/".parse().unwrap();
        for href in [
            "",
            "/etc/passwd",
            "../x.rpm",
            "a/../../x.rpm",
            "a//b.rpm",
            "./x.rpm",
            "https://elsewhere/x.rpm",
            "//elsewhere/x.rpm",
            "file:///etc/passwd",
            "%2e%2e/x.rpm",
            "a%2f..%2f..%2fx.rpm",
            "a\\..\\x.rpm",
            "x.rpm?token=1",
            "x.rpm#a",
            "a b.rpm",
            "a%zz.rpm",
            "a%00.rpm",
        ] {
            assert!(join(&base, href).is_err(), "{href:?}");
        }
    }
}
