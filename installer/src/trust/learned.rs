//! The newer root documents that a chain brings to a host, with new and revoked keys.

use manifests::digest::Sha256;
use manifests::trust::{CarriedTrust, SignedRoot, TrustRoot, VerifiedManifest};

use super::TrustError;
use crate::layout::Layout;
use crate::secure_fs;

/// The enrolled roots after following a chain from each of them.
#[derive(Debug)]
pub struct Learned {
    roots: Vec<TrustRoot>,
    news: Vec<News>,
}

#[derive(Debug)]
struct News {
    anchor: Sha256,
    version: u64,
    root: SignedRoot,
}

impl Learned {
    /// Follows a chain from every enrolled root.
    #[must_use]
    pub fn from(chain: &CarriedTrust, enrolled: &[TrustRoot]) -> Self {
        let mut learned = Self {
            roots: Vec::new(),
            news: Vec::new(),
        };
        for root in enrolled {
            let (newest, led) = chain.follow(root);
            let news = led.into_iter().filter_map(|version| {
                let root = chain.roots().get(&version)?.clone();
                Some(News {
                    anchor: *newest.anchor(),
                    version,
                    root,
                })
            });
            learned.news.extend(news);
            learned.roots.push(newest);
        }
        learned
    }

    /// Returns the newest version of every enrolled root.
    #[must_use]
    pub fn roots(&self) -> &[TrustRoot] {
        &self.roots
    }

    /// Returns the root that accepted a manifest.
    #[must_use]
    pub fn root_of(&self, verified: &VerifiedManifest) -> Option<&TrustRoot> {
        let mut roots = self.roots.iter();
        roots.find(|root| root.fingerprint() == verified.root())
    }

    /// Returns the newest version of each root that has a newer version than before.
    pub fn renewed(&self) -> impl Iterator<Item = &TrustRoot> {
        let is_new = |root: &&TrustRoot| self.news.iter().any(|new| new.anchor == *root.anchor());
        self.roots.iter().filter(is_new)
    }

    /// Stores the newer versions on this host permanently.
    pub fn remember(&self, layout: &Layout) -> Result<(), TrustError> {
        let dir = layout.trust();
        for News {
            anchor,
            version,
            root,
        } in &self.news
        {
            secure_fs::ensure_guarded(&dir, 0o755).map_err(TrustError::Place)?;
            for (file, bytes) in root.files(*version) {
                secure_fs::write_atomic(&dir.join(format!("{anchor}.{file}")), bytes, 0o644)?;
            }
        }
        Ok(())
    }
}
