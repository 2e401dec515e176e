//! Decides whether an edit fits into a new default. Pure.

/// Merges an edit of `base` into `new`, line by line, or returns why it cannot. The merge of three
/// JSON texts must be a JSON text too, because a merge of lines does not respect commas.
pub(crate) fn carry_over(base: &[u8], own: &[u8], new: &[u8]) -> Result<String, String> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned());
    let (base, own, new) = (text(base)?, text(own)?, text(new)?);
    let merged =
        diffy::merge(base, own, new).map_err(|_| "both changed the same lines".to_owned())?;
    let is_json = |text: &str| json(text).is_ok();
    if [base, own, new].into_iter().all(is_json)
        && let Err(why) = json(&merged)
    {
        return Err(format!("merged line by line it would not be JSON: {why}"));
    }
    Ok(merged)
}

/// Checks that a text is JSON in which no object has a name twice. An error quotes none of the
/// text.
fn json(text: &str) -> Result<(), String> {
    let place = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        format!("line {line}, column {column}")
    };
    let mut input = serde_json::Deserializer::from_str(text);
    serde::de::DeserializeSeed::deserialize(Once, &mut input).map_err(place)?;
    input.end().map_err(place)
}

/// Any JSON value whose objects name each member once.
#[derive(Clone, Copy)]
struct Once;

impl<'de> serde::de::DeserializeSeed<'de> for Once {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Once {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = std::collections::BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("a name occurs twice"));
            }
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::carry_over;

    fn carried(base: &str, own: &str, new: &str) -> Result<String, String> {
        carry_over(base.as_bytes(), own.as_bytes(), new.as_bytes())
    }

    #[test]
    fn edits_of_other_lines_are_merged() {
        let merged = carried("a\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n");
        assert_eq!(merged.unwrap(), "A\nb\nc\nd\nE\n");
        assert_eq!(carried("a\n", "mine\n", "a\n").unwrap(), "mine\n");
        assert_eq!(carried("a\n", "a\n", "new\n").unwrap(), "new\n");
        let why = carried("a\n", "mine\n", "new\n").unwrap_err();
        assert!(why.contains("same lines"), "{why}");
        assert!(carry_over(b"a\n", b"\xff\n", b"a\n").is_err());
    }

    #[test]
    fn what_was_json_stays_json() {
        let base = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3,\n  \"d\": 4\n}\n";
        let own = base.replace("\"a\": 1", "\"a\": 10");
        let new = base.replace("\"d\": 4", "\"d\": 40");
        let merged = carried(base, &own, &new).unwrap();
        assert!(merged.contains("10") && merged.contains("40"));
        // The edit removes the last member, and the new default inserts one before it.
        let own = base.replace(",\n  \"d\": 4", "");
        let new = base.replace("{\n", "{\n  \"z\": 0,\n");
        assert!(carried(base, &own, &new).is_ok());
        // Both add the same member, at different places.
        let own = base.replace("{\n", "{\n  \"new\": 1,\n");
        let new = base.replace("\"d\": 4\n", "\"d\": 4,\n  \"new\": 2\n");
        let why = carried(base, &own, &new).unwrap_err();
        assert!(why.contains("not be JSON"), "{why}");
        assert!(!why.contains("new\""), "no content is quoted: {why}");
        // Text that is not JSON need not become JSON.
        let (base, own) = ("x = 1\ny = 2\nz = 3\nlast\n", "x = 9\ny = 2\nz = 3\nlast\n");
        assert!(carried(base, own, "x = 1\ny = 2\nz = 3\nLAST\n").is_ok());
    }
}
