#![expect(clippy::disallowed_methods, reason = "a test damages files")]

use super::test_keys::{document, revoking, signed};
use super::*;
use manifests::trust::SignedRoot;

struct Desk {
    _dir: tempfile::TempDir,
    layout: Layout,
    anchor: Sha256,
}

fn chain_of(roots: &[(u64, SignedRoot)]) -> CarriedTrust {
    let mut chain = CarriedTrust::default();
    for (version, root) in roots {
        for (file, bytes) in root.files(*version) {
            chain.add(file, bytes.to_vec()).unwrap();
        }
    }
    chain
}

/// Versions 2 and 3: the release key 10 is replaced by 11 and revoked, then 11 by 12.
fn successors() -> Vec<(u64, SignedRoot)> {
    let second = revoking(document(2, 1, 11), 10);
    let third = revoking(document(3, 1, 12), 10);
    vec![(2, signed(&second, &[1])), (3, signed(&third, &[1]))]
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let first = signed(&document(1, 1, 10), &[1]);
        let root = TrustRoot::parse(&first.bytes).unwrap();
        enrol(&layout, &root, &first.bytes).unwrap();
        Self {
            _dir: dir,
            layout,
            anchor: *root.fingerprint(),
        }
    }

    fn learn(&self, roots: &[(u64, SignedRoot)]) {
        let learned = Learned::from(&chain_of(roots), &enrolled(&self.layout).unwrap());
        learned.remember(&self.layout).unwrap();
    }

    fn version(&self) -> u64 {
        let roots = enrolled(&self.layout).unwrap();
        assert_eq!(roots.len(), 1);
        assert_eq!(*roots[0].anchor(), self.anchor);
        roots[0].document().version
    }

    fn file(&self, name: &str) -> PathBuf {
        self.layout.trust().join(format!("{}.{name}", self.anchor))
    }
}

/// As an enrolment leaves it that is killed before it removed the older document.
#[test]
fn of_two_versions_of_one_root_only_the_newer_counts() {
    let desk = Desk::new();
    let newer = signed(&revoking(document(3, 1, 12), 10), &[1]);
    let newer_root = TrustRoot::parse(&newer.bytes).unwrap();
    enrol(&desk.layout, &newer_root, &newer.bytes).unwrap();
    assert_eq!(all(&desk.layout).unwrap().len(), 2);
    let counted = enrolled(&desk.layout).unwrap();
    let anchors: Vec<&Sha256> = counted.iter().map(TrustRoot::anchor).collect();
    assert_eq!(anchors, [newer_root.fingerprint()]);
}

#[test]
fn successors_are_remembered_and_an_older_chain_changes_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.version(), 1);
    desk.learn(&successors()[..1]);
    assert_eq!(desk.version(), 2);
    desk.learn(&successors());
    assert_eq!(desk.version(), 3);
    desk.learn(&successors()[..1]);
    desk.learn(&[]);
    assert_eq!(desk.version(), 3);
    let newest = &enrolled(&desk.layout).unwrap()[0];
    assert_eq!(
        newest.document().revokes(&test_keys::id(10)),
        Some("stolen")
    );
}

#[test]
fn a_chain_with_a_gap_or_of_another_root_changes_nothing() {
    let desk = Desk::new();
    desk.learn(&successors()[1..]);
    assert_eq!(desk.version(), 1);
    desk.learn(&[(2, signed(&document(2, 9, 9), &[9]))]);
    assert_eq!(desk.version(), 1);
}

#[test]
fn an_interrupted_successor_is_ignored_and_completed_later() {
    let desk = Desk::new();
    desk.learn(&successors());
    // The write stopped before the last document got its name.
    std::fs::remove_file(desk.file("root.3.json")).unwrap();
    assert_eq!(desk.version(), 2);
    desk.learn(&successors());
    assert_eq!(desk.version(), 3);
}

#[test]
fn remembered_successors_with_a_gap_or_a_changed_byte_are_refused() {
    let desk = Desk::new();
    desk.learn(&successors());
    let path = desk.file("root.2.json");
    let bytes = std::fs::read(&path).unwrap();
    let broken = |version| {
        let error = enrolled(&desk.layout).unwrap_err();
        assert!(
            matches!(&error, TrustError::BrokenChain { version: v, .. } if *v == version),
            "{error}"
        );
    };
    std::fs::remove_file(&path).unwrap();
    broken(3);
    let mut bad = bytes.clone();
    let at = bad.len() / 2;
    bad[at] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    broken(2);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(desk.version(), 3);
}

#[test]
fn removing_a_root_removes_its_successors() {
    let desk = Desk::new();
    desk.learn(&successors());
    remove(&desk.layout, &desk.anchor).unwrap();
    assert!(enrolled(&desk.layout).unwrap().is_empty());
    assert_eq!(names(&desk.layout.trust()).unwrap(), Vec::<String>::new());
}
