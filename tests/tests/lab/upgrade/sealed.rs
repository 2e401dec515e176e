//! Backups sealed to a recipient of age, opened by the stock `age`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::upgrade::support::{Site, changes, say, site};

const CONFIG: &str = "/opt/tyk-gateway/tyk.conf";
const RECIPIENTS: &str = "/etc/airgap-bundle/backup-recipients";

/// A pair of `age-keygen`.
struct Key {
    file: PathBuf,
    recipient: String,
}

fn key(dir: &Path, name: &str) -> Key {
    let file = dir.join(name);
    let made = Command::new("age-keygen")
        .arg("-o")
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8(made.stderr).unwrap();
    let recipient = said.rsplit(' ').next().unwrap().trim().to_owned();
    assert!(recipient.starts_with("age1"), "{said}");
    Key { file, recipient }
}

impl Site {
    fn run_names(&self, run: u64) -> Vec<String> {
        let dir = format!("/var/lib/airgap-bundle/runs/{run}");
        let names = self.host.check(&["ls", "-A", &dir]).unwrap();
        names.lines().map(str::to_owned).collect()
    }

    fn is_sealed(&self, run: u64) -> bool {
        let names = self.run_names(run);
        let is_plain =
            |name: &String| name == "backup" || name == "undone" || name.starts_with("displaced");
        names.contains(&"backup.age".to_owned()) && !names.iter().any(is_plain)
    }

    /// Whether a text is in any file of the state directory.
    fn state_holds(&self, text: &str) -> bool {
        let grep = ["grep", "-rqF", text, "/var/lib/airgap-bundle"];
        self.host.run(&grep).unwrap().code() == Some(0)
    }
}

/// Unpacks a sealed backup with nothing but `age` and `tar`, and returns its files.
fn open_with_stock_tools(
    site: &Site,
    run: u64,
    key: &Key,
    dir: &Path,
) -> BTreeMap<String, Vec<u8>> {
    let path = format!("/var/lib/airgap-bundle/runs/{run}/backup.age");
    let sealed = dir.join("backup.age");
    std::fs::write(&sealed, site.host.read(path).unwrap()).unwrap();
    let target = dir.join(format!("unpacked-{run}"));
    std::fs::create_dir(&target).unwrap();
    let opened = Command::new("age")
        .args(["-d", "-i"])
        .arg(&key.file)
        .arg(&sealed)
        .output()
        .unwrap();
    assert!(opened.status.success(), "{opened:?}");
    let tar = dir.join("backup.tar");
    std::fs::write(&tar, &opened.stdout).unwrap();
    let unpacked = Command::new("tar")
        .arg("-xf")
        .arg(&tar)
        .arg("-C")
        .arg(&target)
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    let files = walkdir::WalkDir::new(&target)
        .into_iter()
        .map(Result::unwrap);
    let files = files.filter(|found| found.file_type().is_file());
    files
        .map(|found| {
            let name = found.path().strip_prefix(&target).unwrap();
            let bytes = std::fs::read(found.path()).unwrap();
            (name.display().to_string(), bytes)
        })
        .collect()
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn a_sealed_run_is_undone_only_with_the_identity() {
    let Some(site) = site("sealed") else { return };
    let dir = tempfile::tempdir().unwrap();
    let [ours, other] = ["ours", "other"].map(|name| key(dir.path(), name));
    let recipients = format!("# the vault of the site\n{}\n", ours.recipient);
    site.host.write(RECIPIENTS, recipients, 0o644).unwrap();
    let config = String::from_utf8(site.host.read(CONFIG).unwrap()).unwrap();
    let config = config.replacen('{', "{\n  \"vault_token\": \"canary-sealed\",", 1);
    site.host.write(CONFIG, &config, 0o640).unwrap();
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    assert!(site.is_sealed(1), "{:?}", site.run_names(1));
    assert!(!site.state_holds("canary-sealed"));
    let info = site.must_install(&["history", "info", "1"]).stdout;
    let line = format!("backup: sealed to {}", ours.recipient);
    assert!(info.contains(&line), "{info}");
    let json = site.must_install(&["history", "--output", "json"]).stdout;
    let reports: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(reports[0]["backup_recipients"][0], ours.recipient.as_str());

    let files = open_with_stock_tools(&site, 1, &ours, dir.path());
    let digest = manifests::digest::Sha256::of(config.as_bytes());
    assert_eq!(files[&format!("backup/blobs/{digest}")], config.as_bytes());
    assert!(files.contains_key("backup/before.json") && files.contains_key("backup/after.json"));
    assert!(files.contains_key("backup/config-changes.json"));
    let sealed = site.install(&["config-changes"]);
    assert_eq!(sealed.code(), Some(4), "{}", sealed.stderr);
    assert!(sealed.stderr.contains("age -d"), "{}", sealed.stderr);

    // Without the identity, or with a wrong one, nothing changes.
    let upgraded = site.snapshot();
    for key in [&ours, &other] {
        let name = key.file.file_name().unwrap().to_str().unwrap();
        let path = format!("/root/{name}");
        site.host.copy_in(&key.file, path, 0o600).unwrap();
    }
    let attempts: [&[&str]; 4] = [
        &["undo", "1"],
        &["undo", "1", "--identity", "/root/other"],
        &["undo", "1", "--identity", "/root/root.json"],
        &["rollback", "0", "--identity", "/root/none"],
    ];
    for attempt in attempts {
        let refused = site.install(attempt);
        assert_eq!(refused.code(), Some(4), "{}", refused.stderr);
        for part in ["error:", "why:", "next:"] {
            assert!(refused.stderr.contains(part), "{}", refused.stderr);
        }
        let secret = std::fs::read_to_string(&other.file).unwrap();
        let secret = secret.lines().last().unwrap();
        assert!(!refused.stderr.contains(secret));
    }
    let refused = site.install(&["undo", "1", "--identity", "/root/other"]);
    assert!(
        refused.stderr.contains(&ours.recipient),
        "{}",
        refused.stderr
    );
    let ignored = ["/root/ours", "/root/other"];
    assert_eq!(
        upgraded.diff_except(
            &site.snapshot(),
            &["/var/lib/airgap-bundle", ignored[0], ignored[1]]
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        site.host
            .check(&["ls", "/var/lib/airgap-bundle/runs"])
            .unwrap(),
        "1\n"
    );

    // A later edit, so that the undo has to merge.
    let edited = config.replacen("canary-sealed", "canary-later", 1);
    site.host.write(CONFIG, &edited, 0o640).unwrap();
    site.must_install(&["undo", "1", "--identity", "/root/ours"]);
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
    assert!(site.is_sealed(2), "{:?}", site.run_names(2));
    assert!(!site.state_holds("canary-"));
    assert_eq!(site.host.read(CONFIG).unwrap(), edited.as_bytes());
    let kept: Vec<String> = changes(&before, &site.snapshot())
        .into_iter()
        .filter(|line| !ignored.iter().any(|path| line.contains(path)) && !line.contains(CONFIG))
        .collect();
    assert_eq!(kept, Vec::<String>::new());
}

#[test]
fn a_run_that_reverts_by_itself_needs_no_identity_and_is_sealed_after_it() {
    let Some(site) = site("sealed-revert") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let ours = key(dir.path(), "ours");
    let before = site.snapshot();
    site.carry(&site.forge("5.4.5", "5.4.5", "1.10.0"));
    let named = [
        "--encrypt-backups-to",
        &ours.recipient,
        "/root/bundle.tar.zst",
    ];
    let run = site.install(&named);
    assert_eq!(run.code(), Some(5), "{}", run.stderr);
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
    assert!(site.is_sealed(1), "{:?}", site.run_names(1));
    let files = open_with_stock_tools(&site, 1, &ours, dir.path());
    assert!(files.contains_key("backup/before.json"));
    for wrong in ["age1notarecipient", "AGE-SECRET-KEY-1CANARY"] {
        let refused = site.install(&["--encrypt-backups-to", wrong, "/root/bundle.tar.zst"]);
        assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
        assert!(!refused.stderr.contains("CANARY"), "{}", refused.stderr);
    }
}

/// The calls of a process that change a disk.
const CHANGES: &str =
    "write,fsync,fdatasync,linkat,unlink,unlinkat,rename,renameat,renameat2,rmdir,fchmod";

/// Seals a real run's backup, killed at each of its calls that change the disk in turn. The next
/// process finishes it, and the sealed backup is whole.
#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn sealing_is_killed_at_every_change_of_the_disk() {
    let Some(site) = site("sealed-killed") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let ours = key(dir.path(), "ours");
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    site.must_install(&["/root/bundle.tar.zst"]);
    let template = dir.path().join("template");
    let run = "var/lib/airgap-bundle/runs/1";
    std::fs::create_dir_all(template.join("var/lib/airgap-bundle/runs")).unwrap();
    copy(&site.host.root().join(run), &template.join(run));
    private(&template.join("var/lib/airgap-bundle"));
    private(&template.join("var/lib/airgap-bundle/runs"));
    let seal = format!(
        "{{\"type\": \"airgap-bundle/seal/1\", \"recipients\": [\"{}\"]}}",
        ours.recipient
    );
    std::fs::write(template.join(run).join("seal.json"), seal).unwrap();
    let blobs = std::fs::read_dir(template.join(run).join("backup/blobs")).unwrap();
    let blobs = blobs.count();

    let installer = lab::program::installer().unwrap();
    let mut kills = 0;
    loop {
        let root = dir.path().join("root");
        copy(&template, &root);
        let inject = format!("inject={CHANGES}:signal=KILL:when={}", kills + 1);
        let sealing = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &inject])
            .arg(&installer)
            .arg("--root")
            .arg(&root)
            .arg("history")
            .output()
            .unwrap();
        let was_killed = !sealing.status.success();
        let next = Command::new(&installer)
            .arg("--root")
            .arg(&root)
            .args(["history", "prune"])
            .output()
            .unwrap();
        assert!(next.status.success(), "after {kills} changes: {next:?}");
        let mut names: Vec<String> = std::fs::read_dir(root.join(run))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| name != "rpm.log");
        names.sort();
        let whole = [
            "backup.age",
            "events.jsonl",
            "installer.json",
            "journal",
            "plan.json",
            "report.json",
            "seal.json",
        ];
        assert_eq!(names, whole, "after {kills} changes");
        let listed = Command::new("sh")
            .args([
                "-c",
                "age -d -i \"$1\" \"$2\" | tar -tf - | grep -c '^backup/blobs/.'",
                "sh",
            ])
            .arg(&ours.file)
            .arg(root.join(run).join("backup.age"))
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert_eq!(listed.trim(), blobs.to_string(), "after {kills} changes");
        std::fs::remove_dir_all(&root).unwrap();
        if !was_killed {
            break;
        }
        kills += 1;
    }
    say(&format!(
        "sealing: killed {kills} times, before each of its changes of the disk"
    ));
    assert!(kills > 20, "{kills} kills: the calls are not counted");
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).output();
    let copied = copied.unwrap();
    assert!(copied.status.success(), "{copied:?}");
}

fn private(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
}
