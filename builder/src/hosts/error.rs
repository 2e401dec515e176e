//! Hosts that a bundle cannot be built for.

use std::path::PathBuf;

use manifests::host_inventory::InventoryError;
use manifests::printable::printable;

use super::Unfit;
use crate::explain::{Exit, Explain, Explained};

/// Inventories that cannot be used, or hosts that cannot use the bundle.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// Cannot be read.
    #[error("the inventory {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not an inventory.
    #[error("{} is not a usable inventory: {source}", path.display())]
    Inventory {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: InventoryError,
    },
    /// A system that the product is not published for.
    #[error("{} is of a host with {}", path.display(), printable(what))]
    UnknownHost {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What the product knows.
        known: Vec<String>,
    },
    /// Flags that name other hosts than the inventories.
    #[error("{flag} names {named}, and the inventories are of {hosts}")]
    Contradiction {
        /// The flag.
        flag: &'static str,
        /// What it names.
        named: String,
        /// What the inventories are of.
        hosts: String,
    },
    /// Packages that a host would refuse.
    #[error("{}", list(.0))]
    Unfit(Vec<Unfit>),
}

impl Explain for HostsError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn explain(&self) -> Explained {
        let (failed, next) = match self {
            Self::Unreadable { .. } => ("cannot read an inventory", "check the path".to_owned()),
            Self::Inventory { .. } => (
                "cannot use an inventory",
                "take it again on the host: `install inventory -o host.json`".to_owned(),
            ),
            Self::UnknownHost { known, .. } => (
                "cannot build for a host",
                format!(
                    "the product knows {}; add the system's ID to os_ids of the product manifest \
                     if it is one of them, or leave this inventory out",
                    known.join(", ")
                ),
            ),
            Self::Contradiction { flag, .. } => (
                "cannot build for these hosts",
                format!("leave {flag} out: the inventories name what to build for"),
            ),
            Self::Unfit(unfit) => ("these hosts could not use the bundle", cures(unfit)),
        };
        Explained::new(failed, self.to_string(), next)
    }
}

fn list(unfit: &[Unfit]) -> String {
    let lines: Vec<String> = unfit.iter().map(|one| printable(&one.why)).collect();
    match lines.as_slice() {
        [one] => one.clone(),
        several => format!("\n    {}", several.join("\n    ")),
    }
}

fn cures(unfit: &[Unfit]) -> String {
    let mut cures: Vec<&str> = unfit.iter().map(|one| one.next).collect();
    cures.sort_unstable();
    cures.dedup();
    cures.join("; ")
}
