//! Directories that another user could change are not used: not for state, runs and stored
//! packages, not for trust.

use std::time::Duration;

use crate::upgrade::support::{Site, changes, site, site_with};

const STATE: &str = "/var/lib/airgap-bundle";

impl Site {
    pub(crate) fn shell(&self, script: &str) -> String {
        self.host.check(&["sh", "-c", script]).unwrap()
    }

    /// Runs a command that must be refused, in three parts.
    #[track_caller]
    fn refuses(&self, args: &[&str], codes: &[i32], word: &str) {
        let run = self.install(args);
        let code = run.code().unwrap();
        assert!(codes.contains(&code), "{args:?}: {code}: {}", run.stderr);
        for part in ["error: ", "  why: ", " next: ", word] {
            assert!(run.stderr.contains(part), "no `{part}` in {}", run.stderr);
        }
    }
}

/// A change of a directory, its undo, and the words of the refusal.
const FLAWS: [(&str, &str, &str); 4] = [
    ("chmod g+w $D", "chmod g-w $D", "others can write to it"),
    ("chmod o+w $D", "chmod o-w $D", "others can write to it"),
    ("chown nobody $D", "chown root $D", "another user"),
    (
        "mv $D $D.real && ln -s $D.real $D",
        "rm $D && mv $D.real $D",
        "a symlink is not followed",
    ),
];

#[test]
fn every_command_refuses_state_runs_store_and_trust_of_another_user() {
    let Some(site) = site("guarded") else { return };
    let bundle = "/root/bundle.tar.zst";
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&[bundle]);
    let next = site.forge("5.3.0", "5.3.0", "1.9.0");
    site.carry(&next);
    let before = site.snapshot();
    let writing: [&[&str]; 5] = [
        &[bundle],
        &["undo", "1"],
        &["rollback", "0"],
        &["resume"],
        &["history", "prune"],
    ];
    let reading: [&[&str]; 3] = [&["history"], &["history", "info", "1"], &["status"]];
    for below in ["", "/runs", "/store", "/runs/1"] {
        let dir = format!("{STATE}{below}");
        for (harm, cure, word) in FLAWS {
            let at = |script: &str| site.shell(&script.replace("$D", &dir));
            at(harm);
            for args in writing {
                site.refuses(args, &[1, 4], word);
            }
            if below != "/store" {
                for args in reading {
                    site.refuses(args, &[1], word);
                }
            }
            at(cure);
        }
    }
    let trust = "/etc/airgap-bundle/trust";
    let root = format!("$(echo {trust}/*.json)");
    let trusting: [&[&str]; 4] = [
        &[bundle],
        &["verify", bundle],
        &["plan", bundle],
        &["trust", "list"],
    ];
    for (harm, cure, word) in FLAWS {
        let at = |script: &str| site.shell(&script.replace("$D", trust));
        at(harm);
        for args in trusting {
            site.refuses(args, &[3], word);
        }
        at(cure);
        let at = |script: &str| site.shell(&format!("R={root}; {}", script.replace("$D", "$R")));
        if harm.starts_with("ch") {
            at(harm);
            for args in trusting {
                site.refuses(args, &[3], word);
            }
            at(cure);
        }
    }
    // A user who can rename the directory above can put another in its place.
    for (above, args, code) in [
        ("/var/lib", &["history"][..], 1),
        ("/etc/airgap-bundle", &["verify", bundle][..], 3),
    ] {
        site.shell(&format!("chmod o+w {above}"));
        site.refuses(args, &[code], "which is above it");
        site.shell(&format!("chmod o-w {above}"));
    }
    site.must_install(&["status"]);
    site.must_install(&["verify", bundle]);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}

/// A directory of this machine behind FUSE, as a user's program would show it.
struct Fuse {
    dir: tempfile::TempDir,
}

impl Fuse {
    /// Returns `None` where this machine has no FUSE.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        std::fs::File::create(&image)
            .unwrap()
            .set_len(64 << 20)
            .unwrap();
        std::fs::create_dir(dir.path().join("mounted")).unwrap();
        let run = |program: &str, args: &[&str]| {
            let mut command = std::process::Command::new(program);
            let done = command.args(args).arg(&image).output();
            done.is_ok_and(|done| done.status.success())
        };
        assert!(run("mkfs.ext4", &["-q"]));
        let mounted = std::process::Command::new("fuse2fs")
            .arg(&image)
            .arg(dir.path().join("mounted"))
            .output();
        mounted
            .is_ok_and(|done| done.status.success())
            .then_some(Self { dir })
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.dir.path().join("mounted"))
            .output();
    }
}

#[test]
fn a_state_directory_on_a_users_program_is_refused() {
    let Some(fuse) = Fuse::mount() else {
        lab::skipped!("no FUSE here (fuse2fs, /dev/fuse)");
        return;
    };
    let bind = format!(
        "--bind={}:{STATE}",
        fuse.dir.path().join("mounted").display()
    );
    let Some(site) = site_with("fuse", &[&bind]) else {
        return;
    };
    site.shell(&format!("chmod 700 {STATE}; chown root:root {STATE}"));
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.refuses(&["/root/bundle.tar.zst"], &[4], "FUSE");
    site.refuses(&["resume"], &[4], "FUSE");
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    site.host.wait_running(Duration::from_secs(30)).unwrap();
    drop(site);
    drop(fuse);
}
