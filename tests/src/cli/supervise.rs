//! The supervisor of one host: owns it, follows its reboots, removes it when it is switched off.

#![expect(
    clippy::disallowed_methods,
    reason = "the marker of a power cycle is a real file"
)]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::isolated::{ElMajor, Ending, HostOptions, Image, IsolatedHost, baseline, cache};
use lab::vendor::Fixtures;

use super::host::StartArgs;

const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// While this file is there, a host that goes down is switched on again.
pub(super) fn power_cycle_marker(name: &str) -> PathBuf {
    cache::directory().join(format!("{name}.power-cycle"))
}

pub(super) fn own_host(args: &StartArgs) -> Result<()> {
    let image = layered(Image::prepare()?, args.layer.as_deref())?;
    let major = ElMajor::from_number(args.major).context("not a version of Enterprise Linux")?;
    let options = HostOptions {
        exact_name: true,
        ..HostOptions::named(&args.name).os_major(major)
    };
    let mut host = IsolatedHost::boot(&image, options)?;
    loop {
        match host.wait_down(LOOK_AGAIN)? {
            None => {}
            Some(Ending::AskedForReboot) => host.boot_again()?,
            Some(Ending::PoweredOff) => {
                if std::fs::remove_file(power_cycle_marker(&args.name)).is_err() {
                    return Ok(());
                }
                host.boot_again()?;
            }
        }
    }
}

fn layered(image: Image, layer: Option<&str>) -> Result<Image> {
    let Some(layer) = layer else {
        return Ok(image);
    };
    let version = layer
        .strip_prefix("tyk-")
        .with_context(|| format!("no layer {layer}; there are tyk-VERSION layers"))?;
    baseline::tyk_image(&image, &Fixtures::prepare()?, version)
}
