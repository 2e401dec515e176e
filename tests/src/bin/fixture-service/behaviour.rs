//! How a service behaves: well, or in one of the ways in which an upgrade goes wrong.

/// Written as `name` or `name:argument:argument`, in the trailer or in `LAB_BEHAVIOUR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Normal,
    /// Ends before it reads anything.
    ExitAtOnce {
        code: u8,
    },
    /// Serves, then ends.
    ExitAfter {
        secs: u64,
        code: u8,
    },
    NeverListens,
    /// Accepts connections and never answers.
    Hangs,
    WrongVersion {
        version: String,
    },
    WrongPort {
        port: u16,
    },
    /// Reports that it is ill, with status 200 as the vendor does.
    Fail200,
    /// Reports that it is ill, with status 503.
    Fail503,
    /// Well and ill by turns, each for so long.
    Flapping {
        secs: u64,
    },
}

impl Behaviour {
    /// Reads `exit-after:2:1` and the like.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let mut argument = |what: &str| {
            words
                .next()
                .map(str::to_owned)
                .ok_or(format!("behaviour {text:?} needs a {what}"))
        };
        let behaviour = match name {
            "normal" => Self::Normal,
            "exit-at-once" => Self::ExitAtOnce {
                code: number(&argument("code")?)?,
            },
            "exit-after" => Self::ExitAfter {
                secs: number(&argument("number of seconds")?)?,
                code: number(&argument("code")?)?,
            },
            "never-listens" => Self::NeverListens,
            "hangs" => Self::Hangs,
            "wrong-version" => Self::WrongVersion {
                version: argument("version")?,
            },
            "wrong-port" => Self::WrongPort {
                port: number(&argument("port")?)?,
            },
            "fail-200" => Self::Fail200,
            "fail-503" => Self::Fail503,
            "flapping" => Self::Flapping {
                secs: number(&argument("number of seconds")?)?,
            },
            _ => return Err(format!("unknown behaviour {text:?}")),
        };
        Ok(behaviour)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::Behaviour;

    #[test]
    fn arguments_are_demanded() {
        assert_eq!(Behaviour::parse("normal"), Ok(Behaviour::Normal));
        assert_eq!(
            Behaviour::parse("exit-after:2:7"),
            Ok(Behaviour::ExitAfter { secs: 2, code: 7 })
        );
        assert!(Behaviour::parse("exit-after:2").is_err());
        assert!(Behaviour::parse("exit-at-once:256").is_err());
        assert!(Behaviour::parse("sulks").is_err());
    }
}
