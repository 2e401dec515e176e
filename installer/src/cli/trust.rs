//! `install trust`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use manifests::digest::Sha256;
use manifests::trust::TrustRoot;

use super::{Place, render, require_root, shown};
use crate::failure::{Exit, Failure};
use crate::trust;

#[derive(Debug, Subcommand)]
pub(super) enum TrustCommand {
    /// Enrol a root document after its fingerprint was confirmed.
    Add {
        /// The root document that `bundle build` wrote beside the bundle.
        file: PathBuf,
        /// The fingerprint, as told by the builder's side by another road than this file came.
        #[arg(long, value_name = "SHA256")]
        fingerprint: Option<Sha256>,
    },
    /// List the enrolled roots.
    List,
    /// Show a root document without enrolling it.
    Show {
        /// The root document.
        file: PathBuf,
    },
    /// Remove an enrolled root.
    Remove {
        /// Its fingerprint.
        fingerprint: Sha256,
    },
}

pub(super) fn run(place: &Place, command: &TrustCommand) -> Result<u8, Failure> {
    match command {
        TrustCommand::Add { file, fingerprint } => add(place, file, fingerprint.as_ref()),
        TrustCommand::List => list(place),
        TrustCommand::Show { file } => {
            let (root, _) = read(file)?;
            render::result(place, root.document(), &describe(&root));
            Ok(0)
        }
        TrustCommand::Remove { fingerprint } => {
            require_root("remove a trust root")?;
            trust::remove(&place.layout, fingerprint).map_err(|error| unusable(&error))?;
            Ok(0)
        }
    }
}

fn read(file: &Path) -> Result<(TrustRoot, Vec<u8>), Failure> {
    trust::read(file).map_err(|error| {
        let next = "copy root.json again from beside the bundle";
        Failure::because(
            Exit::Verification,
            format!("cannot use {}", shown(file)),
            &error,
            next,
        )
    })
}

fn unusable(error: &trust::TrustError) -> Failure {
    let next = match error {
        trust::TrustError::Place(_) => {
            "look who wrote there, compare `install trust list` with what you enrolled, then put owner \
             and mode right"
        }
        _ => "remove the damaged root with `install trust remove`, then enrol it again",
    };
    Failure::because(
        Exit::Verification,
        "cannot read the enrolled trust roots",
        error,
        next,
    )
}

fn describe(root: &TrustRoot) -> String {
    let document = root.document();
    let keys: Vec<String> = document
        .release
        .keys
        .iter()
        .map(ToString::to_string)
        .collect();
    format!(
        "{}\n  fingerprint  {}\n  version      {}\n  release      {} of {} keys: {}\n  products     {}\n",
        document.title,
        root.fingerprint(),
        document.version,
        document.release.threshold,
        keys.len(),
        keys.join(", "),
        document.release.products.join(", "),
    )
}

fn add(place: &Place, file: &Path, expected: Option<&Sha256>) -> Result<u8, Failure> {
    require_root("enrol a trust root")?;
    let (root, bytes) = read(file)?;
    eprint!("{}", describe(&root));
    match expected {
        Some(expected) if expected == root.fingerprint() => {}
        Some(expected) => {
            return Err(Failure::new(
                Exit::Verification,
                format!("{} is not the root you named", shown(file)),
                format!("its fingerprint is {}, not {expected}", root.fingerprint()),
                "get the right root.json, or ask the builder's side for its fingerprint again",
            ));
        }
        None => confirm(&root)?,
    }
    trust::enrol(&place.layout, &root, &bytes).map_err(|error| {
        let next = "check the directory's owner and mode, and the free space";
        let exit = match error {
            trust::TrustError::Place(_) => Exit::Refused,
            _ => Exit::Internal,
        };
        Failure::because(exit, "cannot store the trust root", &error, next)
    })?;
    eprintln!("enrolled.");
    Ok(0)
}

fn confirm(root: &TrustRoot) -> Result<(), Failure> {
    let refused = |why: &str| {
        Failure::new(
            Exit::Verification,
            "the trust root was not enrolled",
            why,
            format!(
                "compare the fingerprint, then pass it: --fingerprint {}",
                root.fingerprint()
            ),
        )
    };
    if !std::io::stdin().is_terminal() {
        return Err(refused(
            "its fingerprint was not confirmed, and there is no terminal to ask on",
        ));
    }
    eprint!("Does the builder's side read the same fingerprint to you? Type yes: ");
    // If the prompt cannot be shown, the answer will not be yes.
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" {
        Ok(())
    } else {
        Err(refused("its fingerprint was not confirmed"))
    }
}

fn list(place: &Place) -> Result<u8, Failure> {
    let roots = trust::enrolled(&place.layout).map_err(|error| unusable(&error))?;
    let text: String = roots.iter().map(describe).collect();
    let text = if text.is_empty() {
        "No trust root is enrolled.".to_owned()
    } else {
        text
    };
    let documents: Vec<_> = roots.iter().map(TrustRoot::document).collect();
    render::result(place, &documents, &text);
    Ok(0)
}

/// Returns the enrolled roots for a verification.
pub(super) fn enrolled(place: &Place) -> Result<Vec<TrustRoot>, Failure> {
    trust::enrolled(&place.layout).map_err(|error| unusable(&error))
}
