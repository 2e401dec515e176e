//! `install trust`: enrols, renews, lists, shows and removes trust roots.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use manifests::digest::Sha256;
use manifests::printable::printable;
use manifests::trust::{CarriedTrust, RootDocument, RootFile, TrustRoot};
use serde::Serialize;

use super::session::{Session, require_root};
use super::{render, shown};
use crate::failure::{Exit, Failure};
use crate::trust::{self, Learned, TrustError};

/// Enrol, renew, list, show or remove trust roots.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: TrustCommand,
}

#[derive(Debug, Subcommand)]
enum TrustCommand {
    /// Enrol a root document after its fingerprint was confirmed, or renew an enrolled one by its
    /// successors, which prove themselves: root.N.json with the signatures beside it.
    Add {
        /// The root document that `bundle build` wrote beside the bundle, or the newest of a chain.
        file: PathBuf,
        /// The fingerprint that the builder's side gave you over another channel than this file.
        #[arg(long, value_name = "SHA256")]
        fingerprint: Option<Sha256>,
    },
    /// List the enrolled roots.
    List,
    /// Show a root document without enrolling it, or an enrolled root.
    Show {
        /// The root document, or the fingerprint of an enrolled one.
        #[arg(value_name = "FILE|SHA256")]
        named: PathBuf,
    },
    /// Remove an enrolled root.
    Remove {
        /// Its fingerprint.
        fingerprint: Sha256,
    },
}

/// A root in the results.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    /// Fingerprint of the newest document.
    fingerprint: String,
    /// Fingerprint of the document that was enrolled.
    enrolled_as: String,
    document: &'a RootDocument,
}

impl<'a> From<&'a TrustRoot> for Shown<'a> {
    fn from(root: &'a TrustRoot) -> Self {
        Self {
            fingerprint: root.fingerprint().to_string(),
            enrolled_as: root.anchor().to_string(),
            document: root.document(),
        }
    }
}

pub(super) fn run(session: &Session, args: &Args) -> Result<u8, Failure> {
    match &args.command {
        TrustCommand::Add { file, fingerprint } => add(session, file, fingerprint.as_ref()),
        TrustCommand::List => list(session),
        TrustCommand::Show { named } => show(session, named),
        TrustCommand::Remove { fingerprint } => remove(session, fingerprint),
    }
}

fn read(file: &Path) -> Result<(TrustRoot, Vec<u8>), Failure> {
    trust::read(file).map_err(|error| {
        let next = "copy root.json again from beside the bundle";
        let what = format!("cannot use {}", shown(file));
        Failure::because(Exit::Verification, what, &error, next)
    })
}

fn unusable(error: &TrustError) -> Failure {
    let next = match error {
        TrustError::Place(_) => {
            "find out who wrote there, compare `install trust list` with what you enrolled, then correct \
             owner and mode"
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

fn not_stored(error: &TrustError) -> Failure {
    let next = "check the directory's owner and mode, and the free space";
    let exit = match error {
        TrustError::Place(_) => Exit::Refused,
        _ => Exit::Internal,
    };
    Failure::because(exit, "cannot store the trust root", error, next)
}

/// Returns a root document as text. The operator reads it before trusting it.
fn describe(root: &TrustRoot) -> String {
    let document = root.document();
    let role = |threshold: u32, keys: &[manifests::signature::KeyId]| {
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        format!("{threshold} of {}: {}", keys.len(), names.join(", "))
    };
    let mut text = format!(
        "{}\n  fingerprint  {}\n  version      {}\n",
        printable(&document.title),
        root.fingerprint(),
        document.version
    );
    // Writing to a `String` cannot fail.
    if root.anchor() != root.fingerprint() {
        let _ = writeln!(text, "  enrolled as  {}", root.anchor());
    }
    let (root, release) = (&document.root, &document.release);
    let _ = writeln!(text, "  root         {}", role(root.threshold, &root.keys));
    let _ = writeln!(
        text,
        "  release      {}",
        role(release.threshold, &release.keys)
    );
    let products = printable(&release.products.join(", "));
    let _ = writeln!(text, "  products     {products}");
    for revoked in &document.revoked {
        let reason = printable(&revoked.reason);
        let _ = writeln!(text, "  revoked      {}: {reason}", revoked.id);
    }
    text
}

fn add(session: &Session, file: &Path, expected: Option<&Sha256>) -> Result<u8, Failure> {
    require_root("enrol a trust root")?;
    let (root, bytes) = read(file)?;
    eprint!("{}", describe(&root));
    if let Some(expected) = expected
        && expected != root.fingerprint()
    {
        return Err(Failure::new(
            Exit::Verification,
            format!("{} is not the root you named", shown(file)),
            format!("its fingerprint is {}, not {expected}", root.fingerprint()),
            "get the right root.json, or ask the builder's side for its fingerprint again",
        ));
    }
    let enrolled = trust::all(&session.layout).map_err(|error| unusable(&error))?;
    if enrolled
        .iter()
        .any(|known| known.fingerprint() == root.fingerprint())
    {
        // An enrolment that was cut off may have left the older version.
        remove_older(session, &root, &enrolled)?;
        eprintln!("it is enrolled already.");
        return Ok(0);
    }
    refuse_older(&root, &enrolled)?;
    let learned = Learned::from(&chain(file, &root, &bytes)?, &enrolled);
    if learned
        .roots()
        .iter()
        .any(|known| known.fingerprint() == root.fingerprint())
    {
        // Quorums of the enrolled root signed it, so there is no fingerprint to compare.
        remember(session, &learned)?;
        return Ok(0);
    }
    if expected.is_none() {
        confirm(&root)?;
    }
    trust::enrol(&session.layout, &root, &bytes).map_err(|error| not_stored(&error))?;
    remove_older(session, &root, &enrolled)?;
    eprintln!("enrolled.");
    Ok(0)
}

/// Removes the enrolled versions that a document replaces.
fn remove_older(session: &Session, root: &TrustRoot, all: &[TrustRoot]) -> Result<(), Failure> {
    for old in all.iter().filter(|old| trust::is_older(old, root)) {
        trust::remove(&session.layout, old.anchor()).map_err(|error| not_stored(&error))?;
        let (version, fingerprint) = (old.document().version, old.fingerprint());
        eprintln!("it replaces version {version} of the same keys ({fingerprint}).");
    }
    Ok(())
}

/// Returns the chain beside the file, with the file itself.
fn chain(file: &Path, root: &TrustRoot, bytes: &[u8]) -> Result<CarriedTrust, Failure> {
    let mut chain = trust::chain_beside(file).map_err(|error| {
        let next = "copy the root documents and their signatures again";
        let what = format!("cannot read what lies beside {}", shown(file));
        Failure::because(Exit::Verification, what, &error, next)
    })?;
    let version = root.document().version;
    if !chain.roots().contains_key(&version) {
        // An incomplete chain proves nothing and does no harm. It cannot be too large: it was read.
        let _ = chain.add(RootFile::Document { version }, bytes.to_vec());
    }
    Ok(chain)
}

/// Refuses a version that was replaced here, and one that lacks a key revoked here.
fn refuse_older(root: &TrustRoot, enrolled: &[TrustRoot]) -> Result<(), Failure> {
    let newer = |known: &&TrustRoot| {
        known.replaces(root.fingerprint())
            || trust::is_akin(known, root) && known.document().version >= root.document().version
    };
    let forgets = |known: &&TrustRoot| {
        let mut revoked = known.document().revoked.iter();
        trust::is_older(known, root)
            && revoked.any(|key| root.document().revokes(&key.id).is_none())
    };
    if let Some(known) = enrolled.iter().find(forgets) {
        return Err(Failure::new(
            Exit::Verification,
            "the trust root was not enrolled",
            format!(
                "version {} of the same keys, which is enrolled here, revokes keys that it does not revoke",
                known.document().version
            ),
            "ask the builder's side: a later root document never forgets a revoked key",
        ));
    }
    let Some(known) = enrolled.iter().find(newer) else {
        return Ok(());
    };
    Err(Failure::new(
        Exit::Verification,
        "the trust root was not enrolled",
        format!(
            "it is version {}, and version {} of the same keys is enrolled here ({})",
            root.document().version,
            known.document().version,
            known.fingerprint()
        ),
        "nothing needs to be done; to start anew, remove the enrolled root first with `install trust \
         remove`: what it revokes is forgotten then",
    ))
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
    // If the prompt cannot be printed, the answer will not be yes.
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" {
        Ok(())
    } else {
        Err(refused("its fingerprint was not confirmed"))
    }
}

fn list(session: &Session) -> Result<u8, Failure> {
    let roots = enrolled(session)?;
    let text: String = roots.iter().map(describe).collect();
    let text = if text.is_empty() {
        "No trust root is enrolled.".to_owned()
    } else {
        text
    };
    let documents: Vec<Shown<'_>> = roots.iter().map(Shown::from).collect();
    render::result(session, &documents, &text);
    Ok(0)
}

fn show(session: &Session, named: &Path) -> Result<u8, Failure> {
    let fingerprint: Option<Sha256> = named.to_str().and_then(|text| text.parse().ok());
    let root = match fingerprint {
        Some(fingerprint) => find(session, &fingerprint)?,
        None => read(named)?.0,
    };
    render::result(session, &Shown::from(&root), &describe(&root));
    Ok(0)
}

fn remove(session: &Session, fingerprint: &Sha256) -> Result<u8, Failure> {
    require_root("remove a trust root")?;
    // A damaged root cannot be read; the name of its file identifies it.
    let anchor = find(session, fingerprint).map_or(*fingerprint, |root| *root.anchor());
    if !trust::is_enrolled(&session.layout, &anchor) {
        return Err(unknown(fingerprint));
    }
    trust::remove(&session.layout, &anchor).map_err(|error| {
        let next = "check the directory's owner and mode";
        Failure::because(Exit::Internal, "cannot remove the trust root", &error, next)
    })?;
    eprintln!("removed: bundles that only this root vouches for are refused from now on.");
    Ok(0)
}

fn unknown(fingerprint: &Sha256) -> Failure {
    Failure::new(
        Exit::Usage,
        "there is no such trust root",
        format!("none with fingerprint {fingerprint} is enrolled"),
        "`install trust list` shows them",
    )
}

fn find(session: &Session, fingerprint: &Sha256) -> Result<TrustRoot, Failure> {
    let roots = enrolled(session)?;
    let is_named =
        |root: &TrustRoot| root.fingerprint() == fingerprint || root.anchor() == fingerprint;
    let found = roots.into_iter().find(is_named);
    found.ok_or_else(|| unknown(fingerprint))
}

/// Returns the enrolled roots for a verification.
pub(super) fn enrolled(session: &Session) -> Result<Vec<TrustRoot>, Failure> {
    trust::enrolled(&session.layout).map_err(|error| unusable(&error))
}

/// Stores newer root documents permanently, and reports them.
pub(super) fn remember(session: &Session, learned: &Learned) -> Result<(), Failure> {
    learned
        .remember(&session.layout)
        .map_err(|error| not_stored(&error))?;
    for root in learned.renewed() {
        let document = root.document();
        render::note(&format!(
            "trust root {} is now at version {} ({}); {} keys are revoked",
            printable(&document.title),
            document.version,
            root.fingerprint(),
            document.revoked.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::test_keys::{document, revoking};

    #[test]
    fn a_root_document_cannot_deceive_before_it_is_trusted() {
        let mut document = revoking(document(1, 1, 2), 3);
        document.title = "Tyk\u{202e}tfos\u{1b}[2J\n  fingerprint  1234".to_owned();
        document.release.products.push("a\u{200b}b".to_owned());
        document.revoked[0].reason = "it is\u{2066} lost".to_owned();
        let root = TrustRoot::parse(&manifests::json::canonical(&document).unwrap()).unwrap();
        let text = describe(&root);
        for shown in [
            r"Tyk\u{202e}tfos\u{1b}[2J\n  fingerprint  1234",
            r"a\u{200b}b",
            r"it is\u{2066} lost",
        ] {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        assert_eq!(manifests::printable::printable_lines(&text), text);
    }
}
