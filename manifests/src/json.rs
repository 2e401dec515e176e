//! The one way our JSON documents are written: sorted keys, two-space indent, final newline.

use serde::Serialize;
use serde_json::Value;

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
