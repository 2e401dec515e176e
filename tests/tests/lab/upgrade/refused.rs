//! What is refused before anything changes: three parts, the right exit code, an unchanged host.

use std::time::Duration;

use lab::forge::{Forge, TestKey};
use lab::isolated::{Finished, Guest};
use manifests::bundle::LintFlag;
use manifests::nevra::Arch;

use crate::upgrade::support::{Site, changes, site, site_with};

#[track_caller]
fn assert_refused(site: &Site, run: &Finished, code: i32, words: &[&str]) {
    assert_eq!(run.code(), Some(code), "{}", run.stderr);
    for part in ["error: ", "  why: ", " next: "] {
        assert!(run.stderr.contains(part), "no `{part}` in {}", run.stderr);
    }
    for word in words {
        assert!(run.stderr.contains(word), "no `{word}` in {}", run.stderr);
    }
    assert_eq!(site.version(0).as_deref(), Some("5.2.5"));
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn bad_bundles_and_unready_hosts() {
    let Some(site) = site("refused") else { return };
    let before = site.snapshot();
    let bundle = "/root/bundle.tar.zst";
    let good = site.forge("5.3.2", "5.3.2", "1.9.0");
    site.carry(&good);
    let bytes = site.host.read(bundle).unwrap();

    site.host
        .write(bundle, &bytes[..bytes.len() / 2], 0o644)
        .unwrap();
    assert_refused(&site, &site.install(&[bundle]), 3, &["ends too early"]);

    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    site.host.write(bundle, &flipped, 0o644).unwrap();
    assert_refused(&site, &site.install(&[bundle]), 3, &[]);

    assert_refused(
        &site,
        &site.install(&["/root/absent.tar.zst"]),
        2,
        &["absent"],
    );

    let mut wrong_distro = good.clone();
    wrong_distro.distro = "el9".to_owned();
    site.carry(&wrong_distro);
    assert_refused(&site, &site.install(&[bundle]), 4, &["el9"]);

    let mut wrong_arch = good.clone();
    wrong_arch.arch = Arch::Aarch64;
    for (rpm, _) in &mut wrong_arch.rpms {
        let name = rpm
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace("x86_64.rpm", "");
        let (package, version) = name.trim_end_matches("-1.").rsplit_once('-').unwrap();
        *rpm = site
            .fixtures
            .rpm(package, version, "el8", "aarch64")
            .unwrap();
    }
    site.carry(&wrong_arch);
    assert_refused(&site, &site.install(&[bundle]), 4, &["aarch64"]);

    let mut no_way_back = good.clone();
    no_way_back.rpms.remove(3);
    site.carry(&no_way_back);
    assert_refused(
        &site,
        &site.install(&[bundle]),
        4,
        &["tyk-gateway-5.2.5-1.x86_64", "--from"],
    );

    let mut older = site.forge("5.2.4", "5.2.4", "1.8.2");
    older.version = "5.2.4".to_owned();
    site.carry(&older);
    assert_refused(&site, &site.install(&[bundle]), 4, &["newer than"]);

    let unsigned = tempfile::NamedTempFile::new().unwrap();
    good.write_unsigned(unsigned.path()).unwrap();
    site.host.copy_in(unsigned.path(), bundle, 0o644).unwrap();
    assert_refused(
        &site,
        &site.install(&[bundle]),
        3,
        &["carries no signature"],
    );

    let stranger = TestKey::from_seed(2).unwrap();
    site.carry_signed(&good, &stranger);
    assert_refused(
        &site,
        &site.install(&[bundle]),
        3,
        &["none of which is trusted"],
    );
    packages_that_this_host_would_refuse_are_refused_in_both_directions(&site, &good);
    site.carry(&good);
    a_held_rpm_lock_is_named_and_waited_for_with_a_bound(&site);
    an_ordinary_user_may_look_and_not_install(&site);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);

    site.host
        .check(&["rm", "-rf", "/etc/airgap-bundle"])
        .unwrap();
    assert_refused(
        &site,
        &site.install(&[bundle]),
        3,
        &["no trust root", "trust add"],
    );
    let rpms: Vec<String> = changes(&before, &site.snapshot());
    assert_eq!(rpms, Vec::<String>::new());
}

/// Runs the installer with a kernel that reports FIPS mode: in a mount namespace of its own,
/// because this kernel has no such switch.
fn install_in_fips_mode(site: &Site) -> Finished {
    let script = "mount -t tmpfs none /proc/sys && mkdir /proc/sys/crypto && \
                  echo 1 > /proc/sys/crypto/fips_enabled && \
                  exec /root/install /root/bundle.tar.zst";
    let command = ["unshare", "-m", "sh", "-c", script];
    site.host.command(&command).run().unwrap()
}

fn packages_that_this_host_would_refuse_are_refused_in_both_directions(site: &Site, good: &Forge) {
    let flagged = |package: &str, flag| {
        let mut forge = good.clone();
        forge.lint = vec![(package.to_owned(), flag)];
        site.carry(&forge);
    };
    for (package, flag) in [
        ("tyk-gateway-5.3.2", LintFlag::NoSha256Header),
        ("tyk-pump-1.8.3", LintFlag::NoPayloadDigest),
        ("tyk-dashboard-5.2.5", LintFlag::Md5FileDigests),
    ] {
        flagged(package, flag);
        let run = install_in_fips_mode(site);
        assert_refused(site, &run, 4, &[package, "FIPS mode is on"]);
    }
    // None of it matters where FIPS mode is off.
    site.must_install(&["plan", "/root/bundle.tar.zst"]);
    flagged("tyk-gateway-5.2.5", LintFlag::Unsigned);
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_refused(site, &run, 4, &["tyk-gateway-5.2.5", "not signed"]);
}

fn a_held_rpm_lock_is_named_and_waited_for_with_a_bound(site: &Site) {
    // As rpm locks it: a POSIX write lock over the whole file.
    let hold = "use Fcntl; open(F,'>','/var/lib/rpm/.rpm.lock'); my $l=pack('s s x![l!] l! l! i',F_WRLCK,0,0,0,0); fcntl(F,F_SETLK,$l) or die; $|=1; print 'held'; sleep 60";
    let mut holder = site.host.spawn(&["perl", "-e", hold]).unwrap();
    let is_held = |_: &Guest| Ok(holder.output()?.0 == "held");
    site.host
        .wait_until("the lock being held", Duration::from_secs(30), is_held)
        .unwrap();
    let run = site.install(&["--lock-wait", "2", "/root/bundle.tar.zst"]);
    assert_refused(site, &run, 7, &["locked by process"]);
    holder.kill().unwrap();
}

fn an_ordinary_user_may_look_and_not_install(site: &Site) {
    site.host
        .check(&["cp", "/root/install", "/root/bundle.tar.zst", "/srv"])
        .unwrap();
    let run = |args: &[&str]| site.host.run_as("operator", args).unwrap();
    let plan = run(&["/srv/install", "plan", "/srv/bundle.tar.zst"]);
    assert_eq!(plan.code(), Some(0), "{}", plan.stderr);
    assert!(
        plan.stdout.contains("tyk-gateway-5.3.2-1.x86_64"),
        "{}",
        plan.stdout
    );
    assert_eq!(
        run(&["/srv/install", "verify", "/srv/bundle.tar.zst"]).code(),
        Some(0)
    );
    assert_refused(
        site,
        &run(&["/srv/install", "/srv/bundle.tar.zst"]),
        4,
        &["needs root"],
    );
}

#[test]
fn too_little_space_is_reported_before_anything_is_staged() {
    let Some(site) = site_with(
        "space",
        &["--tmpfs=/var/lib/airgap-bundle:size=8M,mode=0700"],
    ) else {
        return;
    };
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_refused(&site, &run, 4, &["MiB free", "free some space"]);
    assert!(!site.host.exists("/var/lib/airgap-bundle/store"));
}

/// A failure between the preflight and the journal changes nothing, and leaves no open run.
fn a_run_that_cannot_take_its_reserve_did_not_begin(site: &Site) {
    let before = site.snapshot();
    let obstacle = "/var/lib/airgap-bundle/reserves.json/obstacle";
    site.host.write(obstacle, "", 0o600).unwrap();
    let run = site.install(&["/root/bundle.tar.zst"]);
    assert_refused(site, &run, 4, &["did not begin", "nothing was changed"]);
    assert_eq!(changes(&before, &site.snapshot()), [""; 0]);
    let status = site.must_install(&["status"]).stdout;
    assert!(status.contains("No run yet"), "{status}");
    assert!(!site.host.exists("/var/lib/airgap-bundle/reserve"));

    site.host
        .check(&["rm", "-r", "/var/lib/airgap-bundle/reserves.json"])
        .unwrap();
}

#[test]
fn of_twenty_installers_at_once_one_runs_and_nineteen_report_busy() {
    let Some(site) = site("twenty") else { return };
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    a_run_that_cannot_take_its_reserve_did_not_begin(&site);
    let script = "cd /root; for i in $(seq 20); do \
        ( s=$(date +%s%N); ./install bundle.tar.zst >out.$i 2>&1; c=$?; \
          echo $c $(( ($(date +%s%N) - s) / 1000000 )) >end.$i ) & done; wait; cat end.*";
    let run = site
        .host
        .command(&["sh", "-c", script])
        .deadline(Duration::from_secs(120))
        .run()
        .unwrap();
    let ends: Vec<(i32, u64)> = run
        .stdout
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(code, ms)| (code.parse().unwrap(), ms.parse().unwrap()))
        .collect();
    assert_eq!(ends.len(), 20, "{}", run.stdout);
    let done = ends.iter().filter(|(code, _)| *code == 0).count();
    let busy: Vec<u64> = ends
        .iter()
        .filter(|(code, _)| *code == 7)
        .map(|(_, ms)| *ms)
        .collect();
    assert_eq!((done, busy.len()), (1, 19), "{ends:?}");
    println!("busy within {} ms", busy.iter().max().unwrap());
    assert_eq!(site.version(0).as_deref(), Some("5.3.2"));
}
