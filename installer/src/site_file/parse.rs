//! Reads the values of the site's file and of the environment. Pure.

use std::collections::BTreeMap;

use super::keys::{Form, KEYS, Key, PER_RUN};
use super::{SiteFileError, Value, Values};

/// How alike two names are at least, from 0 to 1, for one to be meant by the other.
const ALIKE: f64 = 0.7;

fn is_reason(text: &str) -> bool {
    (10..=500).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// What a text must be to be a reason.
pub const A_REASON: &str = "write one line of 10 to 500 characters";

/// Returns the reason in a text, without the blanks around it.
#[must_use]
pub fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    is_reason(text).then(|| text.to_owned())
}

/// Reads the text of the file.
pub(super) fn file(text: &str) -> Result<Values, SiteFileError> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(String::new(), |before| {
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        SiteFileError::Syntax(format!("{line}{}", error.message()))
    })?;
    let mut values = Values::new();
    for (name, value) in &table {
        let key = known(name)?;
        values.insert(key.name, of_toml(key, value)?);
    }
    Ok(values)
}

/// Reads the variables that `variable` returns.
pub(super) fn environment(
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Values, SiteFileError> {
    let mut values = Values::new();
    for key in KEYS.iter().filter(|key| key.has_flag) {
        let name = key.variable();
        if let Some(text) = variable(&name).filter(|text| !text.is_empty()) {
            values.insert(key.name, of_text(key, &name, &text)?);
        }
    }
    Ok(values)
}

fn known(name: &str) -> Result<&'static Key, SiteFileError> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    if PER_RUN.contains(&name) {
        return Err(SiteFileError::PerRun {
            key: name.to_owned(),
        });
    }
    let alike = KEYS
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key.name), key.name));
    let nearest = alike.filter(|(alike, _)| *alike >= ALIKE);
    let nearest = nearest.max_by(|(a, _), (b, _)| a.total_cmp(b));
    Err(SiteFileError::Unknown {
        key: name.to_owned(),
        nearest: nearest.map(|(_, name)| name),
    })
}

/// Returns the end of a message about an unknown key.
pub(super) fn or_nearest(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || {
            let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
            format!(". The keys are: {}", names.join(", "))
        },
        |name| format!(". The nearest one is `{name}`"),
    )
}

fn wrong(key: impl Into<String>, why: impl Into<String>) -> SiteFileError {
    SiteFileError::Value {
        key: key.into(),
        why: why.into(),
    }
}

fn of_toml(key: &Key, value: &toml::Value) -> Result<Value, SiteFileError> {
    let table = || {
        let why = format!("write a table: [{}] with a line for each NAME", key.name);
        value.as_table().ok_or_else(|| wrong(key.name, why))
    };
    let inner = |name: &str| format!("{}.{name}", key.name);
    match key.form {
        Form::Reasons => {
            let mut reasons = BTreeMap::new();
            for (name, value) in table()? {
                let found = value.as_str().and_then(reason);
                let found = found.ok_or_else(|| wrong(inner(name), A_REASON))?;
                reasons.insert(name.clone(), found);
            }
            Ok(Value::Reasons(reasons))
        }
        Form::Numbers(least, most) => {
            let mut numbers = BTreeMap::new();
            for (name, value) in table()? {
                let number = value.as_integer().and_then(|n| u64::try_from(n).ok());
                numbers.insert(name.clone(), within(&inner(name), number, least, most)?);
            }
            Ok(Value::Numbers(numbers))
        }
        Form::Number(least, most) => {
            let number = value.as_integer().and_then(|n| u64::try_from(n).ok());
            within(key.name, number, least, most).map(Value::Number)
        }
        Form::Path => path(key.name, value.as_str().unwrap_or_default()),
    }
}

fn of_text(key: &Key, variable: &str, text: &str) -> Result<Value, SiteFileError> {
    // As the flag is repeated, so is the line.
    let pairs = || {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(|line| {
            let pair = line.split_once('=').map(|(name, rest)| (name.trim(), rest));
            pair.ok_or_else(|| wrong(variable, "write one NAME=VALUE a line"))
        })
    };
    match key.form {
        Form::Reasons => {
            let mut reasons = BTreeMap::new();
            for pair in pairs() {
                let (name, text) = pair?;
                let found = reason(text).ok_or_else(|| wrong(variable, A_REASON))?;
                reasons.insert(name.to_owned(), found);
            }
            Ok(Value::Reasons(reasons))
        }
        Form::Numbers(least, most) => {
            let mut numbers = BTreeMap::new();
            for pair in pairs() {
                let (name, text) = pair?;
                let number = within(variable, text.trim().parse().ok(), least, most)?;
                numbers.insert(name.to_owned(), number);
            }
            Ok(Value::Numbers(numbers))
        }
        Form::Number(least, most) => {
            within(variable, text.trim().parse().ok(), least, most).map(Value::Number)
        }
        Form::Path => path(variable, text),
    }
}

fn within(key: &str, number: Option<u64>, least: u64, most: u64) -> Result<u64, SiteFileError> {
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| wrong(key, format!("write a whole number, {least} to {most}")))
}

fn path(key: &str, text: &str) -> Result<Value, SiteFileError> {
    let is_path = text.starts_with('/') && !text.chars().any(char::is_control);
    if is_path {
        Ok(Value::Path(text.to_owned()))
    } else {
        Err(wrong(key, "write an absolute path"))
    }
}
