//! PKCS#11 URIs (RFC 7512), as far as they name one private key.

use std::path::PathBuf;
use std::str::FromStr;

use manifests::percent;

/// Where a key is: the module that speaks to the token, and what token and key must be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// The library.
    pub module: PathBuf,
    /// The token's label.
    pub token: Option<String>,
    /// The token's serial number.
    pub serial: Option<String>,
    /// The token's model.
    pub model: Option<String>,
    /// The token's manufacturer.
    pub manufacturer: Option<String>,
    /// The key's label.
    pub object: Option<String>,
    /// The key's id.
    pub id: Option<Vec<u8>>,
    /// A private file with the PIN.
    pub pin_file: Option<PathBuf>,
}

impl FromStr for TokenUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("pkcs11:")
            .ok_or("it does not begin with pkcs11:")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let attributes = path.split(';').chain(query.split('&'));
        for attribute in attributes.filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or_else(|| {
                format!("`{attribute}` is not name=value (several are joined by `;`, and by `&` after `?`)")
            })?;
            uri.take(name, value)?;
        }
        if uri.module.as_os_str().is_empty() {
            return Err(
                "it names no library: write module-path=/path/of/the/library.so".to_owned(),
            );
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err("it names no key: write object=LABEL or id=%01".to_owned());
        }
        Ok(uri)
    }
}

impl TokenUri {
    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        // The value stays out of the message, and of every list of processes from now on.
        if name == "pin-value" {
            return Err(
                "a PIN in a command line can be read by everyone on this machine: take \
                        pin-source=file:/path, BUNDLE_KEY_PIN or the terminal"
                    .to_owned(),
            );
        }
        let bytes = percent::decoded(value)
            .ok_or_else(|| format!("{name} has a `%` without two digits"))?;
        if name == "id" {
            self.id = Some(bytes);
            return Ok(());
        }
        let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
        match name {
            "module-path" => self.module = PathBuf::from(text),
            "token" => self.token = Some(text),
            "serial" => self.serial = Some(text),
            "model" => self.model = Some(text),
            "manufacturer" => self.manufacturer = Some(text),
            "object" => self.object = Some(text),
            "type" if text == "private" => {}
            "type" => return Err(format!("type is `{text}`; a private key signs")),
            "pin-source" => {
                let file = text.strip_prefix("file:").unwrap_or(&text);
                let file = file.strip_prefix("//").unwrap_or(file);
                if !file.starts_with('/') {
                    return Err("pin-source is not file:/absolute/path".to_owned());
                }
                self.pin_file = Some(PathBuf::from(file));
            }
            _ => return Err(format!("`{name}` is not known here")),
        }
        Ok(())
    }

    /// Names the token for people.
    #[must_use]
    pub fn token_name(&self) -> String {
        let name = self.token.as_ref().or(self.serial.as_ref());
        name.map_or("the token".to_owned(), |name| format!("token `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_library_a_token_and_a_key() {
        let text = "pkcs11:token=Root%20keys;object=one;id=%0a%FF?module-path=/lib/x.so&pin-source=file:/run/pin";
        let uri: TokenUri = text.parse().unwrap();
        assert_eq!(uri.token.as_deref(), Some("Root keys"));
        assert_eq!(uri.id, Some(vec![10, 255]));
        assert_eq!(uri.module, PathBuf::from("/lib/x.so"));
        assert_eq!(uri.pin_file, Some(PathBuf::from("/run/pin")));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name_and_a_pin_is_not_repeated() {
        let module = "module-path=/x.so";
        for (rest, word) in [
            ("object=a", "module-path"),
            ("token=a;module-path=/x.so", "object="),
            ("object=a;colour=red?module-path=/x.so", "colour"),
            ("object=%zz?module-path=/x.so", "object"),
            ("object=a;type=cert?module-path=/x.so", "type"),
            ("object=a?module-path=/x.so&pin-source=|sh", "pin-source"),
        ] {
            let error = format!("pkcs11:{rest}").parse::<TokenUri>().unwrap_err();
            assert!(error.contains(word), "{rest}: {error}");
        }
        let with_pin = format!("pkcs11:object=a?{module}&pin-value=4711");
        let error = with_pin.parse::<TokenUri>().unwrap_err();
        assert!(
            error.contains("pin-source") && !error.contains("4711"),
            "{error}"
        );
    }
}
