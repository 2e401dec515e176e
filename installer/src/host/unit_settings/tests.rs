use super::*;

/// As systemd 219 answers.
const OLD: &str = "\
Environment=TYK_DB_STORAGE_MAIN_CONNECTIONSTRING=host=10.0.0.9\\x20user=tyk\\x20password=a\\x5cb A=it's B=\\xc3\\xbc
EnvironmentFile=/etc/default/tyk-dashboard (ignore_errors=yes)
EnvironmentFile=/etc/tyk/secret.env (ignore_errors=no)
ExecStart={ path=/opt/tyk-dashboard/tyk-analytics ; argv[]=/opt/tyk-dashboard/tyk-analytics --conf /etc/tyk/a.conf ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
User=tyk
WorkingDirectory=/opt/tyk-dashboard
FragmentPath=/usr/lib/systemd/system/tyk-dashboard.service
DropInPaths=/etc/systemd/system/tyk-dashboard.service.d/a.conf /etc/systemd/system/tyk-dashboard.service.d/b\\x20c.conf
LoadState=loaded
NeedDaemonReload=no
MainPID=812
";

/// As systemd 252 answers.
const NEW: &str = r#"
MainPID=812
ExecStart={ path=/opt/tyk-dashboard/tyk-analytics ; argv[]=/opt/tyk-dashboard/tyk-analytics --conf /etc/tyk/a.conf ; ignore_errors=no ; start_time=[Mon 2026-11-30 10:00:00 UTC] ; stop_time=[n/a] ; pid=812 ; code=(null) ; status=0/0 }
Environment="TYK_DB_STORAGE_MAIN_CONNECTIONSTRING=host=10.0.0.9 user=tyk password=a\\b" "A=it's" B=ü
UnsetEnvironment=LANG "C=a b"
EnvironmentFiles=/etc/default/tyk-dashboard (ignore_errors=yes)
EnvironmentFiles=/etc/tyk/secret.env (ignore_errors=no)
User=tyk
WorkingDirectory=!/opt/tyk-dashboard
RootDirectory=
LoadState=loaded
FragmentPath=/usr/lib/systemd/system/tyk-dashboard.service
DropInPaths=/etc/systemd/system/tyk-dashboard.service.d/a.conf "/etc/systemd/system/tyk-dashboard.service.d/b c.conf"
NeedDaemonReload=no
"#;

#[test]
fn old_and_new_systemd_tell_the_same_in_other_forms() {
    for (shown, manager, systemd) in [
        (OLD, "LANG=C\n", 219),
        // RHEL 8: the form of a list is the old one, the name of the file's line the new one.
        (
            &OLD.replace("EnvironmentFile=", "EnvironmentFiles="),
            "LANG=C\n",
            239,
        ),
        (NEW, "LANG=C\nPATH=$'/bin:/my bin'\n", 252),
    ] {
        let found = parse(shown, manager, systemd).unwrap();
        let value = |name: &str| found.environment.get(name).map(String::as_str);
        assert_eq!(
            value("TYK_DB_STORAGE_MAIN_CONNECTIONSTRING"),
            Some(r"host=10.0.0.9 user=tyk password=a\b")
        );
        assert_eq!((value("A"), value("B")), (Some("it's"), Some("ü")));
        assert_eq!(value("LANG"), Some("C"));
        let file = |path: &str, is_optional| EnvironmentFile {
            path: path.to_owned(),
            is_optional,
        };
        let files = [
            file("/etc/default/tyk-dashboard", true),
            file("/etc/tyk/secret.env", false),
        ];
        assert_eq!(found.environment_files, files);
        assert_eq!(found.commands[0].path, "/opt/tyk-dashboard/tyk-analytics");
        let line = "/opt/tyk-dashboard/tyk-analytics --conf /etc/tyk/a.conf";
        assert_eq!(found.commands[0].line, line);
        assert_eq!(found.working_directory, "/opt/tyk-dashboard");
        assert_eq!(
            (found.user.as_str(), found.root_directory.as_str()),
            ("tyk", "")
        );
        let files = [
            "/usr/lib/systemd/system/tyk-dashboard.service",
            "/etc/systemd/system/tyk-dashboard.service.d/a.conf",
            "/etc/systemd/system/tyk-dashboard.service.d/b c.conf",
        ];
        assert_eq!(found.files, files);
        assert_eq!((found.main_pid, found.needs_reload), (812, false));
    }
    let found = parse(NEW, "PATH=$'/bin:/my bin'\n", 252).unwrap();
    assert_eq!(found.environment["PATH"], "/bin:/my bin");
    assert_eq!(found.unset, ["LANG", "C=a b"]);
}

#[test]
fn every_escape_of_a_shell_is_undone() {
    for (shown, value) in [
        (r#""A=say \"hi\" \$HOME \`x\`""#, "say \"hi\" $HOME `x`"),
        (r"$'A=it\'s\ta\\b\nc'", "it's\ta\\b\nc"),
        (r"$'A=\303\274'", "ü"),
        (r"A=a\x20\x5c\x0ab", "a \\\nb"),
        ("A=", ""),
    ] {
        let shown = format!("LoadState=loaded\nEnvironment={shown} Z=last\n");
        let found = parse(&shown, "", 252).unwrap();
        assert_eq!(found.environment["A"], value, "{shown}");
        assert_eq!(found.environment["Z"], "last", "{shown}");
    }
}

#[test]
fn a_unit_that_is_not_loaded_has_no_settings() {
    for state in ["masked", "not-found", "error", "bad-setting"] {
        assert_eq!(
            parse(&format!("LoadState={state}\nMainPID=0\n"), "", 252),
            None
        );
    }
    assert_eq!(
        version_of("systemd 252 (252.39-1~deb12u2)\n+PAM"),
        Some(252)
    );
    assert_eq!(version_of("systemd 219\n+PAM"), Some(219));
    assert_eq!(version_of("systemd v256~rc1\n"), None);
}

#[test]
fn the_process_that_runs_a_program_is_found_with_its_variables() {
    let own = std::env::current_exe().unwrap();
    let found = invocation(std::process::id(), own.to_str().unwrap());
    let found = found.unwrap().unwrap();
    assert!(!found.arguments.is_empty());
    assert_eq!(
        found.environment.get("PATH").cloned(),
        std::env::var("PATH").ok()
    );
    assert_eq!(
        invocation(std::process::id(), "/no/such/program").unwrap(),
        None
    );
}
