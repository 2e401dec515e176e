//! Sealed backups of a scene: the host has a file of recipients, and an operator who brings the
//! identity.

use std::sync::OnceLock;
use std::time::Duration;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use installer::backup::seal::{self, Identity, Kept, Recipients};
use installer::layout::Layout;
use installer::plan::InstallPlan;

use crate::fake::disk;

/// The operator's, made for this process.
static KEY: OnceLock<x25519::Identity> = OnceLock::new();
const IDENTITY: &str = "/root/identity";

/// Makes the site's file, and puts the identity where the operator has it.
pub(crate) fn install(layout: &Layout) {
    let key = KEY.get_or_init(x25519::Identity::generate);
    let recipient = format!("{}\n", key.to_public());
    let secret = format!("{}\n", key.to_string().expose_secret());
    let files = [
        (layout.backup_recipients(), recipient),
        (layout.at(IDENTITY), secret),
    ];
    for (path, text) in files {
        disk::write(&path, text.as_bytes(), 0o600, Duration::from_secs(1));
    }
}

/// Does for a new run what the command line does.
pub(crate) fn record(layout: &Layout, run: u64) -> Result<(), String> {
    let recipients = Recipients::of_site(layout).map_err(|error| error.to_string())?;
    seal::record(layout, run, &recipients)
}

/// Unseals the backup of the run that a plan undoes, if it is sealed.
pub(crate) fn unseal(layout: &Layout, run: u64, plan: &InstallPlan) -> Result<(), String> {
    let Some(undone) = plan.kind.earlier_run() else {
        return Ok(());
    };
    if seal::kept(layout, undone)? != Kept::Sealed {
        return Ok(());
    }
    let identity = Identity::read(&layout.at(IDENTITY)).map_err(|error| error.to_string())?;
    let unlocked = seal::unlock(layout, undone, &identity).map_err(|error| error.to_string())?;
    seal::unseal(layout, run, unlocked)
}
