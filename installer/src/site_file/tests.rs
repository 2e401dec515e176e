use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::failure::chain;

fn host(text: &str, mode: u32) -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path());
    let path = layout.site_file();
    secure_fs::ensure_dir(path.parent().unwrap(), 0o755).unwrap();
    secure_fs::write_atomic(&path, text.as_bytes(), 0o600).unwrap();
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&path, mode).unwrap();
    (dir, layout)
}

fn why(text: &str) -> String {
    let (_dir, layout) = host(text, 0o644);
    chain(&read(&layout).unwrap_err())
}

const WHOLE: &str = r#"
dump-time-limit = 7200
keep-runs = 5
[backed-up-elsewhere]
gateway-redis = "  snapshots every night, storage team "
[health-budget]
dashboard = 900
"#;

#[test]
fn a_file_has_the_values_of_flags() {
    let (_dir, layout) = host(WHOLE, 0o644);
    let found = read(&layout).unwrap();
    let reason = "snapshots every night, storage team".to_owned();
    let reasons = BTreeMap::from([("gateway-redis".to_owned(), reason)]);
    assert_eq!(found["backed-up-elsewhere"], Value::Reasons(reasons));
    assert_eq!(found["dump-time-limit"], Value::Number(7200));
    let none = Layout::new(tempfile::tempdir().unwrap().path());
    assert!(read(&none).unwrap().is_empty());
}

#[test]
fn others_may_not_write_to_it() {
    for mode in [0o666, 0o664] {
        let (_dir, layout) = host(WHOLE, mode);
        let why = chain(&read(&layout).unwrap_err());
        assert!(why.contains("others can write to it"), "{why}");
    }
    let (_dir, layout) = host(WHOLE, 0o600);
    let path = layout.site_file();
    secure_fs::rename(&path, &path.with_extension("real")).unwrap();
    std::os::unix::fs::symlink(path.with_extension("real"), &path).unwrap();
    assert!(read(&layout).is_err(), "a symlink");
}

#[test]
fn what_it_does_not_know_is_refused_with_the_nearest_name() {
    for (text, expected) in [
        (
            "backup-elsewhere = {}",
            "nearest one is `backed-up-elsewhere`",
        ),
        ("health-budgets = {}", "nearest one is `health-budget`"),
        ("zzz = 1", "The keys are: backed-up-elsewhere"),
        (
            "allow-downgrade-because = 'we must go back'",
            "decided for each run",
        ),
        ("a = 1\nb =", "line 2"),
        ("dump-time-limit = 0", "1 to 604800"),
        ("dump-time-limit = '3600'", "whole number"),
        ("[health-budget]\npump = -1", "`health-budget.pump`"),
        ("[unhealthy-before]\npump = 'short'", "10 to 500 characters"),
        ("unhealthy-before = 'pump'", "write a table"),
    ] {
        let found = why(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn a_flag_counts_before_the_environment_and_that_before_the_file() {
    let (_dir, layout) = host(WHOLE, 0o644);
    let variable = |name: &str| match name {
        "INSTALL_HEALTH_BUDGET" => Some("dashboard=800\npump=70\n".to_owned()),
        "INSTALL_DUMP_TIME_LIMIT" => Some("60".to_owned()),
        // Limits of the file alone have no variable.
        "INSTALL_KEEP_RUNS" => Some("no number".to_owned()),
        _ => None,
    };
    let environment = parse::environment(&variable).unwrap();
    let mut choices = Choices::of(environment, read(&layout).unwrap());
    let flags = [("pump".to_owned(), 7)];
    let budgets = choices.numbers("health-budget", &flags);
    let expected = [("dashboard", 800), ("pump", 7)].map(|(name, secs)| (name.to_owned(), secs));
    assert_eq!(budgets, BTreeMap::from(expected));
    assert_eq!(choices.number("dump-time-limit", None), Some(60));
    assert_eq!(choices.number("lock-wait", None), None);
    choices.reasons("backed-up-elsewhere", &[]);
    let texts: Vec<String> = choices.chosen().iter().map(Chosen::text).collect();
    assert_eq!(
        texts,
        [
            "--health-budget dashboard=800 (from the environment)",
            "--health-budget pump=7 (from the command line)",
            "--dump-time-limit 60 (from the environment)",
            "--backed-up-elsewhere gateway-redis=snapshots every night, storage team (from \
             /etc/airgap-bundle/install.toml)",
        ]
    );
    assert!(is_standing(choices.chosen(), "health-budget", "dashboard"));
    assert!(!is_standing(choices.chosen(), "health-budget", "pump"));
    let wrong = |_: &str| Some("nonsense".to_owned());
    assert!(
        chain(&parse::environment(&wrong).unwrap_err()).contains("INSTALL_BACKED_UP_ELSEWHERE")
    );
}
