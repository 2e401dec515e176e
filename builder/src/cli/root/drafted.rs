//! Writing a draft, and showing what it changes and who must sign it.

use std::fmt::Write as _;

use manifests::digest::Sha256;
use manifests::json::canonical;
use manifests::signature::KeyId;
use manifests::trust::{RootDocument, RootFile, TrustRoot};
use serde::Serialize;

use super::super::{Context, Format, show};
use crate::explain::Error;
use crate::keys::roots::{self, Change, Quorum, RootChain, RootsError, differences, quorums};

/// A draft, or a version that is being signed.
#[derive(Serialize)]
pub(super) struct Drafted {
    pub(super) document: String,
    pub(super) version: u64,
    pub(super) fingerprint: String,
    /// Against the version before, in plain words.
    pub(super) changes: Vec<String>,
    pub(super) signatures: Vec<Quorum>,
    /// Signatures of an earlier draft, which are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dropped: Vec<String>,
}

/// Drafts the next version, or changes the draft that is there.
pub(super) fn draft(chain: &RootChain, change: &Change, context: Context) -> Result<(), Error> {
    let pending = chain.pending().map(|pending| pending.root.document());
    let base = match pending {
        Some(pending) => pending,
        None => chain.require()?.root.document(),
    };
    let listed = chain
        .complete()
        .iter()
        .flat_map(|complete| &complete.root.document().keys);
    let change = Change {
        known: listed.map(|key| key.id.clone()).collect(),
        ..change.clone()
    };
    let next = roots::change(base, pending.is_some(), &change).map_err(RootsError::from)?;
    write(chain, &next, context)
}

/// Writes a draft and shows it.
pub(super) fn write(chain: &RootChain, next: &RootDocument, context: Context) -> Result<(), Error> {
    let refused = |error| RootsError::Draft(error);
    let bytes = canonical(next).map_err(|error| refused(error.into()))?;
    let root = TrustRoot::parse(&bytes).map_err(|error| refused(error.into()))?;
    let dropped = chain.write_draft(next.version, &bytes)?;
    let before = chain.before(next.version);
    let document = RootFile::Document {
        version: next.version,
    };
    let drafted = Drafted {
        document: chain
            .directory()
            .join(document.to_string())
            .display()
            .to_string(),
        version: next.version,
        fingerprint: Sha256::of(&bytes).to_string(),
        changes: differences(before.map(TrustRoot::document), next),
        signatures: quorums(before, &root, &[]),
        dropped: dropped.iter().map(ToString::to_string).collect(),
    };
    match context.format {
        Format::Json => show::json(&drafted),
        Format::Text => {
            let mut text = drafted.text("draft");
            for name in &drafted.dropped {
                let _ = writeln!(text, "dropped   {name}: it was over the draft before");
            }
            let _ = writeln!(
                text,
                "\nnext: bundle root sign {} --key FILE",
                drafted.document
            );
            show::text(&text);
        }
    }
    Ok(())
}

impl Drafted {
    /// Shows it; `what` describes what is done with it.
    pub(super) fn text(&self, what: &str) -> String {
        let mut text = format!(
            "{what:<10}{}\nversion   {}\nsha256    {}\n",
            self.document, self.version, self.fingerprint
        );
        for change in &self.changes {
            let _ = writeln!(text, "changes   {change}");
        }
        quorum_lines(&mut text, &self.signatures);
        text
    }
}

/// Lists who must sign.
pub(super) fn quorum_lines(text: &mut String, quorums: &[Quorum]) {
    let list = |keys: &[KeyId]| {
        let keys: Vec<&str> = keys.iter().map(KeyId::as_str).collect();
        if keys.is_empty() {
            "no one".to_owned()
        } else {
            keys.join(", ")
        }
    };
    for quorum in quorums {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "needs     {} of {} root keys of version {}: signed by {}; not by {}",
            quorum.threshold,
            quorum.signed.len() + quorum.open.len(),
            quorum.version,
            list(&quorum.signed),
            list(&quorum.open)
        );
    }
}
