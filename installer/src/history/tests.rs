//! A host whose history was also written by other installers.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the other installers and the bad disk"
)]

use manifests::digest::Sha256;

use super::test_runs::past_run;
use super::*;
use crate::plan::PlanKind;

struct Host {
    _dir: tempfile::TempDir,
    layout: Layout,
}

impl Host {
    /// A host with these runs, all done.
    fn with_runs(ids: &[u64]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let host = Self { _dir: dir, layout };
        for id in ids {
            host.add(*id, Some(Outcome::Done));
        }
        host
    }

    fn add(&self, id: u64, outcome: Option<Outcome>) {
        let past = past_run(id, PlanKind::Upgrade, outcome);
        crate::run::prepare(&self.layout, id, &past.plan).unwrap();
        let run = self.layout.run(id);
        std::fs::write(run.journal(), "").unwrap();
        if let Some(report) = &past.report {
            document::write(&run.report(), report).unwrap();
        }
    }

    /// A newer installer wrote the plan of a run.
    fn is_newer(&self, id: u64) {
        let plan = r#"{"type": "airgap-bundle/plan/2", "other": true}"#;
        std::fs::write(self.layout.run(id).plan(), plan).unwrap();
    }

    fn began(&self, id: u64, version: &str, sha256: Sha256) {
        let version = version.parse().unwrap();
        let installer = Installer { version, sha256 };
        document::write(&self.layout.run(id).installer(), &installer).unwrap();
    }

    fn readable(&self) -> Vec<u64> {
        let past = all(&self.layout).unwrap();
        past.runs.iter().map(|run| run.id).collect()
    }
}

/// E4: one unreadable run made every command that reads runs fail.
#[test]
fn a_run_that_cannot_be_read_does_not_hide_the_others() {
    let host = Host::with_runs(&[1, 2, 3, 4]);
    host.is_newer(1);
    std::fs::write(host.layout.run(2).report(), "{ cut").unwrap();
    let past = all(&host.layout).unwrap();
    assert_eq!(host.readable(), [3, 4]);
    let unreadable: Vec<u64> = past.unreadable.iter().map(|one| one.id).collect();
    assert_eq!(unreadable, [1, 2]);
    assert!(past.unreadable[0].why.contains("newer installer"));
    assert!(past.unreadable[1].why.contains("damaged"));
    assert!(open_run(&host.layout).unwrap().is_none());
    assert_eq!(next_id(&host.layout).unwrap(), 5);
    assert!(past.unreadable_after(2).is_none());
    assert_eq!(past.unreadable_after(1).unwrap().id, 2);
}

#[test]
fn a_run_of_a_newer_installer_with_more_fields_is_read() {
    let host = Host::with_runs(&[1]);
    let path = host.layout.run(1).plan();
    let text = std::fs::read_to_string(&path).unwrap();
    let more = text.replace("\"nevra\":", "\"more\": 1, \"nevra\":");
    let more = more.replace("\"package\":", "\"more\": 1, \"package\":");
    assert_ne!(more, text);
    std::fs::write(&path, more).unwrap();
    assert_eq!(host.readable(), [1]);
}

#[test]
fn nothing_that_cannot_be_read_is_removed() {
    let host = Host::with_runs(&[1, 2, 3]);
    host.is_newer(1);
    let rpm = host.layout.stored_rpm(&Sha256::of(b"of run 1"));
    std::fs::create_dir_all(host.layout.store()).unwrap();
    std::fs::write(&rpm, "rpm").unwrap();
    let none = Retention {
        backup_bytes: u64::MAX,
        runs: 0,
        store_bytes: 0,
    };
    assert_eq!(prune(&host.layout, none).unwrap().runs, [2]);
    assert!(host.layout.run(1).plan().exists() && rpm.exists());
    crate::backup::prune(&host.layout, 0).unwrap();
    assert!(host.layout.run(1).backup().exists());
    assert!(!host.layout.run(3).backup().exists());
}

/// An older installer names the installer that must continue, and changes nothing.
#[test]
fn an_open_run_of_a_newer_installer_is_refused_with_the_copy_that_began_it() {
    let host = Host::with_runs(&[1]);
    host.add(2, None);
    let sha256 = Sha256::of(b"installer 99");
    host.began(2, "99.0.0", sha256);
    let open = open_run(&host.layout).unwrap().unwrap();
    assert_eq!(open.id, 2, "it can be read");
    // Its program is gone, and every document can be read: the older one may put the host back.
    refuse_newer(&host.layout, 2).unwrap();
    let copy = host.layout.kept_installer(&sha256);
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::write(&copy, "program").unwrap();
    let refused = refuse_newer(&host.layout, 2).unwrap_err();
    assert!(refused.explained.why.contains("99.0.0"), "{refused:?}");
    let root = host.layout.root_option();
    let resume = format!("`{} {root}resume`", copy.display());
    assert!(refused.explained.next.contains(&resume), "{refused:?}");
    // The result is the same if even its plan cannot be read.
    host.is_newer(2);
    let refused = open_run(&host.layout).unwrap_err();
    assert!(refused.explained.what.contains("run 2"), "{refused:?}");
    assert!(refused.explained.next.contains(&resume), "{refused:?}");
}

#[test]
fn a_newer_installer_takes_over_an_open_run_of_an_older_one() {
    let host = Host::with_runs(&[]);
    host.add(1, None);
    // Installers before this one did not record themselves.
    refuse_newer(&host.layout, 1).unwrap();
    host.began(1, "0.0.1", Sha256::of(b"older"));
    refuse_newer(&host.layout, 1).unwrap();
    let own = Installer::own(Sha256::of(b"this one"));
    assert!(!own.is_recorded(&host.layout, 1), "it is another's");
    own.record(&host.layout, 1).unwrap();
    assert!(own.is_recorded(&host.layout, 1));
    let found: Installer = document::read(&host.layout.run(1).installer()).unwrap();
    assert_eq!(found, own);
    // A record that is damaged is written anew.
    std::fs::write(host.layout.run(1).installer(), "{").unwrap();
    refuse_newer(&host.layout, 1).unwrap();
    assert!(!own.is_recorded(&host.layout, 1));
}
