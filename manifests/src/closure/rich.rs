//! Rich dependencies: `(A and B)`, `(A or B)`, `(A if B else C)`, `(A unless B else C)`, `(A with B)`,
//! `(A without B)`, nested as deep as a header may be.

use crate::package_files::Dependency;

/// Deeper than any package goes.
const DEPTH_MAX: usize = 32;

/// What is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// One capability.
    Plain(Dependency),
    /// All of them.
    And(Vec<Need>),
    /// One of them.
    Or(Vec<Need>),
    /// The first, where the second is there; else the third.
    If(Box<Need>, Box<Need>, Option<Box<Need>>),
    /// The first, where the second is not there; else the third.
    Unless(Box<Need>, Box<Need>, Option<Box<Need>>),
    /// One package that offers all of them.
    With(Vec<Need>),
    /// One package that offers the first and not the second.
    Without(Box<Need>, Box<Need>),
}

impl Need {
    /// Reads a dependency, rich or not.
    pub(super) fn of(dependency: &Dependency) -> Result<Self, String> {
        if !dependency.name.starts_with('(') {
            return Ok(Self::Plain(dependency.clone()));
        }
        let tokens = tokens(&dependency.name);
        let mut reader = Reader {
            tokens: &tokens,
            at: 0,
        };
        let need = reader.group(0);
        need.filter(|_| reader.at == tokens.len())
            .ok_or_else(|| format!("`{}` is no rich dependency", dependency.name))
    }
}

/// Splits at blanks and at parentheses that group. Those of a capability, as in `libx.so.1()(64bit)`,
/// follow a character that is neither.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut word, mut inside) = (Vec::new(), String::new(), 0_usize);
    for c in text.chars() {
        let groups = word.is_empty();
        match c {
            '(' if groups => tokens.push("(".to_owned()),
            '(' => {
                inside += 1;
                word.push(c);
            }
            ')' if inside > 0 => {
                inside -= 1;
                word.push(c);
            }
            ')' => {
                if !groups {
                    tokens.push(std::mem::take(&mut word));
                }
                tokens.push(")".to_owned());
            }
            c if c.is_whitespace() => {
                if !groups {
                    tokens.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<&str> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    /// Reads `( operand [operator operand]… )`.
    fn group(&mut self, depth: usize) -> Option<Need> {
        if depth > DEPTH_MAX || self.next()? != "(" {
            return None;
        }
        let first = self.operand(depth)?;
        let (mut operator, mut operands, mut otherwise) = (None, vec![first], None);
        loop {
            match self.next()?.to_owned().as_str() {
                ")" => break,
                "else" if matches!(operator.as_deref(), Some("if" | "unless")) => {
                    otherwise = Some(Box::new(self.operand(depth)?));
                }
                word if operator.as_deref().is_none_or(|own| own == word) => {
                    operator = Some(word.to_owned());
                    operands.push(self.operand(depth)?);
                }
                _ => return None,
            }
        }
        combine(operator.as_deref(), operands, otherwise)
    }

    fn operand(&mut self, depth: usize) -> Option<Need> {
        if self.peek()? == "(" {
            return self.group(depth + 1);
        }
        let mut text = self.next()?.to_owned();
        if matches!(self.peek()?, "=" | "<" | "<=" | ">" | ">=") {
            text = format!("{text} {}", self.next()?);
            text = format!("{text} {}", self.next()?);
        }
        Some(Need::Plain(Dependency::parse(&text)))
    }
}

fn combine(
    operator: Option<&str>,
    mut operands: Vec<Need>,
    otherwise: Option<Box<Need>>,
) -> Option<Need> {
    let two = |operands: Vec<Need>| {
        let [a, b]: [Need; 2] = operands.try_into().ok()?;
        Some((Box::new(a), Box::new(b)))
    };
    match operator {
        None => operands.pop(),
        Some("and") => Some(Need::And(operands)),
        Some("or") => Some(Need::Or(operands)),
        Some("with") => Some(Need::With(operands)),
        Some("if") => two(operands).map(|(a, b)| Need::If(a, b, otherwise)),
        Some("unless") => two(operands).map(|(a, b)| Need::Unless(a, b, otherwise)),
        Some("without") => two(operands).map(|(a, b)| Need::Without(a, b)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Need, String> {
        let name = text.to_owned();
        let (comparison, version) = (String::new(), String::new());
        Need::of(&Dependency {
            name,
            comparison,
            version,
        })
    }

    fn plain(text: &str) -> Need {
        Need::Plain(Dependency::parse(text))
    }

    fn boxed(text: &str) -> Box<Need> {
        Box::new(plain(text))
    }

    #[test]
    fn every_operator_is_read_and_nests() {
        assert_eq!(read("a").unwrap(), plain("a"));
        assert_eq!(
            read("(a >= 2 if (b or libc.so.6()(64bit)) else d)").unwrap(),
            Need::If(
                boxed("a >= 2"),
                Box::new(Need::Or(vec![plain("b"), plain("libc.so.6()(64bit)")])),
                Some(boxed("d"))
            )
        );
        assert_eq!(
            read("(a with a < 3 with x)").unwrap(),
            Need::With(vec![plain("a"), plain("a < 3"), plain("x")])
        );
        assert_eq!(
            read("((a without b) and (c unless d))").unwrap(),
            Need::And(vec![
                Need::Without(boxed("a"), boxed("b")),
                Need::Unless(boxed("c"), boxed("d"), None)
            ])
        );
    }

    #[test]
    fn what_is_no_rich_dependency_is_refused() {
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        for bad in [
            "(",
            "()",
            "(a",
            "(a or",
            "(a or)",
            "(a xor b)",
            "(a and b or c)",
            "(a) b",
            "(a if b if c)",
            &deep,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
