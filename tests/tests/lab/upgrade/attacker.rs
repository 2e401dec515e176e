//! Names and bytes that change under the installer's hands: what is installed is what was signed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::forge::{Forge, TestKey};
use lab::isolated::Finished;

use crate::budget::INSTALLS_UNDER_ATTACK;
use crate::upgrade::support::{Site, say, site};

/// Swaps that must have happened while installs ran.
const SWAPS: u64 = 10_000;

const PROGRAMS: [(&str, &str); 3] = [
    ("tyk-gateway", "/opt/tyk-gateway/tyk"),
    ("tyk-dashboard", "/opt/tyk-dashboard/tyk-analytics"),
    ("tyk-pump", "/opt/tyk-pump/tyk-pump"),
];
const OLD: [&str; 3] = ["5.2.5", "5.2.5", "1.8.3"];
const A: [&str; 3] = ["5.3.0", "5.3.0", "1.9.0"];
const B: [&str; 3] = ["5.3.2", "5.3.2", "1.9.0"];
/// Signed by a stranger; these versions must never appear on the host.
const HOSTILE: [&str; 3] = ["5.4.0", "5.4.0", "1.10.0"];

/// The root that is attacked: services take no part in it.
const ROOT: &str = "/mnt/alt";

/// The owner of the stick, as an attacker: it gives the bundle's name to one file after the other.
/// In the mode `bytes` it also changes bytes of the named file and changes them back.
const STICK: &str = r#"
my ($how) = @ARGV; my ($swaps, $at) = (0, 0);
chdir "/media/stick" or die;
until (-e "/tmp/enough") {
    for my $file ("a", "b", "c", "d") {
        link $file, "next"; rename "next", "bundle.tar.zst";
        $swaps++ if -e "/tmp/running";
        next if $how ne "bytes";
        open my $h, "+<", "bundle.tar.zst" or next; binmode $h;
        my $size = -s $h; $at = ($at + 104729) % $size; my $old;
        sysseek $h, $at, 0; sysread $h, $old, 64;
        sysseek $h, $at, 0; syswrite $h, "\0" x length $old;
        select undef, undef, undef, 0.0005;
        sysseek $h, $at, 0; syswrite $h, $old;
        $swaps++ if -e "/tmp/running";
    }
}
print "$swaps\n";
"#;

/// Root, in the store: puts symlinks and other packages in the place of every finished (`rpm`) or
/// unfinished (`partial`) name, and puts back what was there.
const STORE: &str = r#"
my $swaps = 0; my ($dir, $kept) = ("/mnt/alt/var/lib/airgap-bundle/store", "/mnt/alt/root/kept");
mkdir $kept, 0700; my $evil = "/root/evil.rpm";
my $swap = sub { $swaps++ if -e "/tmp/running" };
until (-e "/tmp/enough") {
    opendir my $d, $dir or next;
    for my $name (grep { /\.$ARGV[0]$/ } readdir $d) {
        my $path = "$dir/$name";
        link $path, "$kept/$name" if $name =~ /rpm$/ and -f $path and not -l $path;
        next unless -e "$kept/$name" or $name =~ /partial$/;
        symlink $evil, "$dir/.evil" and rename "$dir/.evil", $path and $swap->();
        if (open my $in, "<", $evil) {
            open my $out, ">", "$dir/.evil"; local $/; my $bytes = <$in>; print {$out} $bytes; close $out;
            rename "$dir/.evil", $path and $swap->();
        }
        unlink $path; $swap->();
        link "$kept/$name", $path and $swap->() if $name =~ /rpm$/;
        select undef, undef, undef, 0.002;
    }
}
for my $path (glob "$kept/*") { my ($name) = $path =~ m{([^/]+)$}; unlink "$dir/$name"; rename $path, "$dir/$name"; }
unlink glob "$dir/*.partial"; unlink "$dir/.evil"; rmdir $kept;
print "$swaps\n";
"#;

impl Site {
    fn forge_of(&self, versions: [&str; 3]) -> Forge {
        self.forge(versions[0], versions[1], versions[2])
    }

    /// Digests of the programs of some packages, as the packages list them.
    fn digests(&self, versions: [&str; 3]) -> Vec<String> {
        let of = |((package, program), version): (&(&str, &str), &str)| {
            let rpm = self
                .fixtures
                .rpm(package, version, "el8", "x86_64")
                .unwrap();
            let format = "[%{FILENAMES} %{FILEDIGESTS}\n]";
            let listed = Command::new("rpm")
                .args(["-qp", "--nosignature", "--qf", format])
                .arg(rpm)
                .output()
                .unwrap();
            let listed = String::from_utf8(listed.stdout).unwrap();
            let files: BTreeMap<&str, &str> = listed
                .lines()
                .filter_map(|line| line.split_once(' '))
                .collect();
            files[program].to_owned()
        };
        PROGRAMS.iter().zip(versions).map(of).collect()
    }

    /// Digests of the programs that are there.
    fn installed(&self) -> Vec<String> {
        let of = |(_, program): &(&str, &str)| {
            let path = format!("{ROOT}{program}");
            let bytes = self.host.read(path).unwrap();
            manifests::digest::Sha256::of(&bytes).to_string()
        };
        PROGRAMS.iter().map(of).collect()
    }

    /// Every byte, mode and owner outside of the state directory, and rpm's list of packages.
    fn picture(&self) -> String {
        let script = format!(
            "cd {ROOT} && find etc opt usr/lib/systemd -type f -exec sha256sum {{}} + | sort -k2; \
             find etc opt -printf '%p %m %U %G %l\\n' | sort; \
             rpm --root {ROOT} -qa --qf '%{{NEVRA}} %{{BUILDTIME}}\\n' 'tyk-*' | sort; \
             rpm --root {ROOT} -V tyk-gateway tyk-dashboard tyk-pump; true"
        );
        self.host.check(&["sh", "-c", &script]).unwrap()
    }

    /// Installs under attack; swaps count from the first moment of the installer to its last.
    fn attacked(&self, attack: &[&str], user: &str) -> (Finished, u64) {
        self.host.check(&["rm", "-f", "/tmp/enough"]).unwrap();
        let attacker = self.host.command(attack).user(user).spawn().unwrap();
        let script = format!(
            "touch /tmp/running; /root/install --root {ROOT} /media/stick/bundle.tar.zst; \
             code=$?; rm /tmp/running; exit $code"
        );
        let run = self
            .host
            .command(&["sh", "-c", &script])
            .deadline(Duration::from_mins(5))
            .run()
            .unwrap();
        self.host.check(&["touch", "/tmp/enough"]).unwrap();
        let attacker = attacker.wait(Duration::from_mins(1)).unwrap();
        assert!(attacker.success(), "{attacker}");
        (run, attacker.stdout.trim().parse().unwrap())
    }
}

/// What happened in all installs together.
#[derive(Debug, Default)]
struct Tally {
    installs: usize,
    swaps: u64,
    by_exit: BTreeMap<i32, usize>,
}

/// One install under attack. In every case the host has the old bytes, or those of one signed
/// bundle.
fn round(site: &Site, before: &str, attack: &[&str], user: &str, tally: &mut Tally) {
    let (run, swaps) = site.attacked(attack, user);
    let code = run.code().unwrap_or(-1);
    tally.installs += 1;
    tally.swaps += swaps;
    *tally.by_exit.entry(code).or_default() += 1;
    let relocated = |args: &[&str]| {
        let args: Vec<&str> = ["--root", ROOT].iter().chain(args).copied().collect();
        site.install(&args)
    };
    let [old, a, b] = [OLD, A, B].map(|versions| site.digests(versions));
    if code == 6 {
        // The attacker removed what the way back needed; even then no wrong byte was installed. Now
        // the attacker is gone.
        let known = |at: usize, found: &String| [&old[at], &a[at], &b[at]].contains(&found);
        let now = site.installed();
        assert!(now.iter().enumerate().all(|(at, found)| known(at, found)));
        let resumed = relocated(&["resume"]);
        assert_eq!(resumed.code(), Some(5), "{}", resumed.stderr);
    }
    let now = site.installed();
    if code != 0 {
        assert!([1, 2, 3, 4, 5, 6].contains(&code), "{run}");
        assert_eq!(now, old, "{run}");
        assert_eq!(site.picture(), before, "{run}");
        return;
    }
    assert!(now == a || now == b, "{run}");
    // Scriptlets change owners and people edit configuration; every other content is unchanged.
    let verify = [
        "rpm",
        "--root",
        ROOT,
        "-V",
        "tyk-gateway",
        "tyk-dashboard",
        "tyk-pump",
    ];
    let said = site.host.run(&verify).unwrap().stdout;
    let is_wrong = |line: &&str| line.as_bytes().get(2) == Some(&b'5') && !line.contains(" c /");
    assert_eq!(said.lines().find(is_wrong), None);
    assert!(!said.contains("missing"), "{said}");
    let history = relocated(&["--output", "json", "history"]);
    let runs: serde_json::Value = serde_json::from_str(&history.stdout).unwrap();
    let last = runs.as_array().unwrap().last().unwrap()["run"].to_string();
    let undone = relocated(&["undo", &last]);
    assert_eq!(undone.code(), Some(0), "{}", undone.stderr);
    assert_eq!(site.picture(), before);
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn an_attacker_who_swaps_and_rewrites_files_meanwhile_gets_no_wrong_byte_installed() {
    let Some(site) = site("attacker") else { return };
    let copy = format!(
        "mkdir -p {ROOT}/proc {ROOT}/run {ROOT}/tmp {ROOT}/dev {ROOT}/root && cd / && \
         cp -a bin sbin lib lib64 usr etc var opt {ROOT}/"
    );
    site.host.check(&["sh", "-c", &copy]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let carry = |name: &str, versions: [&str; 3], seed: u8| {
        let file = dir.path().join(name);
        let key = TestKey::from_seed(seed).unwrap();
        site.forge_of(versions).write(&key, &file).unwrap();
        put(&site, &file, &format!("/media/stick/{name}"));
    };
    carry("a", A, 1);
    carry("b", B, 1);
    carry("c", HOSTILE, 2);
    let garbage = dir.path().join("d");
    std::fs::write(&garbage, vec![0x5a; 1 << 20]).unwrap();
    put(&site, &garbage, "/media/stick/d");
    put(&site, &dir.path().join("a"), "/media/stick/bundle.tar.zst");
    let evil = site
        .fixtures
        .rpm("tyk-gateway", HOSTILE[0], "el8", "x86_64")
        .unwrap();
    put(&site, &evil, "/root/evil.rpm");
    site.host
        .check(&["chown", "-R", "nobody", "/media/stick"])
        .unwrap();
    let before = site.picture();
    assert_eq!(site.installed(), site.digests(OLD));

    let mut all = Tally::default();
    let attacks: [(&str, &[&str], &str); 4] = [
        (
            "root swaps names of stored packages",
            &["perl", "-e", STORE, "rpm"],
            "root",
        ),
        (
            "root swaps names of packages that are being stored",
            &["perl", "-e", STORE, "partial"],
            "root",
        ),
        (
            "the stick's owner swaps names",
            &["perl", "-e", STICK, "names"],
            "nobody",
        ),
        (
            "the stick's owner rewrites bytes too",
            &["perl", "-e", STICK, "bytes"],
            "nobody",
        ),
    ];
    for (name, attack, user) in attacks {
        let mut tally = Tally::default();
        while tally.installs < INSTALLS_UNDER_ATTACK {
            if user == "root" {
                // The stick is good: here the store is attacked.
                let good = "cp /media/stick/b /media/stick/.b && \
                            mv /media/stick/.b /media/stick/bundle.tar.zst";
                site.host.check(&["sh", "-c", good]).unwrap();
            }
            round(&site, &before, attack, user, &mut tally);
        }
        println!(
            "{name}: {} swaps in {} installs, by exit code {:?}",
            tally.swaps, tally.installs, tally.by_exit
        );
        all.installs += tally.installs;
        all.swaps += tally.swaps;
        for (code, count) in tally.by_exit {
            *all.by_exit.entry(code).or_default() += count;
        }
    }
    say(&format!(
        "attacker loop: {} swaps while {} installs ran, by exit code {:?}; 0 wrong bytes",
        all.swaps, all.installs, all.by_exit
    ));
    assert!(all.swaps >= SWAPS, "{} swaps are too few", all.swaps);
    let well = all.by_exit.get(&0).copied().unwrap_or_default();
    assert!(well > 0 && well < all.installs, "both ends are to be seen");
}

fn put(site: &Site, file: &Path, path: &str) {
    site.host.copy_in(file, path, 0o644).unwrap();
}
