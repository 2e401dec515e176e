//! Whose signatures a version needs, and whose it has.

use manifests::signature::{KeyId, Signature};
use manifests::trust::TrustRoot;
use serde::Serialize;

/// The signatures that one version's root keys owe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quorum {
    /// The version whose keys are asked.
    pub version: u64,
    /// How many of them must sign.
    pub threshold: u32,
    /// Those that signed.
    pub signed: Vec<KeyId>,
    /// Those that have not.
    pub open: Vec<KeyId>,
}

impl Quorum {
    /// Returns how many signatures are missing.
    #[must_use]
    pub fn missing(&self) -> usize {
        (self.threshold as usize).saturating_sub(self.signed.len())
    }

    /// Describes what is missing.
    #[must_use]
    pub fn lack(&self) -> String {
        let open: Vec<&str> = self.open.iter().map(KeyId::as_str).collect();
        format!(
            "{} of {} signatures by root keys of version {} are missing, from: {}",
            self.missing(),
            self.threshold,
            self.version,
            open.join(", ")
        )
    }
}

/// Returns the quorums that `root` needs: that of the version before, and its own. Signatures are
/// taken as valid.
#[must_use]
pub fn quorums(
    before: Option<&TrustRoot>,
    root: &TrustRoot,
    signatures: &[Signature],
) -> Vec<Quorum> {
    let of = |root: &TrustRoot| {
        let has = |id: &KeyId| signatures.iter().any(|signature| signature.key_id() == id);
        let ids = root.root_keys().iter().map(|key| key.id().clone());
        let (signed, open) = ids.partition(|id| has(id));
        Quorum {
            version: root.document().version,
            threshold: root.document().root.threshold,
            signed,
            open,
        }
    };
    before.into_iter().chain([root]).map(of).collect()
}
