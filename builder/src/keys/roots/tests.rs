use std::path::Path;

use manifests::json::canonical;
use manifests::signature::{KeyId, PublicKey, Signature};
use manifests::trust::{CarriedTrust, RootDocument, RootFile, TrustRoot};

use super::*;
use crate::keys::{FileKey, write_key};

/// Keys that are made once, in a directory with a chain.
struct Team {
    dir: tempfile::TempDir,
    keys: Vec<FileKey>,
}

impl Team {
    fn new(keys: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = |n: usize| {
            let path = dir.path().join(format!("{n}.pem"));
            write_key(&path, None).unwrap().unwrap()
        };
        let keys = (0..keys).map(key).collect();
        Self { dir, keys }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn chain(&self) -> RootChain {
        RootChain::read(self.path()).unwrap()
    }

    fn public(&self, n: usize) -> PublicKey {
        self.keys[n].public().clone()
    }

    fn id(&self, n: usize) -> KeyId {
        self.keys[n].public().id().clone()
    }

    fn enrolled(&self, root: (u32, &[usize]), release: (u32, &[usize])) -> Enrolled {
        let keys = |numbers: &[usize]| numbers.iter().map(|n| self.public(*n)).collect();
        Enrolled {
            root: keys(root.1),
            root_threshold: root.0,
            release: keys(release.1),
            release_threshold: release.0,
            products: vec!["tyk".to_owned()],
        }
    }

    fn write(&self, document: &RootDocument) {
        let bytes = canonical(document).unwrap();
        self.chain().write_draft(document.version, &bytes).unwrap();
    }

    fn sign(&self, version: u64, by: &[usize]) {
        for n in by {
            let chain = self.chain();
            let bytes = &chain.version(version).unwrap().1.bytes;
            let signature = Signature::new(self.id(*n), self.keys[*n].sign(bytes)).unwrap();
            chain.write_signature(version, &signature).unwrap();
        }
    }

    fn newest(&self) -> u64 {
        let chain = self.chain();
        chain
            .newest()
            .map_or(0, |newest| newest.root.document().version)
    }

    fn change(&self, change: &Change) -> Result<RootDocument, DraftError> {
        let chain = self.chain();
        super::change(chain.newest().unwrap().root.document(), false, change)
    }
}

/// Version 1, 2 of 3 root keys and one release key, complete.
fn two_of_three(more: usize) -> Team {
    let team = Team::new(4 + more);
    let enrolled = team.enrolled((2, &[0, 1, 2]), (1, &[3]));
    team.write(&first("Team", &enrolled).unwrap());
    team.sign(1, &[0, 2]);
    team
}

#[test]
fn the_same_keys_in_any_order_give_the_same_bytes() {
    let team = Team::new(3);
    let one = first("T", &team.enrolled((2, &[0, 1, 2]), (1, &[1, 0]))).unwrap();
    let two = first("T", &team.enrolled((2, &[2, 0, 1, 0]), (1, &[0, 1]))).unwrap();
    assert_eq!(canonical(&one).unwrap(), canonical(&two).unwrap());
}

#[test]
fn a_version_counts_once_both_quorums_signed_it() {
    let team = two_of_three(2);
    assert_eq!(team.newest(), 1);
    let change = Change {
        replace: vec![(team.id(0), team.public(4)), (team.id(1), team.public(5))],
        ..Change::default()
    };
    team.write(&team.change(&change).unwrap());
    // Two of the new version, one of the old.
    team.sign(2, &[4, 5, 2]);
    let chain = team.chain();
    assert_eq!(team.newest(), 1);
    let missing: Vec<usize> = chain.quorums(2).iter().map(Quorum::missing).collect();
    assert_eq!(missing, [1, 0]);
    assert!(
        chain.notes()[0].contains("version 2 is not complete"),
        "{:?}",
        chain.notes()
    );
    assert!(chain.files().keys().all(|name| name.starts_with("root.1.")));
    team.sign(2, &[0]);
    assert_eq!(team.newest(), 2);
    // And the other way round.
    let change = Change {
        replace: vec![(team.id(4), team.public(1))],
        ..Change::default()
    };
    team.write(&team.change(&change).unwrap());
    team.sign(3, &[4, 5]);
    let missing: Vec<usize> = team
        .chain()
        .quorums(3)
        .iter()
        .map(Quorum::missing)
        .collect();
    assert_eq!((team.newest(), missing), (2, vec![0, 1]));
    team.sign(3, &[1]);
    assert_eq!(team.newest(), 3);
}

#[test]
fn ten_versions_in_which_every_key_changes_are_followed_from_the_first() {
    let team = two_of_three(9);
    for version in 2..=10 {
        let (old, new) = (version - 2, version + 2);
        let keys: Vec<KeyId> = team
            .chain()
            .newest()
            .unwrap()
            .root
            .document()
            .root
            .keys
            .clone();
        // The oldest key goes, the newest comes.
        let oldest = if old < 3 { old } else { old + 1 };
        let change = Change {
            replace: vec![(team.id(oldest), team.public(new))],
            ..Change::default()
        };
        team.write(&team.change(&change).unwrap());
        let signers: Vec<usize> = (0..team.keys.len())
            .filter(|n| keys.contains(&team.id(*n)) || *n == new)
            .collect();
        team.sign(version as u64, &signers);
        assert_eq!(team.newest(), version as u64);
    }
    let chain = team.chain();
    let mut carried = CarriedTrust::default();
    for (name, bytes) in chain.files() {
        carried.add(RootFile::parse(&name).unwrap(), bytes).unwrap();
    }
    assert_eq!(carried.check().unwrap().unwrap().document().version, 10);
    let anchor = TrustRoot::parse(&chain.complete()[0].signed.bytes).unwrap();
    assert_eq!(carried.follow(&anchor).0.document().version, 10);
}

#[test]
fn a_revoked_key_leaves_its_roles_and_never_comes_back() {
    let team = two_of_three(1);
    let revoke = |n: usize| Change {
        revoke: vec![(team.id(n), "stolen".to_owned())],
        ..Change::default()
    };
    // The only release key: some key must sign bundles afterwards.
    let error = team.change(&revoke(3)).unwrap_err();
    assert!(
        matches!(
            error,
            DraftError::OutOfReach {
                role: "release",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.advice().contains("--release-threshold"));
    let change = Change {
        replace: vec![(team.id(3), team.public(4))],
        ..revoke(3)
    };
    let next = team.change(&change).unwrap();
    assert_eq!(next.release.keys, [team.id(4)]);
    assert_eq!(next.revokes(&team.id(3)), Some("stolen"));
    assert!(next.keys.iter().all(|key| key.id != team.id(3)));
    let words = differences(Some(team.chain().newest().unwrap().root.document()), &next);
    assert!(
        words
            .iter()
            .any(|w| w.contains("REVOKED") && w.contains("stolen")),
        "{words:?}"
    );
    team.write(&next);
    team.sign(2, &[1, 2]);
    let add = Change {
        add: vec![(team.public(3), RoleChoice::Release)],
        ..Change::default()
    };
    let error = team.change(&add).unwrap_err();
    assert!(matches!(error, DraftError::Revoked { .. }), "{error}");
    let again = team.change(&revoke(3)).unwrap_err();
    assert!(matches!(again, DraftError::Revoked { .. }), "{again}");
}

#[test]
fn a_key_of_an_earlier_version_can_be_revoked_and_an_unknown_one_cannot() {
    let team = two_of_three(2);
    let change = Change {
        replace: vec![(team.id(3), team.public(4))],
        ..Change::default()
    };
    team.write(&team.change(&change).unwrap());
    team.sign(2, &[0, 1]);
    let mut revoke = Change {
        revoke: vec![(team.id(3), "found in a backup".to_owned())],
        known: [team.id(3)].into(),
        ..Change::default()
    };
    assert!(team.change(&revoke).unwrap().revokes(&team.id(3)).is_some());
    revoke.revoke[0].0 = team.id(5);
    assert!(matches!(
        team.change(&revoke),
        Err(DraftError::Unknown { .. })
    ));
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let team = two_of_three(1);
    let refused = |change: Change| team.change(&change).unwrap_err();
    assert!(matches!(refused(Change::default()), DraftError::Nothing(1)));
    let thresholds = Change {
        root_threshold: Some(4),
        ..Change::default()
    };
    assert!(matches!(
        refused(thresholds),
        DraftError::OutOfReach { role: "root", .. }
    ));
    let no_signer = Change {
        release_threshold: Some(0),
        ..Change::default()
    };
    assert!(matches!(
        refused(no_signer),
        DraftError::NoSigner("release")
    ));
    let present = Change {
        add: vec![(team.public(0), RoleChoice::Root)],
        ..Change::default()
    };
    assert!(matches!(refused(present), DraftError::Present(_)));
    let unknown = Change {
        remove: vec![(team.id(4), RoleChoice::Both)],
        ..Change::default()
    };
    assert!(matches!(refused(unknown), DraftError::Unknown { .. }));
    // A second role for a key is a change.
    let both = Change {
        add: vec![(team.public(0), RoleChoice::Both)],
        ..Change::default()
    };
    assert_eq!(team.change(&both).unwrap().release.keys.len(), 2);
}

#[test]
fn a_changed_draft_loses_its_signatures_and_stray_ones_are_not_carried() {
    let team = two_of_three(2);
    let replace = |new: usize| Change {
        replace: vec![(team.id(3), team.public(new))],
        ..Change::default()
    };
    team.write(&team.change(&replace(4)).unwrap());
    team.sign(2, &[0]);
    let old = team.path().join(
        RootFile::Signature {
            version: 2,
            key: team.id(0),
        }
        .to_string(),
    );
    let signature = std::fs::read(&old).unwrap();
    let other = canonical(&team.change(&replace(5)).unwrap()).unwrap();
    let dropped = team.chain().write_draft(2, &other).unwrap();
    assert_eq!(dropped.len(), 1);
    assert!(!old.exists());
    // It comes back from a stick, and counts for nothing.
    let late = Signature::new(team.id(0), signature).unwrap();
    team.chain().write_signature(2, &late).unwrap();
    team.sign(2, &[1, 2]);
    let chain = team.chain();
    assert_eq!(team.newest(), 2);
    assert_eq!(chain.strays().len(), 1);
    assert!(
        !chain
            .files()
            .contains_key(&chain.strays()[0].file.to_string())
    );
    // An unknown key does not get into the chain either.
    let stranger = Signature::new(team.id(4), vec![1, 2, 3]).unwrap();
    team.chain().write_signature(2, &stranger).unwrap();
    assert_eq!(team.chain().strays().len(), 2);
    assert_eq!(team.chain().files(), chain.files());
}

#[test]
fn what_does_not_follow_is_told_and_not_used() {
    let team = two_of_three(1);
    let change = Change {
        replace: vec![(team.id(3), team.public(4))],
        ..Change::default()
    };
    let mut far = team.change(&change).unwrap();
    far.version = 7;
    team.write(&far);
    assert_eq!(team.chain().beyond(), [7]);
    assert_eq!(team.newest(), 1);
    let empty = tempfile::tempdir().unwrap();
    let away = RootChain::read(&empty.path().join("nowhere")).unwrap();
    assert!(matches!(away.require(), Err(RootsError::NoChain(_))));
    far.version = 2;
    std::fs::copy(
        team.path().join("root.7.json"),
        empty.path().join("root.2.json"),
    )
    .unwrap();
    let start = RootChain::read(empty.path()).unwrap();
    assert!(matches!(
        start.require(),
        Err(RootsError::Start { found: 2, .. })
    ));
}
