//! Drafting the next root document: pure, and the same keys give the same bytes.

use std::collections::BTreeSet;

use manifests::signature::{KeyId, PublicKey};
use manifests::trust::{
    ROOT_TYPE, ReleaseRole, RevokedKey, Role, RootDocument, RootError, RootKey, TrustRoot,
};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChoice {
    /// Signs root documents.
    Root,
    /// Signs bundles.
    Release,
    /// Both.
    Both,
}

impl RoleChoice {
    /// Whether root documents and bundles are meant.
    const fn names(self) -> (bool, bool) {
        match self {
            Self::Root => (true, false),
            Self::Release => (false, true),
            Self::Both => (true, true),
        }
    }
}

/// The keys of the first version.
#[derive(Debug, Clone, Default)]
pub struct Enrolled {
    /// Sign root documents.
    pub root: Vec<PublicKey>,
    /// How many of them.
    pub root_threshold: u32,
    /// Sign bundles.
    pub release: Vec<PublicKey>,
    /// How many of them.
    pub release_threshold: u32,
    /// For these products; `*` is every one.
    pub products: Vec<String>,
}

/// What is to be different. Done in this order: remove and revoke, replace, add, thresholds.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Keys that come.
    pub add: Vec<(PublicKey, RoleChoice)>,
    /// Keys whose place another takes, in every role they have.
    pub replace: Vec<(KeyId, PublicKey)>,
    /// Keys that retire, and from what.
    pub remove: Vec<(KeyId, RoleChoice)>,
    /// Keys that never count again, and why.
    pub revoke: Vec<(KeyId, String)>,
    /// Keys of earlier versions, which can be revoked too.
    pub known: BTreeSet<KeyId>,
    /// Another number of root signatures.
    pub root_threshold: Option<u32>,
    /// Another number of release signatures.
    pub release_threshold: Option<u32>,
}

/// A change that makes no root document.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// Nothing would be different.
    #[error("nothing would be different from version {0}")]
    Nothing(u64),
    /// A key that is not listed.
    #[error("version {version} has no key {key}")]
    Unknown {
        /// The key.
        key: KeyId,
        /// The version that is changed.
        version: u64,
    },
    /// A key that has the role already.
    #[error("key {0} has that role already")]
    Present(KeyId),
    /// A key that must never come back.
    #[error("key {key} is revoked: {reason}")]
    Revoked {
        /// The key.
        key: KeyId,
        /// From the document.
        reason: String,
    },
    /// Too few keys are left.
    #[error("the {role} role would have {keys} keys and needs {threshold} signatures")]
    OutOfReach {
        /// `root` or `release`.
        role: &'static str,
        /// Needed.
        threshold: u32,
        /// Left.
        keys: usize,
    },
    /// A role that needs no signer.
    #[error("the {0} role would need no signature at all")]
    NoSigner(&'static str),
    /// A reason or title without words.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// Versions are used up.
    #[error("there is no version after {0}")]
    Last(u64),
    /// A document that readers refuse.
    #[error("it would not be usable: {0}")]
    Document(#[from] RootError),
    /// A document that cannot be written.
    #[error("it cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl DraftError {
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Nothing(_) => "name what should change; --help has examples".to_owned(),
            Self::Unknown { .. } => {
                "`bundle root show` lists the key ids of every version".to_owned()
            }
            Self::Present(_) => "leave the key out; to change a threshold alone, use `bundle root \
                 rotate` with --root-threshold or --release-threshold"
                .to_owned(),
            Self::Revoked { .. } => {
                "use a new key: a revoked one counts no more, for ever".to_owned()
            }
            Self::OutOfReach { role, .. } => format!(
                "give a replacement key or a lower threshold in the same command, such as \
                 --{role}-threshold 1"
            ),
            Self::NoSigner(role) => format!("give a --{role}-threshold of at least 1"),
            Self::Empty(_) => "give it words".to_owned(),
            Self::Last(_) | Self::Document(_) | Self::Json(_) => {
                "this is a bug: please report it with the documents".to_owned()
            }
        }
    }
}

/// Makes version 1.
pub fn first(title: &str, keys: &Enrolled) -> Result<RootDocument, DraftError> {
    if title.trim().is_empty() {
        return Err(DraftError::Empty("the title"));
    }
    let ids = |keys: &[PublicKey]| sorted(keys.iter().map(|key| key.id().clone()));
    let mut products = keys.products.clone();
    products.sort();
    products.dedup();
    if products.is_empty() {
        return Err(DraftError::Empty("the list of products"));
    }
    let document = RootDocument {
        document: ROOT_TYPE.to_owned(),
        version: 1,
        title: title.to_owned(),
        keys: keys.root.iter().chain(&keys.release).map(listed).collect(),
        root: Role {
            threshold: keys.root_threshold,
            keys: ids(&keys.root),
        },
        release: ReleaseRole {
            threshold: keys.release_threshold,
            keys: ids(&keys.release),
            products,
        },
        revoked: Vec::new(),
    };
    finished(document)
}

/// Changes a document: a complete one into its successor, a draft into another draft of its version.
pub fn change(
    base: &RootDocument,
    is_draft: bool,
    change: &Change,
) -> Result<RootDocument, DraftError> {
    let mut next = base.clone();
    if !is_draft {
        next.version = base
            .version
            .checked_add(1)
            .ok_or(DraftError::Last(base.version))?;
    }
    for (key, reason) in &change.revoke {
        if reason.trim().is_empty() {
            return Err(DraftError::Empty("the reason"));
        }
        if roles(&next, key) != (false, false) {
            take_out(&mut next, key)?;
        } else if next.revokes(key).is_some() || !change.known.contains(key) {
            return Err(missing(&next, key));
        }
        next.revoked.push(RevokedKey {
            id: key.clone(),
            reason: reason.clone(),
        });
    }
    for (old, new) in &change.replace {
        let roles = take_out_or_find(&mut next, base, old)?;
        put_in(&mut next, new, roles)?;
    }
    for (key, role) in &change.remove {
        let (root, release) = role.names();
        let (had_root, had_release) = take_out(&mut next, key)?;
        if had_root && !root {
            next.root.keys.push(key.clone());
        }
        if had_release && !release {
            next.release.keys.push(key.clone());
        }
    }
    for (key, role) in &change.add {
        let roles = role.names();
        put_in(&mut next, key, roles)?;
    }
    next.root.threshold = change.root_threshold.unwrap_or(next.root.threshold);
    next.release.threshold = change.release_threshold.unwrap_or(next.release.threshold);
    let next = finished(next)?;
    let mut same = next.clone();
    same.version = base.version;
    if same == *base {
        return Err(DraftError::Nothing(base.version));
    }
    Ok(next)
}

/// The roles a key has: of root documents, of bundles.
fn roles(document: &RootDocument, key: &KeyId) -> (bool, bool) {
    (
        document.root.keys.contains(key),
        document.release.keys.contains(key),
    )
}

fn take_out(document: &mut RootDocument, key: &KeyId) -> Result<(bool, bool), DraftError> {
    let found = roles(document, key);
    if found == (false, false) {
        return Err(missing(document, key));
    }
    document.root.keys.retain(|id| id != key);
    document.release.keys.retain(|id| id != key);
    Ok(found)
}

fn missing(document: &RootDocument, key: &KeyId) -> DraftError {
    let (key, version) = (key.clone(), document.version);
    match document.revokes(&key).map(str::to_owned) {
        Some(reason) => DraftError::Revoked { key, reason },
        None => DraftError::Unknown { key, version },
    }
}

/// A key that the same command revokes leaves its roles to its replacement.
fn take_out_or_find(
    next: &mut RootDocument,
    base: &RootDocument,
    key: &KeyId,
) -> Result<(bool, bool), DraftError> {
    let had = roles(base, key);
    if roles(next, key) == (false, false) && had != (false, false) {
        return Ok(had);
    }
    take_out(next, key)
}

fn put_in(
    document: &mut RootDocument,
    key: &PublicKey,
    (root, release): (bool, bool),
) -> Result<(), DraftError> {
    let id = key.id();
    if let Some(reason) = document.revokes(id) {
        return Err(DraftError::Revoked {
            key: id.clone(),
            reason: reason.to_owned(),
        });
    }
    let (has_root, has_release) = roles(document, id);
    if (!root || has_root) && (!release || has_release) {
        return Err(DraftError::Present(id.clone()));
    }
    if root && !has_root {
        document.root.keys.push(id.clone());
    }
    if release && !has_release {
        document.release.keys.push(id.clone());
    }
    document.keys.push(listed(key));
    Ok(())
}

fn listed(key: &PublicKey) -> RootKey {
    RootKey {
        id: key.id().clone(),
        algorithm: key.algorithm(),
        public: key.pem().to_owned(),
    }
}

fn sorted(ids: impl Iterator<Item = KeyId>) -> Vec<KeyId> {
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Sorts everything, drops keys without a role, and checks that the roles make sense.
fn finished(mut document: RootDocument) -> Result<RootDocument, DraftError> {
    document.root.keys = sorted(document.root.keys.drain(..));
    document.release.keys = sorted(document.release.keys.drain(..));
    let (root, release) = (&document.root, &document.release);
    for (role, threshold, keys) in [
        ("root", root.threshold, root.keys.len()),
        ("release", release.threshold, release.keys.len()),
    ] {
        if threshold == 0 {
            return Err(DraftError::NoSigner(role));
        }
        if threshold as usize > keys {
            return Err(DraftError::OutOfReach {
                role,
                threshold,
                keys,
            });
        }
    }
    let used: BTreeSet<KeyId> = root.keys.iter().chain(&release.keys).cloned().collect();
    document.keys.retain(|key| used.contains(&key.id));
    document.keys.sort_by(|a, b| a.id.cmp(&b.id));
    document.keys.dedup_by(|a, b| a.id == b.id);
    document.revoked.sort_by(|a, b| a.id.cmp(&b.id));
    TrustRoot::parse(&manifests::json::canonical(&document)?)?;
    Ok(document)
}
