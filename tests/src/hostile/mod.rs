//! Hostile bundles: a catalogue of named attacks, each with the smallest file that carries it out.
//!
//! Half of them need no key: any carrier of a bundle can make them. The other half carry a valid
//! signature, as of a signer who was careless, deceived or malicious. docs/hostile-bundles.md lists
//! them all; `lab hostile write DIR` writes them for use with another program.

mod archive;
mod chain;
mod contents;
mod documents;
mod json;
mod kinds;
mod mix;
mod names;
mod signatures;
mod sizes;
mod stream;
mod trust;
mod workshop;

use anyhow::Result;

pub use archive::{FRAME_PIECE, Frame, frame_checksum};
pub use workshop::Workshop;

/// What an attack's file is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// A bundle, for `verify` and `install`.
    Bundle,
    /// A bundle that only the host can judge: `verify` accepts what was signed, `install` refuses
    /// it.
    Host,
    /// A root document, for `trust add`.
    Root,
}

/// One attack.
#[derive(Debug)]
pub struct Attack {
    /// Its name, which never changes.
    pub name: &'static str,
    /// What it did elsewhere, or would do.
    pub elsewhere: &'static str,
    /// Words of the refusal.
    pub refusal: &'static str,
    /// What it is given to.
    pub aim: Aim,
    make: fn(&Workshop) -> Result<Vec<u8>>,
}

const fn attack(
    name: &'static str,
    elsewhere: &'static str,
    refusal: &'static str,
    make: fn(&Workshop) -> Result<Vec<u8>>,
) -> Attack {
    Attack {
        name,
        elsewhere,
        refusal,
        aim: Aim::Bundle,
        make,
    }
}

impl Attack {
    const fn on(mut self, aim: Aim) -> Self {
        self.aim = aim;
        self
    }

    /// Makes the attack's file.
    pub fn make(&self, workshop: &Workshop) -> Result<Vec<u8>> {
        (self.make)(workshop)
    }

    /// The file's name in a corpus.
    #[must_use]
    pub fn file_name(&self) -> String {
        let suffix = match self.aim {
            Aim::Bundle | Aim::Host => "tar.zst",
            Aim::Root => "root.json",
        };
        format!("{}.{suffix}", self.name)
    }

    /// The exit code that `install verify` must give, or `install trust add` for a root document.
    #[must_use]
    pub const fn verify_code(&self) -> i32 {
        match self.aim {
            Aim::Host => 0,
            Aim::Bundle | Aim::Root => 3,
        }
    }

    /// The exit code that `install FILE` must give.
    #[must_use]
    pub const fn install_code(&self) -> i32 {
        match self.aim {
            Aim::Host => 4,
            Aim::Bundle | Aim::Root => 3,
        }
    }
}

/// Every attack, in the order of the documentation.
#[must_use]
pub fn catalogue() -> Vec<&'static Attack> {
    let rooms: [&'static [Attack]; 12] = [
        kinds::ATTACKS,
        names::ATTACKS,
        sizes::ATTACKS,
        stream::ATTACKS,
        json::ATTACKS,
        documents::ATTACKS,
        signatures::ATTACKS,
        trust::ATTACKS,
        chain::ATTACKS,
        mix::ATTACKS,
        contents::ATTACKS,
        sizes::HUGE,
    ];
    rooms.into_iter().flatten().collect()
}

/// The catalogue as docs/hostile-bundles.md has it.
#[must_use]
pub fn table() -> String {
    let mut text = "| attack | what it did elsewhere | refused with |\n|---|---|---|\n".to_owned();
    for attack in catalogue() {
        let code = attack.install_code();
        text.push_str(&format!(
            "| `{}` | {} | {code}: {} |\n",
            attack.name,
            attack.elsewhere,
            attack.refusal.replace('|', "\\|")
        ));
    }
    text
}
