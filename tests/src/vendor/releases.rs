//! Every version of every package, and what is wrong with it.

use super::recipe::{Build, DISTROS, Profile, Release, ScriptletFault};

const EVERYWHERE: &[Build] = &[Build {
    tag: "all",
    hour: 9,
    distros: &DISTROS,
}];
const SINCE_EL8: &[Build] = &[Build {
    tag: "el8",
    hour: 9,
    distros: &["el8", "el9"],
}];
const TWO_BUILDS: &[Build] = &[
    Build {
        tag: "el7",
        hour: 9,
        distros: &["el7"],
    },
    Build {
        tag: "el8",
        hour: 10,
        distros: &["el8", "el9"],
    },
];

const fn release(version: &'static str, date: &'static str, builds: &'static [Build]) -> Release {
    let behaviour = "normal";
    Release {
        version,
        date,
        builds,
        behaviour,
        fault: None,
        profile: Profile::Good,
        needs: &[],
    }
}

/// A release that rpm takes beside other packages only.
const fn needing(mut release: Release, needs: &'static [&'static str]) -> Release {
    release.needs = needs;
    release
}

const fn bad(
    version: &'static str,
    date: &'static str,
    behaviour: &'static str,
    fault: Option<ScriptletFault>,
) -> Release {
    Release {
        version,
        date,
        builds: EVERYWHERE,
        behaviour,
        fault,
        profile: Profile::Bad,
        needs: &[],
    }
}

pub(crate) const GATEWAY: &[Release] = &[
    release("5.0.11", "2024-03-05", TWO_BUILDS),
    release("5.2.4", "2023-12-07", SINCE_EL8),
    release("5.2.5", "2023-12-19", SINCE_EL8),
    release("5.3.0", "2024-04-05", EVERYWHERE),
    release("5.3.1", "2024-04-24", EVERYWHERE),
    release("5.3.2", "2024-06-05", EVERYWHERE),
    bad("5.4.0", "2024-07-02", "exit-after:1:2", None),
    bad("5.4.1", "2024-07-03", "hangs", None),
    bad("5.4.2", "2024-07-04", "wrong-version:5.3.9", None),
    bad("5.4.3", "2024-07-05", "normal", Some(ScriptletFault::Post)),
    bad("5.4.4", "2024-07-06", "normal", Some(ScriptletFault::Pre)),
    bad("5.4.5", "2024-07-07", "normal", None),
    bad("5.4.6", "2024-07-08", "fail-200", None),
    bad("5.4.7", "2024-07-09", "fail-503", None),
    bad("5.4.8", "2024-07-10", "never-listens", None),
    bad("5.4.9", "2024-07-11", "normal", None),
    bad(
        "5.4.10",
        "2024-07-12",
        "exit-at-once:1",
        Some(ScriptletFault::Preun),
    ),
    bad(
        "5.4.11",
        "2024-07-13",
        "normal",
        Some(ScriptletFault::Pretrans),
    ),
    bad(
        "5.4.12",
        "2024-07-14",
        "normal",
        Some(ScriptletFault::Posttrans),
    ),
    bad(
        "5.4.13",
        "2024-07-15",
        "exit-at-once:1",
        Some(ScriptletFault::Postun),
    ),
    release("5.8.0", "2025-03-28", EVERYWHERE),
];

pub(crate) const DASHBOARD: &[Release] = &[
    release("5.0.11", "2024-03-05", TWO_BUILDS),
    release("5.2.4", "2023-12-07", SINCE_EL8),
    release("5.2.5", "2023-12-19", SINCE_EL8),
    release("5.3.0", "2024-04-05", EVERYWHERE),
    release("5.3.1", "2024-04-24", EVERYWHERE),
    release("5.3.2", "2024-06-05", EVERYWHERE),
    bad("5.4.0", "2024-07-02", "normal", None),
    bad("5.4.1", "2024-07-03", "normal", None),
    bad("5.4.2", "2024-07-04", "normal", None),
    bad("5.4.3", "2024-07-05", "normal", None),
    bad("5.4.4", "2024-07-06", "normal", None),
    bad("5.4.5", "2024-07-07", "exit-at-once:1", None),
    bad("5.4.6", "2024-07-08", "normal", None),
    bad("5.4.7", "2024-07-09", "normal", None),
    bad("5.4.8", "2024-07-10", "normal", None),
    bad("5.4.9", "2024-07-11", "normal", Some(ScriptletFault::Post)),
    // Ill only after it has migrated what it found.
    bad("5.4.10", "2024-07-12", "fail-200", None),
    release("5.8.0", "2025-03-28", EVERYWHERE),
];

pub(crate) const PUMP: &[Release] = &[
    release("1.8.2", "2023-09-29", EVERYWHERE),
    release("1.8.3", "2023-11-21", EVERYWHERE),
    release("1.9.0", "2024-04-05", EVERYWHERE),
    bad("1.10.0", "2024-07-03", "normal", None),
    bad("1.10.1", "2024-07-12", "exit-at-once:1", None),
    release("1.12.0", "2025-03-28", EVERYWHERE),
];

pub(crate) const RELAYD: &[Release] = &[
    release("2.0.0", "2024-01-15", EVERYWHERE),
    release("2.1.0", "2024-09-30", EVERYWHERE),
    needing(
        release("2.2.0", "2025-02-10", EVERYWHERE),
        &["relay-codec >= 2.0", "/usr/lib/relay-codec/bin/codec-info"],
    ),
    needing(
        bad("2.3.0", "2025-02-11", "never-listens", None),
        &["relay-codec >= 2.0", "relay-legacy"],
    ),
];

pub(crate) const RELAY_CONSOLE: &[Release] = &[
    release("2.0.0", "2024-01-15", EVERYWHERE),
    release("2.1.0", "2024-09-30", EVERYWHERE),
    release("2.2.0", "2025-02-10", EVERYWHERE),
    bad("2.3.0", "2025-02-11", "normal", None),
];

pub(crate) const RELAY_CODEC: &[Release] = &[
    release("1.0.0", "2023-11-01", EVERYWHERE),
    needing(
        release("2.0.0", "2025-01-20", EVERYWHERE),
        &["(relay-tables or relay-tables-full)"],
    ),
];

pub(crate) const RELAY_TABLES: &[Release] = &[release("7.0.0", "2025-01-19", EVERYWHERE)];

/// It takes over a file that was relayd's, with other content.
pub(crate) const RELAY_LEGACY: &[Release] = &[release("1.0.0", "2025-02-10", EVERYWHERE)];

pub(crate) const RELAY_DUMP: &[Release] = &[release("1.1.0", "2024-12-01", EVERYWHERE)];
