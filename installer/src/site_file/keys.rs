//! The keys of the site's file. A new one is a row here, and one line where its flag is read
//! (`cli/consent.rs`).

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table: NAME = "REASON".
    Reasons,
    /// A table: NAME = number, each within these limits.
    Numbers(u64, u64),
    /// A number within these limits.
    Number(u64, u64),
    /// An absolute path.
    Path,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name, which is the flag's without the dashes.
    pub name: &'static str,
    /// The form of its value.
    pub form: Form,
    /// Whether there is a flag of this name. Then there is a variable of the environment too.
    pub has_flag: bool,
}

const DAY: u64 = 86_400;

/// Every key.
pub const KEYS: &[Key] = &[
    flag("backed-up-elsewhere", Form::Reasons),
    flag("restore-shared", Form::Reasons),
    flag("restored-by-hand", Form::Reasons),
    flag("unhealthy-before", Form::Reasons),
    flag("health-budget", Form::Numbers(1, DAY)),
    flag("dump-time-limit", Form::Number(1, 7 * DAY)),
    flag("dump-dir", Form::Path),
    flag("lock-wait", Form::Number(0, DAY)),
    file("keep-runs", Form::Number(1, 1000)),
    file("keep-rpms-mib", Form::Number(0, 1 << 30)),
    file("keep-dumps-mib", Form::Number(0, 1 << 30)),
];

/// Flags that have no key: each is a decision about one run.
pub const PER_RUN: &[&str] = &[
    "allow-downgrade-because",
    "allow-sequence-jump-because",
    "ignore-plugins-because",
    "keep-data-because",
    "restore-data",
    "as-it-is",
    "fresh",
    "yes",
];

const fn flag(name: &'static str, form: Form) -> Key {
    Key {
        name,
        form,
        has_flag: true,
    }
}

const fn file(name: &'static str, form: Form) -> Key {
    Key {
        name,
        form,
        has_flag: false,
    }
}

impl Key {
    /// Returns the name of its variable of the environment.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("INSTALL_{}", self.name.replace('-', "_").to_uppercase())
    }
}
