use super::*;

fn pairs(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(owned).collect()
}

fn setting(env: &str, pointer: &str, default: &str) -> Setting {
    Setting {
        from: vec![
            Source::Env(env.to_owned()),
            Source::Pointer(pointer.to_owned()),
        ],
        default: default.to_owned(),
        or: Vec::new(),
    }
}

fn read(variables: &[(&str, &str)], config: &str) -> Settings {
    let (settings, notes) = Settings::read(pairs(variables), Some(("tyk.conf", config)));
    assert_eq!(notes, [""; 0]);
    settings
}

#[test]
fn the_environment_overrides_the_file_and_zero_counts_as_unset() {
    let port = setting("TYK_GW_LISTENPORT", "/listen_port", "8080");
    let file = r#"{"listen_port": 9000}"#;
    assert_eq!(
        read(&[("TYK_GW_LISTENPORT", "7000")], file).get(&port),
        "7000"
    );
    assert_eq!(read(&[], file).get(&port), "9000");
    assert_eq!(read(&[], r#"{"listen_port": 0}"#).get(&port), "8080");
}

#[test]
fn a_broken_file_is_reported_and_not_guessed() {
    let port = setting("TYK_GW_LISTENPORT", "/listen_port", "8080");
    let text = "{\"listen_port\": 9000,}";
    let (settings, notes) = Settings::read(BTreeMap::new(), Some(("tyk.conf", text)));
    assert_eq!(settings.get(&port), "8080");
    assert!(notes[0].contains("tyk.conf"), "{notes:?}");
}

/// Other spellings were taken for off.
#[test]
fn a_switch_is_read_as_go_reads_it() {
    let tls = setting("USESSL", "/use_ssl", "false");
    for on in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(read(&[("USESSL", on)], "{}").is_on(&tls), Ok(true), "{on}");
    }
    let file = r#"{"use_ssl": true}"#;
    for off in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(
            read(&[("USESSL", off)], file).is_on(&tls),
            Ok(false),
            "{off}"
        );
    }
    assert_eq!(read(&[("USESSL", "")], file).is_on(&tls), Ok(true));
    assert_eq!(read(&[], "{}").is_on(&tls), Ok(false));
    assert_eq!(read(&[], "{}").is_on(&Setting::default()), Ok(false));
    let odd = read(&[("USESSL", "Zebra")], file).is_on(&tls).unwrap_err();
    assert!(odd.contains("USESSL") && !odd.contains("Zebra"), "{odd}");
    for odd in ["yes", "on", "tRUE", "2"] {
        assert!(read(&[("USESSL", odd)], file).is_on(&tls).is_err(), "{odd}");
    }
}

#[test]
fn a_deprecated_name_turns_a_switch_on_as_well() {
    let mut tls = setting("USESSL", "/use_ssl", "false");
    tls.or = vec![Source::Pointer("/redis_use_ssl".to_owned())];
    for (file, is_on) in [
        (r#"{"use_ssl": false, "redis_use_ssl": true}"#, true),
        (r#"{"use_ssl": true, "redis_use_ssl": false}"#, true),
        (r#"{"redis_use_ssl": false}"#, false),
    ] {
        assert_eq!(read(&[], file).is_on(&tls), Ok(is_on), "{file}");
    }
}

#[test]
fn a_condition_compares_words_or_switches() {
    let condition = |any_of: &[&str], ignore_case| Condition {
        setting: setting("OMIT", "/omit", ""),
        any_of: any_of.iter().map(|word| (*word).to_owned()).collect(),
        ignore_case,
    };
    let holds = |condition: &Condition, value| read(&[("OMIT", value)], "{}").holds(condition);
    // The vendor compares this word itself: `1` does not omit the file.
    let word = condition(&["true"], true);
    assert_eq!(holds(&word, "TrUe"), Ok(true));
    assert_eq!(holds(&word, "1"), Ok(false));
    let switch = condition(&["true"], false);
    assert_eq!(holds(&switch, "1"), Ok(true));
    assert!(holds(&switch, "TrUe").is_err());
    let kind = condition(&["disk", "memory"], false);
    assert_eq!(holds(&kind, "disk"), Ok(true));
    assert_eq!(holds(&kind, "Disk"), Ok(false));
}
