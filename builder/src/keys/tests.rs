use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::explain::Explain as _;
use crate::output::{self, Pending};

fn ids(opened: &Opened) -> Vec<KeyId> {
    opened.signers.ids()
}

#[test]
fn the_key_is_made_once_private_and_its_root_stays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("config/airgap-bundle"));
    let request = Request::default();
    assert!(store.open_if_any(&request).unwrap().is_none());
    let first = store.open_or_create(&request).unwrap();
    assert!(first.created);
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.key_path()), 0o600);
    assert_eq!(mode(store.trust_path().join("root.1.json")), 0o644);
    assert_eq!(mode(store.trust_path()), 0o700);
    let again = store.open_or_create(&request).unwrap();
    assert!(!again.created);
    assert_eq!(first.signers.root_bytes(), again.signers.root_bytes());
    assert_eq!(
        first.signers.sign(b"m").unwrap(),
        again.signers.sign(b"m").unwrap()
    );
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    store.open_or_create(&Request::default()).unwrap();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(store.key_path(), open).unwrap();
    let error = store.open(&Request::default()).unwrap_err();
    assert!(
        matches!(error, KeyError::TooOpen { mode: 0o644, .. }),
        "{error}"
    );
}

#[test]
fn a_key_that_is_not_in_the_root_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let one = KeyStore::new(dir.path().join("1"));
    let two = KeyStore::new(dir.path().join("2"));
    one.open_or_create(&Request::default()).unwrap();
    two.open_or_create(&Request::default()).unwrap();
    std::fs::copy(one.key_path(), two.key_path()).unwrap();
    let error = two.open(&Request::default()).unwrap_err();
    assert!(
        matches!(error, KeyError::NotRelease { version: 1, .. }),
        "{error}"
    );
}

#[test]
fn one_key_does_not_sign_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    store.open_or_create(&Request::default()).unwrap();
    let name = || KeyName::File(store.key_path());
    let request = Request {
        keys: vec![name(), name()],
        ..Request::default()
    };
    let error = store.open(&request).unwrap_err();
    assert!(matches!(error, KeyError::Twice(_)), "{error}");
}

#[test]
fn of_several_first_builds_one_makes_the_key_and_all_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    let opened: Vec<Opened> = std::thread::scope(|scope| {
        let open = || store.open_or_create(&Request::default()).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|o| o.created).count(), 1);
    assert!(opened.iter().all(|o| ids(o) == ids(&opened[0])));
}

#[test]
fn a_key_that_appears_meanwhile_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    store.open_or_create(&Request::default()).unwrap();
    let key = std::fs::read(store.key_path()).unwrap();
    assert!(store.create_with_root(None).unwrap().is_none());
    let late = Pending::with_bytes(&store.key_path(), b"other", 0o600).unwrap();
    assert!(!late.commit_new().unwrap());
    assert_eq!(std::fs::read(store.key_path()).unwrap(), key);
}

#[test]
fn a_link_to_nowhere_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    let away = dir.path().join("not-mounted/key.pem");
    std::os::unix::fs::symlink(&away, store.key_path()).unwrap();
    let error = store.open_or_create(&Request::default()).unwrap_err();
    assert!(matches!(error, KeyError::Dangling(_)), "{error}");
    assert_eq!(std::fs::read_link(store.key_path()).unwrap(), away);
}

#[test]
fn a_root_document_without_its_key_gets_no_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let made = KeyStore::new(dir.path().join("made"));
    made.open_or_create(&Request::default()).unwrap();
    let store = KeyStore::new(dir.path().join("restored"));
    store.make_trust().unwrap();
    for (name, bytes) in made.chain().unwrap().files() {
        let path = store.trust_path().join(name);
        Pending::with_bytes(&path, &bytes, 0o644)
            .unwrap()
            .commit()
            .unwrap();
    }
    let error = store.open_or_create(&Request::default()).unwrap_err();
    assert!(matches!(error, KeyError::RootWithoutKey { .. }), "{error}");
    assert!(error.explain().next.contains("backup"));
    assert!(!store.key_path().exists());
    // No signature needs no key.
    let unsigned = Request {
        unsigned: true,
        ..Request::default()
    };
    assert_eq!(store.open(&unsigned).unwrap().ids(), []);
}

#[test]
fn an_unfinished_first_version_is_not_built_with() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    store.open_or_create(&Request::default()).unwrap();
    let chain = store.chain().unwrap();
    let key = &chain.newest().unwrap().root.root_keys()[0];
    output::remove(&store.trust_path().join(format!("root.1.{}.sig", key.id()))).unwrap();
    let error = store.open(&Request::default()).unwrap_err();
    assert!(error.to_string().contains("not complete"), "{error}");
    assert!(error.explain().next.contains("bundle root sign"));
}

#[test]
fn a_key_whose_root_documents_are_gone_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().to_owned());
    let request = Request::default();
    let made = store.open_or_create(&request).unwrap();
    assert!(
        made.signers.notes().is_empty(),
        "the first build is no loss"
    );
    output::remove(&store.trust_path().join("root.1.json")).unwrap();
    let notes = |store: &KeyStore| {
        let signers = store.open_if_any(&request).unwrap().unwrap();
        signers.notes().join("; ")
    };
    assert!(notes(&store).contains("no root document beside the key"));
    assert_eq!(notes(&store), "");
}
