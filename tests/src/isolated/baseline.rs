//! A host as its administrators run it before an upgrade: the vendor's packages installed, their
//! configuration edited by hand, the services up.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::cache::hex;
use super::guest::Guest;
use super::image::Image;
use crate::vendor::Fixtures;

const START_DEADLINE: Duration = Duration::from_mins(2);
const ARCH: &str = "x86_64";

/// Bumped when what is edited below changes.
const EDITS_VERSION: &str = "2";

/// The pump has its own version line: the pump that was current beside each gateway.
const PUMP_BESIDE: &[(&str, &str)] = &[
    ("5.0.", "1.8.2"),
    ("5.2.", "1.8.3"),
    ("5.3.", "1.9.0"),
    ("5.4.", "1.10.0"),
    ("5.8.", "1.12.0"),
];

/// The services of the product, with the port and path that answer when each is well.
const SERVICES: &[(&str, u16, &str)] = &[
    ("tyk-gateway.service", 8080, "/hello"),
    ("tyk-dashboard.service", 3000, "/hello"),
    ("tyk-pump.service", 8083, "/health"),
];

/// What an administrator changed: file, vendor's text, local text. `pump.conf` is left as it came,
/// so that an unedited file is there too.
const EDITS: &[(&str, &str, &str)] = &[
    (
        "/opt/tyk-gateway/tyk.conf",
        r#""secret": "352d20ee67be67f6340b4c0605b044b7""#,
        r#""secret": "changed-by-the-administrator""#,
    ),
    (
        "/opt/tyk-gateway/tyk.conf",
        r#""enable_analytics": false"#,
        r#""enable_analytics": true"#,
    ),
    (
        "/opt/tyk-dashboard/tyk_analytics.conf",
        r#""Secret": "352d20ee67be67f6340b4c0605b044b7""#,
        r#""Secret": "changed-by-the-administrator""#,
    ),
    (
        "/opt/tyk-dashboard/tyk_analytics.conf",
        r#""license_key": """#,
        r#""license_key": "the-licence-of-this-site""#,
    ),
    // Without a database, unless the host gets one (`lab::stores`).
    (
        "/opt/tyk-dashboard/tyk_analytics.conf",
        r#""mongo_url": "mongodb://localhost/tyk_analytics""#,
        r#""mongo_url": """#,
    ),
];
const CONFIG_MODE: u32 = 0o660;

/// A file that no package owns and no upgrade may lose.
const LOCAL_API: (&str, &str) = (
    "/opt/tyk-gateway/apps/orders.json",
    r#"{ "name": "Orders", "api_id": "orders", "active": true }"#,
);

/// Installs gateway, dashboard and pump of a version on a running host, edits their configuration
/// and waits until all three answer.
pub fn install_tyk(guest: &Guest, fixtures: &Fixtures, version: &str) -> Result<()> {
    let mut install = vec!["rpm".to_owned(), "-U".to_owned()];
    for rpm in tyk_rpms(fixtures, version, &distro(guest)?)? {
        let name = rpm.file_name().context("an RPM without a name")?;
        let inside = format!("/root/{}", name.display());
        guest.copy_in(&rpm, &inside, 0o644)?;
        install.push(inside);
    }
    guest.check(&install)?;
    install[2..].iter().try_for_each(|rpm| guest.remove(rpm))?;
    for (path, vendors, local) in EDITS {
        edit(guest, path, vendors, local)?;
    }
    guest.write(LOCAL_API.0, LOCAL_API.1, 0o644)?;
    for (unit, ..) in SERVICES {
        guest.check(&["systemctl", "restart", unit])?;
    }
    wait_for_tyk(guest, START_DEADLINE)
}

/// Waits until every service of the product is active and answers.
pub fn wait_for_tyk(guest: &Guest, deadline: Duration) -> Result<()> {
    for (unit, port, path) in SERVICES {
        guest.wait_until(&format!("{unit} answering"), deadline, |guest| {
            // Asking systemd starts a program, so it comes last.
            Ok(guest.http_get(*port, path)?.0 == 200 && guest.unit(unit)?.is_active())
        })?;
    }
    Ok(())
}

/// The image with [`install_tyk`] done, from the cache or made now.
pub fn tyk_image(image: &Image, fixtures: &Fixtures, version: &str) -> Result<Image> {
    let mut recipe = Sha256::new();
    recipe.update(EDITS_VERSION);
    for rpm in tyk_rpms(fixtures, version, "el8")? {
        let bytes =
            std::fs::read(&rpm).with_context(|| format!("cannot read {}", rpm.display()))?;
        recipe.update(Sha256::digest(bytes));
    }
    let recipe = hex(&recipe.finalize());
    let layer = image.layer(&format!("tyk-{version}"), &recipe, |host| {
        install_tyk(host, fixtures, version)
    })?;
    Ok(layer)
}

fn tyk_rpms(fixtures: &Fixtures, version: &str, distro: &str) -> Result<[PathBuf; 3]> {
    let pump = PUMP_BESIDE
        .iter()
        .find_map(|(line, pump)| version.starts_with(line).then_some(*pump))
        .with_context(|| format!("no pump is known beside {version}"))?;
    Ok([
        fixtures.rpm("tyk-gateway", version, distro, ARCH)?,
        fixtures.rpm("tyk-dashboard", version, distro, ARCH)?,
        fixtures.rpm("tyk-pump", pump, distro, ARCH)?,
    ])
}

fn distro(guest: &Guest) -> Result<String> {
    let major = guest.check(&["sh", "-c", ". /etc/os-release; echo el$VERSION_ID"])?;
    Ok(major.trim().to_owned())
}

fn edit(guest: &Guest, path: &str, vendors: &str, local: &str) -> Result<()> {
    let text = String::from_utf8(guest.read(path)?)?;
    ensure!(text.contains(vendors), "{path} does not say {vendors}");
    Ok(guest.write(path, text.replace(vendors, local), CONFIG_MODE)?)
}
