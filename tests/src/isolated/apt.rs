//! Where this machine gets its Debian packages from, as its own apt is configured.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab asks the machine's own apt"
)]

use std::process::Command;

use super::error::{HostError, Result};

const MIRROR_ENV: &str = "AIRGAP_LAB_DEBIAN_MIRROR";

/// A mirror and the proxy to reach it by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    pub uri: String,
    pub proxy: Option<String>,
}

/// Finds the mirror that apt uses for `suite`; `$AIRGAP_LAB_DEBIAN_MIRROR` comes first.
pub(super) fn mirror(suite: &'static str) -> Result<Mirror> {
    let uri = match std::env::var(MIRROR_ENV) {
        Ok(uri) => uri,
        Err(_) => configured_mirror(suite)?,
    };
    let scheme = if uri.starts_with("https:") {
        "https"
    } else {
        "http"
    };
    Ok(Mirror {
        uri,
        proxy: configured_proxy(scheme)?,
    })
}

fn configured_mirror(suite: &'static str) -> Result<String> {
    let targets = output_of(&[
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ])?;
    first_mirror(&targets, suite).ok_or(HostError::NoMirror {
        suite,
        hint: "add it, or name one in AIRGAP_LAB_DEBIAN_MIRROR",
    })
}

fn first_mirror(targets: &str, suite: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let uri = words.next()?;
        (words.next() == Some(suite) && words.next() == Some("main")).then(|| uri.to_owned())
    })
}

fn configured_proxy(scheme: &str) -> Result<Option<String>> {
    let name = format!("Acquire::{scheme}::Proxy");
    let shell = output_of(&["apt-config", "--format", "%v%n", "dump", &name])?;
    let proxy = shell.lines().next().unwrap_or_default().trim();
    Ok((!proxy.is_empty() && proxy != "DIRECT").then(|| proxy.to_owned()))
}

fn output_of(argv: &[&str]) -> Result<String> {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .output()
        .map_err(|source| HostError::Spawn {
            argv: argv.join(" "),
            source,
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::first_mirror;

    #[test]
    fn takes_the_main_component_of_the_suite_itself() {
        let targets = "\
http://tools.example/apt cloud-bookworm main
http://mirror.example/debian-security/ bookworm-security main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm main
";
        assert_eq!(
            first_mirror(targets, "bookworm").as_deref(),
            Some("http://mirror.example/debian/")
        );
        assert_eq!(first_mirror(targets, "trixie"), None);
    }
}
