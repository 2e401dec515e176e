//! Just enough JSON to read a configuration file: strict, bounded in depth.

/// A JSON value.
#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

const DEEPEST: usize = 64;

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at == text.len() {
            Ok(value)
        } else {
            Err(reader.error("text after the value"))
        }
    }

    /// The value under a path of object keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        let Self::Object(fields) = self else {
            return None;
        };
        fields.iter().find(|(name, _)| name == first)?.1.at(rest)
    }

    /// The keys of an object; none of anything else.
    pub(crate) fn names(&self) -> Vec<String> {
        let Self::Object(fields) = self else {
            return Vec::new();
        };
        fields.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The value as an environment variable would spell it.
    pub(crate) fn to_word(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, what: &str) -> String {
        let line = 1 + self
            .text
            .bytes()
            .take(self.at)
            .filter(|&byte| byte == b'\n')
            .count();
        format!("JSON, line {line}: {what}")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Skips space, then takes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEEPEST {
            return Err(self.error("nested too deeply"));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(_) => self.word(),
            None => Err(self.error("it ends too early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut fields = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            if !self.take(b':') {
                return Err(self.error("a colon is missing"));
            }
            fields.push((name, self.value(depth + 1)?));
            if self.take(b'}') {
                return Ok(Json::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or a brace is missing"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.error("a comma or a bracket is missing"));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a string is expected"));
        }
        self.at += 1;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut text = String::new();
        let mut letters = rest.char_indices();
        while let Some((offset, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match letters.next().map(|(_, escape)| escape) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(plain @ ('"' | '\\' | '/')) => text.push(plain),
                    _ => return Err(self.error("an escape that this reader does not know")),
                },
                _ => text.push(letter),
            }
        }
        Err(self.error("a string does not end"))
    }

    fn word(&mut self) -> Result<Json, String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || "+-.".contains(letter)))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => Json::Number(word.parse().map_err(|_| self.error("not a JSON value"))?),
        };
        self.at += end;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn reads_what_a_config_holds() {
        let json = Json::parse(r#" {"a": {"b": [1, true, null, "x\"y"]}, "port": 8080, "e": {}} "#)
            .unwrap();
        assert_eq!(
            json.at(&["port"]).and_then(Json::to_word).as_deref(),
            Some("8080")
        );
        assert_eq!(json.at(&["a", "c"]), None);
        let Some(Json::Array(items)) = json.at(&["a", "b"]) else {
            panic!("an array")
        };
        assert_eq!(items[3], Json::Text("x\"y".to_owned()));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            "",
            "{",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "[1 2]",
            "{} x",
            "\"open",
            "nope",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }
}
