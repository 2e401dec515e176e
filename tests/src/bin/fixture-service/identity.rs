//! The trailer behind the ELF image: JSON, its length as eight little-endian bytes, and a mark.

use std::fs;

use crate::behaviour::Behaviour;
use crate::json::Json;
use crate::role::Role;

/// Ends every packaged program.
const MARK: &[u8] = b"LAB-TRAILER-1\n";

/// The identity of this program.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) role: Role,
    pub(crate) version: String,
    /// Distinguishes two builds of one version.
    pub(crate) build: String,
    pub(crate) behaviour: Behaviour,
}

impl Identity {
    pub(crate) fn of_this_program() -> Result<Self, String> {
        let image = fs::read("/proc/self/exe")
            .map_err(|error| format!("cannot read /proc/self/exe: {error}"))?;
        Self::parse(&image)
    }

    fn parse(image: &[u8]) -> Result<Self, String> {
        let text = trailer(image).ok_or("this program carries no trailer")?;
        let json = Json::parse(text)?;
        let field = |name: &str| {
            json.at(&[name])
                .and_then(Json::as_text)
                .ok_or(format!("the trailer has no field {name:?}"))
        };
        Ok(Self {
            role: Role::parse(field("role")?)?,
            version: field("version")?.to_owned(),
            build: field("build")?.to_owned(),
            behaviour: Behaviour::parse(field("behaviour")?)?,
        })
    }
}

/// The JSON text between the ELF image and the mark.
fn trailer(image: &[u8]) -> Option<&str> {
    let image = image.strip_suffix(MARK)?;
    let (image, length) = image.split_last_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let start = image.len().checked_sub(length)?;
    std::str::from_utf8(image.get(start..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::{Identity, MARK};

    fn image(json: &str, length: usize) -> Vec<u8> {
        let mut image = b"\x7fELF code".to_vec();
        image.extend_from_slice(json.as_bytes());
        image.extend_from_slice(&(length as u64).to_le_bytes());
        image.extend_from_slice(MARK);
        image
    }

    #[test]
    fn reads_the_trailer() {
        let json = r#"{"role":"pump","version":"1.9.0","build":"all","behaviour":"normal"}"#;
        let identity = Identity::parse(&image(json, json.len())).unwrap();
        assert_eq!(
            (identity.version.as_str(), identity.build.as_str()),
            ("1.9.0", "all")
        );
    }

    #[test]
    fn refuses_a_length_beyond_the_file() {
        assert!(Identity::parse(&image("{}", 4000)).is_err());
        assert!(Identity::parse(b"\x7fELF only").is_err());
    }
}
