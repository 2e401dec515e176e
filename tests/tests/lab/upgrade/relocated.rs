//! `--root DIR`: rpm, state and trust of another root; services are left alone.

use manifests::bundle::LintFlag;

use crate::upgrade::support::site;

#[test]
fn a_root_below_a_directory_goes_forward_and_back_and_the_running_host_is_not_touched() {
    let Some(site) = site("relocated") else {
        return;
    };
    let copy = "mkdir -p /mnt/alt/proc /mnt/alt/run /mnt/alt/tmp /mnt/alt/dev && cd / && \
                cp -a bin sbin lib lib64 usr etc var opt /mnt/alt/";
    site.host.check(&["sh", "-c", copy]).unwrap();
    let running = site.snapshot();
    site.carry(&site.forge("5.3.2", "5.3.2", "1.9.0"));
    let relocated = |package: &str| {
        site.host
            .check(&["rpm", "--root", "/mnt/alt", "-q", package])
            .unwrap()
    };

    let run = site.must_install(&["--root", "/mnt/alt", "/root/bundle.tar.zst"]);
    assert!(run.stdout.contains("health not checked"), "{}", run.stdout);
    assert_eq!(relocated("tyk-gateway"), "tyk-gateway-5.3.2-1.x86_64\n");
    site.must_install(&["--root", "/mnt/alt", "undo", "1"]);
    assert_eq!(relocated("tyk-gateway"), "tyk-gateway-5.2.5-1.x86_64\n");
    assert_eq!(relocated("tyk-pump"), "tyk-pump-1.8.3-1.x86_64\n");
    assert_eq!(running.diff(&site.snapshot()), Vec::<String>::new());

    // A root whose own kernel runs in FIPS mode.
    let mut flagged = site.forge("5.3.2", "5.3.2", "1.9.0");
    let flag = LintFlag::NoPayloadDigest;
    flagged.lint = vec![("tyk-gateway-5.2.5".to_owned(), flag)];
    site.carry(&flagged);
    site.host
        .check(&["mkdir", "-p", "/mnt/alt/proc/sys/crypto"])
        .unwrap();
    let fips = "/mnt/alt/proc/sys/crypto/fips_enabled";
    site.host.write(fips, b"1\n", 0o444).unwrap();
    let run = site.install(&["--root", "/mnt/alt", "/root/bundle.tar.zst"]);
    assert_eq!(run.code(), Some(4), "{}", run.stderr);
    assert!(run.stderr.contains("FIPS"), "{}", run.stderr);
    assert_eq!(relocated("tyk-gateway"), "tyk-gateway-5.2.5-1.x86_64\n");
}
