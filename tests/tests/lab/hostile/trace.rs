//! What the installer does to the system while it refuses, as the kernel sees it. Outside its state
//! directory it opens no file for writing, and makes, renames, links, removes and changes none. It
//! does not use the network.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use lab::hostile::{Aim, Attack, Workshop};
use lab::program;

use crate::hostile::host::{Host, STATE};
use crate::hostile::runner::Runner;
use crate::hostile::{each, say, wanted};

/// Every call that changes something which has a name, or may reach another machine.
const CALLS: &str = "open,openat,openat2,creat,rename,renameat,renameat2,link,linkat,symlink,\
    symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,mknod,mknodat,chmod,fchmod,fchmodat,chown,lchown,\
    fchown,fchownat,truncate,ftruncate,utimensat,setxattr,lsetxattr,fsetxattr,removexattr,\
    lremovexattr,fremovexattr,mount,umount2,bind,connect,execve";

/// Hashing gigabytes takes no more calls than hashing a little.
const ZEROS: &str = "last-byte-of-2-to-the-";

#[test]
fn nothing_outside_the_state_directory_is_written_while_a_bundle_is_refused() {
    let shop = Workshop::prepare().unwrap();
    let installer = program::installer().unwrap();
    let template = Host::prepare(&shop, &installer, &mut Runner::start());
    let mut runner = Runner::start();
    let good = trace(&template, &installer, &shop.good().unwrap(), &mut runner);
    assert!(
        good.iter().any(|deed| deed.contains("relay-codec")),
        "an installation that writes is not seen: {good:?}"
    );
    let mut attacks = wanted();
    attacks.retain(|attack| attack.aim != Aim::Root && !attack.name.starts_with(ZEROS));
    let deeds = each(&attacks, |attack: &'static Attack, runner| {
        let bytes = attack.make(&shop).unwrap();
        let deeds = trace(&template, &installer, &bytes, runner);
        deeds
            .into_iter()
            .map(|deed| format!("{}: {deed}", attack.name))
            .collect::<Vec<_>>()
    });
    let deeds: Vec<String> = deeds.into_iter().flatten().collect();
    assert!(deeds.is_empty(), "{}", deeds.join("\n"));
    say(&format!(
        "hostile bundles: {} traced, nothing written outside the state directory",
        attacks.len()
    ));
}

/// Installs under a tracer and returns what was done outside the state directory.
fn trace(
    template: &Host,
    installer: &Path,
    bundle: &[u8],
    runner: &mut Runner,
) -> BTreeSet<String> {
    let carried = tempfile::tempdir().unwrap();
    let [file, log] = ["bundle.tar.zst", "trace"].map(|name| carried.path().join(name));
    fs::write(&file, bundle).unwrap();
    let host = template.copy();
    let calls = format!("trace={CALLS}");
    let strace = Path::new("/usr/bin/strace");
    let mut argv = vec![strace];
    argv.extend(
        [
            "-f",
            "-y",
            "-qq",
            "-s",
            "4096",
            "--seccomp-bpf",
            "-e",
            &calls,
            "-o",
        ]
        .map(Path::new),
    );
    argv.extend([
        &*log,
        Path::new("--"),
        installer,
        Path::new("--root"),
        host.root(),
        &file,
    ]);
    let ended = runner.run(&argv);
    assert!(ended.in_time, "{}", ended.stderr);
    let text = fs::read_to_string(&log).unwrap();
    let opened = format!("\"{}\"", file.display());
    assert!(text.contains(&opened), "the bundle was not opened:\n{text}");
    let mut judge = Judge::new(host.root(), installer);
    text.lines().filter_map(|line| judge.deed(line)).collect()
}

/// Separates deeds from looks, and the installer's deeds from those of the rpm that it starts.
struct Judge {
    state: PathBuf,
    /// The rpm database, which every reader opens for writing.
    database: PathBuf,
    installer: PathBuf,
    /// Processes that became another program.
    others: BTreeSet<String>,
}

impl Judge {
    fn new(root: &Path, installer: &Path) -> Self {
        Self {
            state: root.join(STATE),
            database: root.join("root/.rpmdb"),
            installer: installer.to_owned(),
            others: BTreeSet::new(),
        }
    }

    /// Returns the line if it records a deed outside the allowed places.
    fn deed(&mut self, line: &str) -> Option<String> {
        let (process, rest) = line.split_once(' ')?;
        let (call, arguments) = rest.trim_start().split_once('(')?;
        if call == "execve" {
            let program = quoted(arguments).into_iter().next();
            if program.is_some_and(|program| Path::new(&program) != self.installer) {
                self.others.insert(process.to_owned());
            }
            return None;
        }
        let is_look = call.starts_with("open")
            && !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE"]
                .iter()
                .any(|flag| arguments.contains(flag));
        if is_look {
            return None;
        }
        let is_other = self.others.contains(process);
        // The C library looks for a cache of names when a program asks for a user's name.
        if is_other && call == "connect" && arguments.contains("\"/var/run/nscd/socket\"") {
            return None;
        }
        let paths = places(call, arguments);
        let fits = !paths.is_empty()
            && paths
                .iter()
                .all(|path| self.may_write(call, path, is_other));
        (!fits).then(|| format!("{call}({arguments}"))
    }

    fn may_write(&self, call: &str, path: &Path, is_other: bool) -> bool {
        let is_plain = !path.components().any(|part| part == Component::ParentDir);
        // A shell that Debian's rpm starts looks for its terminal.
        let is_scratch =
            is_other && (path.starts_with(&self.database) || path == Path::new("/dev/tty"));
        // An open file without a name receives its name by a link.
        let is_nameless = call == "linkat" && path.starts_with("/proc/self/fd");
        let may = is_scratch || is_nameless || path.starts_with(&self.state);
        path == Path::new("/dev/null") || is_plain && may
    }
}

/// Texts in quotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The paths that a call names: absolute, below the open directory before it, or the open file itself.
fn places(call: &str, arguments: &str) -> Vec<PathBuf> {
    // Calls that take an open file and no name.
    let by_file = ["fchmod", "fchown", "ftruncate", "fsetxattr", "fremovexattr"].contains(&call);
    if call == "bind" || call == "connect" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut directory: Option<PathBuf> = None;
    for part in arguments.split(", ") {
        let part = part.trim();
        if let Some((_, rest)) = part.split_once('<').filter(|_| !part.starts_with('"')) {
            let open = PathBuf::from(rest.split('>').next().unwrap_or_default());
            if by_file {
                return vec![open];
            }
            directory = Some(open);
        } else if let Some(name) = quoted(part).first() {
            let base = directory.clone().unwrap_or_default();
            found.push(if name.is_empty() {
                base
            } else {
                base.join(name)
            });
        }
    }
    found
}

#[test]
fn the_judge_separates_deeds_from_looks() {
    let mut judge = Judge::new(Path::new("/t/root"), Path::new("/t/install"));
    let mut is_deed = |line: &str| judge.deed(line).is_some();
    let fine = [
        r#"7 execve("/t/install", ["install"], 0x1) = 0"#,
        r#"7 openat(AT_FDCWD</t>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>"#,
        r#"7 openat(AT_FDCWD</t>, "/t/root/var/lib/airgap-bundle/lock", O_RDWR|O_CREAT, 0600) = 3"#,
        "7 fchmod(3</t/root/var/lib/airgap-bundle/lock>, 0600) = 0",
        r#"7 renameat(4</t/root/var/lib/airgap-bundle/store>, "a", 4</t/root/var/lib/airgap-bundle/store>, "b") = 0"#,
        r#"7 openat(AT_FDCWD</t>, "/dev/null", O_RDWR) = 3"#,
        r#"7 linkat(AT_FDCWD</t>, "/proc/self/fd/5", AT_FDCWD</t>, "/t/root/var/lib/airgap-bundle/a", 0) = 0"#,
    ];
    let bad = [
        r#"7 openat(AT_FDCWD</t>, "/etc/passwd", O_RDWR|O_CLOEXEC) = -1 EACCES (Permission denied)"#,
        r#"7 openat(4</t/root>, "var/lib/airgap-bundle/../x", O_WRONLY|O_CREAT, 0600) = 3"#,
        r#"7 openat(AT_FDCWD</t>, "/dev/vda", O_WRONLY) = 3"#,
        r#"7 openat(AT_FDCWD</t>, "/dev/tty", O_RDWR) = 3"#,
        r#"7 linkat(AT_FDCWD</t>, "/proc/self/fd/5", AT_FDCWD</t>, "/etc/a", 0) = 0"#,
        r#"7 mkdir("/t/root/etc/x", 0755) = 0"#,
        r#"7 renameat(4</t/root/var/lib/airgap-bundle/store>, "a", AT_FDCWD</t>, "/etc/b") = 0"#,
        "7 fchmod(3</etc>, 0600) = 0",
        r#"7 openat(AT_FDCWD</t>, "/t/root/root/.rpmdb/rpmdb.sqlite", O_RDWR|O_CREAT, 0644) = 3"#,
        "7 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80)}, 16) = 0",
    ];
    assert!(fine.into_iter().all(|line| !is_deed(line)));
    assert!(bad.into_iter().all(&mut is_deed));
    assert!(!is_deed(r#"8 execve("/usr/bin/rpm", ["rpm"], 0x1) = 0"#));
    let database = "/t/root/root/.rpmdb/rpmdb.sqlite";
    assert!(!is_deed(&format!(
        r#"8 openat(AT_FDCWD</>, "{database}", O_RDWR|O_CREAT) = 3"#
    )));
    assert!(is_deed(
        r#"8 openat(AT_FDCWD</>, "/t/root/usr/bin/x", O_RDWR|O_CREAT) = 3"#
    ));
}
