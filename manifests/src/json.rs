//! The one way our JSON documents are written, sorted keys, two-space indent, final newline; and the
//! one way in which they are read.

mod strict;

use std::cell::Cell;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::JSON_VALUES_MAX;
use strict::{Budget, Strict};

/// Reads a document: nothing behind it, no list in place of an object, no deeper than
/// [`crate::limits::JSON_DEPTH_MAX`], and no more than [`JSON_VALUES_MAX`] values.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, serde_json::Error> {
    read_counted(bytes, &Cell::new(JSON_VALUES_MAX))
}

/// Does the same for one of several documents that share a number of values.
pub fn read_counted<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    values: &Cell<usize>,
) -> Result<T, serde_json::Error> {
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Strict::new(&mut text, Budget::new(values)))?;
    text.end()?;
    Ok(value)
}

/// Returns the canonical bytes of a document: equal values give equal bytes.
pub fn canonical<T: Serialize>(document: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(&sorted(serde_json::to_value(document)?))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Sorts keys explicitly: whether `Value` keeps insertion order depends on features that any
/// crate of a build may switch on.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut members: Vec<(String, Value)> = map.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair {
        a: Option<u8>,
        b: Vec<Pair>,
    }

    fn pair(text: &str) -> Result<Pair, String> {
        read(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_object_is_an_object() {
        assert_eq!(pair(r#"{"a": 1, "b": []}"#).unwrap().a, Some(1));
        assert_eq!(pair(r#"{"a": null, "b": []}"#).unwrap().a, None);
        for text in ["[1, []]", r#"{"a": 1, "b": [[1, []]]}"#] {
            let error = pair(text).unwrap_err();
            assert!(error.contains("a list stands where"), "{error}");
        }
        assert!(pair(r#"{"a": 1, "b": []} 1"#).is_err());
        assert!(pair(r#"{"a": 1, "a": 2, "b": []}"#).is_err());
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| {
            let (open, close) = (r#"{"a":1,"b":["#.repeat(depth), "]}".repeat(depth));
            pair(&format!("{open}{close}"))
        };
        assert!(nested(16).is_ok());
        let error = nested(17).unwrap_err();
        assert!(error.contains("nested too deep"), "{error}");
        let many = |count: usize| {
            let text = format!("[{}\"\"]", "\"\",".repeat(count - 1));
            read::<Vec<String>>(text.as_bytes())
        };
        assert!(many(JSON_VALUES_MAX - 1).is_ok());
        let error = many(JSON_VALUES_MAX).unwrap_err();
        assert!(error.to_string().contains("more values"), "{error}");
    }

    #[test]
    fn keys_are_sorted_at_every_depth() {
        #[derive(serde::Serialize)]
        struct Outer {
            b: Inner,
            a: u8,
        }
        #[derive(serde::Serialize)]
        struct Inner {
            z: u8,
            y: u8,
        }
        let bytes = super::canonical(&Outer {
            b: Inner { z: 1, y: 2 },
            a: 3,
        })
        .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(
            text,
            "{\n  \"a\": 3,\n  \"b\": {\n    \"y\": 2,\n    \"z\": 1\n  }\n}\n"
        );
    }
}
