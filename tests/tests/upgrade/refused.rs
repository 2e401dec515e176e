//! What is refused before anything changes: three parts, the right exit code, an unchanged host.

use lab::isolated::Finished;

use crate::support::{Site, changes, site};

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

    site.carry(&good);
    let run = site
        .host
        .run_as("operator", &["/root/install", bundle])
        .unwrap();
    assert_ne!(run.code(), Some(0), "an ordinary user may not install");

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

#[test]
fn a_held_rpm_lock_is_named_and_waited_for_with_a_bound() {
    let Some(site) = site("locked") else { return };
    let before = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    // As rpm does it: a POSIX write lock over the whole file.
    let hold = "use Fcntl; open(F,'>','/var/lib/rpm/.rpm.lock'); my $l=pack('s s x![l!] l! l! i',F_WRLCK,0,0,0,0); fcntl(F,F_SETLK,$l) or die; sleep 60";
    let mut holder = site.host.spawn(&["perl", "-e", hold]).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let run = site.install(&["--lock-wait", "2", "/root/bundle.tar.zst"]);
    assert_refused(&site, &run, 7, &["locked by process"]);
    holder.kill().unwrap();
    assert_eq!(changes(&before, &site.snapshot()), Vec::<String>::new());
}
