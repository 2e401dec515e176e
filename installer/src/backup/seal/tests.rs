#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the runs, the administrator and the power cuts here"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use age::secrecy::ExposeSecret as _;
use age::x25519;

use super::*;
use crate::failure::chain;
use crate::history::report::Outcome;
use crate::history::test_runs::past_run;
use crate::plan::PlanKind;

const SECRET: &str = "password = canary\n";

struct Host {
    dir: tempfile::TempDir,
    layout: Layout,
    key: x25519::Identity,
}

impl Host {
    /// A host with run 1, which has recipients, and a backup with one secret in it.
    fn with_run(outcome: Option<Outcome>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let host = Self {
            key: x25519::Identity::generate(),
            layout,
            dir,
        };
        let past = past_run(1, PlanKind::Upgrade, outcome);
        crate::run::prepare(&host.layout, 1, &past.plan).unwrap();
        let run = host.layout.run(1);
        fs::write(run.join("journal"), "").unwrap();
        if let Some(report) = &past.report {
            let bytes = manifests::json::canonical(report).unwrap();
            fs::write(run.join("report.json"), bytes).unwrap();
        }
        let blobs = crate::backup::blobs::Blobs::open(&run.join("backup/blobs")).unwrap();
        let sha256 = manifests::digest::Sha256::of(SECRET.as_bytes());
        blobs.put(&sha256, SECRET.as_bytes()).unwrap();
        for name in ["before.json", "after.json", "baseline.json"] {
            fs::write(run.join("backup").join(name), format!("{{\"{name}\": 1}}")).unwrap();
        }
        fs::create_dir_all(run.join("displaced.1/opt")).unwrap();
        fs::write(run.join("displaced.1/opt/appeared"), SECRET).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", run.join("displaced.1/opt/link")).unwrap();
        record(&host.layout, 1, &host.recipients()).unwrap();
        host
    }

    fn recipients(&self) -> Recipients {
        Recipients::of_names(&[self.key.to_public().to_string()]).unwrap()
    }

    fn settle(&self) -> Vec<String> {
        let lock = RunLock::take(&self.layout).unwrap();
        settle(&self.layout, &lock, &|_| ())
    }

    fn identity_of(&self, key: &x25519::Identity) -> Identity {
        let path = self.dir.path().join("identity");
        let text = format!("# a comment\n{}\n", key.to_string().expose_secret());
        fs::write(&path, text).unwrap();
        Identity::read(&path).unwrap()
    }

    /// Returns the file names in a run's directory.
    fn names(&self, run: u64) -> Vec<String> {
        let entries = fs::read_dir(self.layout.run(run)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn holds_secret(&self) -> bool {
        let files = walkdir::WalkDir::new(self.layout.state()).into_iter();
        let files = files
            .map(|found| found.unwrap())
            .filter(|f| f.file_type().is_file());
        files
            .map(|found| fs::read(found.path()).unwrap())
            .any(|bytes| {
                bytes
                    .windows(SECRET.len())
                    .any(|window| window == SECRET.as_bytes())
            })
    }
}

const SEALED: [&str; 5] = [
    "backup.age",
    "journal",
    "plan.json",
    "report.json",
    "seal.json",
];

#[test]
fn a_closed_run_is_sealed_and_its_backup_comes_back_whole() {
    let host = Host::with_run(Some(Outcome::Done));
    assert_eq!(kept(&host.layout, 1).unwrap(), Kept::ToBeSealed);
    assert!(is_unsettled(&host.layout) && host.holds_secret());
    assert_eq!(host.settle(), Vec::<String>::new());
    assert_eq!(host.names(1), SEALED);
    assert_eq!(kept(&host.layout, 1).unwrap(), Kept::Sealed);
    assert!(!is_unsettled(&host.layout) && !host.holds_secret());
    let mode = host
        .layout
        .run(1)
        .sealed()
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    let unlocked = unlock(&host.layout, 1, &host.identity_of(&host.key)).unwrap();
    unseal(&host.layout, 2, unlocked).unwrap();
    let backup = backup_of_undone(&host.layout, 2, 1);
    assert!(
        backup.starts_with(host.layout.run(2)),
        "{}",
        backup.display()
    );
    let blobs = crate::backup::blobs::Blobs::open(&backup.join("blobs")).unwrap();
    let sha256 = manifests::digest::Sha256::of(SECRET.as_bytes());
    assert_eq!(blobs.load(&sha256).unwrap(), SECRET.as_bytes());
    let after = fs::read_to_string(backup.join("after.json")).unwrap();
    assert_eq!(after, "{\"after.json\": 1}");
    assert!(is_unsettled(&host.layout));
    host.settle();
    assert!(!host.layout.run(2).exists() && !host.holds_secret());
}

#[test]
fn an_open_run_stays_plain_for_its_recovery() {
    let failed = Outcome::RevertFailed {
        cause: String::new(),
        revert_cause: String::new(),
        commands: Vec::new(),
        data: None,
    };
    for outcome in [None, Some(failed)] {
        let host = Host::with_run(outcome);
        host.settle();
        assert_eq!(kept(&host.layout, 1).unwrap(), Kept::ToBeSealed);
        assert!(host.holds_secret());
    }
}

/// Covers a kill before the sealed file exists, one while it is half-written, and kills after any
/// of the plain files was removed.
#[test]
fn sealing_that_was_cut_off_is_finished_by_the_next_one() {
    type Cut = fn(&std::path::Path);
    let leave: [(&str, Cut); 4] = [
        ("half a file", |run| {
            fs::write(run.join(".backup.age.airgap-partial"), "half").unwrap();
        }),
        ("nothing removed", |_| {}),
        ("some removed", |run| {
            fs::remove_dir_all(run.join("displaced.1")).unwrap();
            fs::remove_file(run.join("backup/before.json")).unwrap();
        }),
        ("all but a directory removed", |run| {
            fs::remove_dir_all(run.join("displaced.1")).unwrap();
            fs::remove_dir_all(run.join("backup")).unwrap();
            fs::create_dir(run.join("backup")).unwrap();
        }),
    ];
    for (name, cut) in leave {
        let host = Host::with_run(Some(Outcome::Done));
        let run = host.layout.run(1);
        if name != "half a file" {
            let sealed = Host::with_run(Some(Outcome::Done));
            // The same bytes, sealed to the same key, as this host would have sealed them.
            record(&sealed.layout, 1, &host.recipients()).unwrap();
            sealed.settle();
            fs::copy(sealed.layout.run(1).sealed(), run.join("backup.age")).unwrap();
        }
        cut(&run);
        assert!(is_unsettled(&host.layout), "{name}");
        assert_eq!(host.settle(), Vec::<String>::new(), "{name}");
        assert_eq!(host.names(1), SEALED, "{name}");
        let unlocked = unlock(&host.layout, 1, &host.identity_of(&host.key)).unwrap();
        unseal(&host.layout, 2, unlocked).unwrap();
        assert!(
            host.layout
                .run(2)
                .unsealed()
                .join("backup/before.json")
                .exists()
        );
    }
}

#[test]
fn a_damaged_or_truncated_backup_is_refused_and_leaves_nothing() {
    let host = Host::with_run(Some(Outcome::Done));
    host.settle();
    let path = host.layout.run(1).sealed();
    let whole = fs::read(&path).unwrap();
    let identity = host.identity_of(&host.key);
    let lengths = (0..whole.len()).step_by(97);
    for length in lengths {
        fs::write(&path, &whole[..length]).unwrap();
        if let Ok(unlocked) = unlock(&host.layout, 1, &identity) {
            assert!(unseal(&host.layout, 2, unlocked).is_err(), "{length}");
        }
        assert!(!host.layout.run(2).exists(), "{length}");
    }
    for at in (0..whole.len()).step_by(97) {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        if let Ok(unlocked) = unlock(&host.layout, 1, &identity) {
            assert!(unseal(&host.layout, 2, unlocked).is_err(), "byte {at}");
        }
        assert!(!host.layout.run(2).exists(), "byte {at}");
    }
}

#[test]
fn other_identities_and_other_files_get_different_errors_that_quote_nothing() {
    let host = Host::with_run(Some(Outcome::Done));
    host.settle();
    let other = host.identity_of(&x25519::Identity::generate());
    let refused = unlock(&host.layout, 1, &other).unwrap_err();
    assert!(matches!(refused, IdentityError::Other { .. }), "{refused}");
    let path = host.dir.path().join("identity");
    for (text, encrypted) in [
        ("AGE-SECRET-KEY-1CANARY\n", false),
        ("# nothing but a comment\n", false),
        ("age-encryption.org/v1\n-> scrypt\n", true),
    ] {
        fs::write(&path, text).unwrap();
        let error = Identity::read(&path).unwrap_err();
        assert!(!chain(&error).contains("CANARY"), "{error}");
        assert_eq!(matches!(error, IdentityError::Encrypted(_)), encrypted);
    }
}

#[test]
fn the_sites_recipients_are_read_unless_another_user_could_write_them() {
    let host = Host::with_run(None);
    assert!(Recipients::of_site(&host.layout).unwrap().is_empty());
    let path = host.layout.backup_recipients();
    secure_fs::ensure_guarded(path.parent().unwrap(), 0o755).unwrap();
    let name = host.key.to_public().to_string();
    let set = |text: &str, mode: u32| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Recipients::of_site(&host.layout)
    };
    let found = set(&format!("# ours\n\n  {name}\n{name}\n"), 0o644).unwrap();
    assert_eq!(found.names(), std::slice::from_ref(&name));
    for mode in [0o664, 0o646] {
        assert!(matches!(set(&name, mode), Err(RecipientsError::File(_))));
    }
    assert!(matches!(
        set("# none\n", 0o644),
        Err(RecipientsError::Empty(_))
    ));
    let secret = host.key.to_string();
    let error = set(secret.expose_secret(), 0o644).unwrap_err();
    assert!(!chain(&error).contains("SECRET"), "{error}");
}
