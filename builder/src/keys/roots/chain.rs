//! The chain of root documents in a directory: `root.N.json` with `root.N.<key id>.sig`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::signature::Signature;
use manifests::trust::{CarriedTrust, ChainError, RootFile, SignedRoot, TrustRoot};

use super::error::RootsError;
use super::quorum::{Quorum, quorums};
use crate::output::{self, Pending};

/// The chain as far as both quorums lead, and what waits for signatures.
#[derive(Debug)]
pub struct RootChain {
    directory: PathBuf,
    complete: Vec<CompleteRoot>,
    pending: Option<PendingRoot>,
    beyond: Vec<u64>,
    strays: Vec<Stray>,
}

/// A version that its own quorum and that of the version before signed.
#[derive(Debug)]
pub struct CompleteRoot {
    /// Its content, reached from version 1.
    pub root: TrustRoot,
    /// Its bytes, and its valid signatures alone.
    pub signed: SignedRoot,
}

/// The version after the newest complete one, on its way to being signed.
#[derive(Debug)]
pub struct PendingRoot {
    /// Its content.
    pub root: TrustRoot,
    /// Its bytes, and its valid signatures alone.
    pub signed: SignedRoot,
}

/// A signature that counts for nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The file.
    pub file: RootFile,
    /// Why.
    pub reason: &'static str,
}

impl RootChain {
    /// Reads a directory; one that is not there holds no chain. Other files in it are ignored.
    pub fn read(directory: &Path) -> Result<Self, RootsError> {
        let mut chain = Self {
            directory: directory.to_owned(),
            complete: Vec::new(),
            pending: None,
            beyond: Vec::new(),
            strays: Vec::new(),
        };
        let carried = carried(directory)?;
        for (&version, signed) in carried.roots() {
            chain.take(version, signed)?;
        }
        Ok(chain)
    }

    /// Takes the next version that lies there.
    fn take(&mut self, version: u64, signed: &SignedRoot) -> Result<(), RootsError> {
        if signed.bytes.is_empty() {
            self.strays_of(version, &signed.signatures, "its document is not there");
            return Ok(());
        }
        let newest = self.newest().map(|complete| &complete.root);
        let have = newest.map_or(0, |root| root.document().version);
        if self.pending.is_some() || version != have + 1 {
            self.beyond.push(version);
            return Ok(());
        }
        let path = self
            .directory
            .join(RootFile::Document { version }.to_string());
        let refused = |source| RootsError::Chain {
            path: path.clone(),
            source,
        };
        let parsed = TrustRoot::parse(&signed.bytes)
            .map_err(|source| refused(ChainError::Document { version, source }))?;
        let found = parsed.document().version;
        if found != version {
            return Err(refused(ChainError::Version { version, found }));
        }
        let is_good = |signature: &Signature| {
            let mut roots = newest.into_iter().chain([&parsed]);
            roots.any(|root| root.has_signed(&signed.bytes, signature))
        };
        let (good, stray): (Vec<_>, Vec<_>) = signed
            .signatures
            .iter()
            .cloned()
            .partition(|signature| is_good(signature));
        let signed = SignedRoot {
            bytes: signed.bytes.clone(),
            signatures: good,
        };
        let followed = match newest {
            None => parsed
                .check_own(&signed.bytes, &signed.signatures)
                .map(|()| parsed.clone()),
            Some(before) => before.next(&signed.bytes, &signed.signatures),
        };
        match followed {
            Ok(root) => self.complete.push(CompleteRoot { root, signed }),
            Err(ChainError::Before { .. } | ChainError::Own { .. }) => {
                self.pending = Some(PendingRoot {
                    root: parsed,
                    signed,
                });
            }
            Err(error) => return Err(refused(error)),
        }
        let why =
            "it is not a signature over this document by a root key of it or of the version before";
        self.strays_of(version, &stray, why);
        Ok(())
    }

    fn strays_of(&mut self, version: u64, signatures: &[Signature], reason: &'static str) {
        self.strays.extend(signatures.iter().map(|signature| Stray {
            file: RootFile::Signature {
                version,
                key: signature.key_id().clone(),
            },
            reason,
        }));
    }

    /// Returns where it lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the complete versions, from 1.
    #[must_use]
    pub fn complete(&self) -> &[CompleteRoot] {
        &self.complete
    }

    /// Returns the newest complete version: the one that counts.
    #[must_use]
    pub fn newest(&self) -> Option<&CompleteRoot> {
        self.complete.last()
    }

    /// Returns the version that waits for signatures.
    #[must_use]
    pub const fn pending(&self) -> Option<&PendingRoot> {
        self.pending.as_ref()
    }

    /// Returns versions that do not follow from what is there.
    #[must_use]
    pub fn beyond(&self) -> &[u64] {
        &self.beyond
    }

    /// Returns signatures that count for nothing.
    #[must_use]
    pub fn strays(&self) -> &[Stray] {
        &self.strays
    }

    /// Whether there is no document at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.complete.is_empty() && self.pending.is_none() && self.beyond.is_empty()
    }

    /// Returns the complete version before another.
    #[must_use]
    pub fn before(&self, version: u64) -> Option<&TrustRoot> {
        let mut complete = self.complete.iter().map(|complete| &complete.root);
        complete.find(|root| root.document().version + 1 == version)
    }

    /// Returns a version that can be signed: the pending one or a complete one.
    #[must_use]
    pub fn version(&self, version: u64) -> Option<(&TrustRoot, &SignedRoot)> {
        let pending = self.pending.iter().map(|p| (&p.root, &p.signed));
        let complete = self.complete.iter().map(|c| (&c.root, &c.signed));
        let mut all = complete.chain(pending);
        all.find(|(root, _)| root.document().version == version)
    }

    /// Returns the quorums of a version, and who has signed.
    #[must_use]
    pub fn quorums(&self, version: u64) -> Vec<Quorum> {
        match self.version(version) {
            Some((root, signed)) => quorums(self.before(version), root, &signed.signatures),
            None => Vec::new(),
        }
    }

    /// Returns the newest complete version, or why no version is complete.
    pub fn require(&self) -> Result<&CompleteRoot, RootsError> {
        if let Some(newest) = self.newest() {
            return Ok(newest);
        }
        let directory = self.directory.clone();
        match (&self.pending, self.beyond.first()) {
            (Some(pending), _) => {
                let version = pending.root.document().version;
                let quorums = self.quorums(version);
                Err(RootsError::Incomplete {
                    directory,
                    version,
                    quorums,
                })
            }
            (None, Some(&found)) => Err(RootsError::Start { directory, found }),
            (None, None) => Err(RootsError::NoChain(directory)),
        }
    }

    /// Returns the files of the complete versions, as a bundle carries them: by name.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for CompleteRoot { root, signed } in &self.complete {
            let named = signed.files(root.document().version);
            files.extend(named.map(|(file, bytes)| (file.to_string(), bytes.to_vec())));
        }
        files
    }

    /// Returns what a build that ignores the rest should note about it.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(pending) = &self.pending {
            let version = pending.root.document().version;
            let missing: Vec<String> = self
                .quorums(version)
                .iter()
                .filter(|quorum| quorum.missing() > 0)
                .map(Quorum::lack)
                .collect();
            notes.push(format!(
                "root version {version} is not complete and not used: {}",
                missing.join("; ")
            ));
        }
        for version in &self.beyond {
            notes.push(format!(
                "root version {version} does not follow from what is there, and is not used"
            ));
        }
        for Stray { file, reason } in &self.strays {
            notes.push(format!("{file} is not used: {reason}"));
        }
        notes
    }

    /// Writes a draft. Signatures of an earlier draft of this version go first: they are over other
    /// bytes. Returns the keys that had signed it.
    pub fn write_draft(&self, version: u64, bytes: &[u8]) -> Result<Vec<RootFile>, RootsError> {
        let mut dropped = Vec::new();
        for (file, path) in named(&self.directory)? {
            if matches!(&file, RootFile::Signature { version: of, .. } if *of == version) {
                output::remove(&path)?;
                dropped.push(file);
            }
        }
        let path = self
            .directory
            .join(RootFile::Document { version }.to_string());
        Pending::with_bytes(&path, bytes, 0o644)?.commit()?;
        Ok(dropped)
    }

    /// Puts a signature beside its document, and returns where.
    pub fn write_signature(
        &self,
        version: u64,
        signature: &Signature,
    ) -> Result<PathBuf, RootsError> {
        let key = signature.key_id().clone();
        let path = self
            .directory
            .join(RootFile::Signature { version, key }.to_string());
        Pending::with_bytes(&path, signature.as_bytes(), 0o644)?.commit()?;
        Ok(path)
    }
}

/// Lists the files of a chain.
fn named(directory: &Path) -> Result<Vec<(RootFile, PathBuf)>, RootsError> {
    let unreadable = |source| RootsError::Unreadable {
        path: directory.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let file = RootFile::parse(&entry.file_name().to_string_lossy());
        found.extend(file.map(|file| (file, entry.path())));
    }
    found.sort_by(|(_, a), (_, b)| a.cmp(b));
    Ok(found)
}

fn carried(directory: &Path) -> Result<CarriedTrust, RootsError> {
    let mut carried = CarriedTrust::default();
    for (file, path) in named(directory)? {
        let unreadable = |source| RootsError::Unreadable {
            path: path.clone(),
            source,
        };
        let mut bytes = Vec::new();
        let opened = File::open(&path).map_err(unreadable)?;
        opened
            .take(file.limit() + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        carried
            .add(file, bytes)
            .map_err(|source| RootsError::Carried {
                directory: directory.to_owned(),
                source,
            })?;
    }
    Ok(carried)
}
