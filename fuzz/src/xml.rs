//! Text and attribute values of XML.

/// Writes a text so that an XML reader reads exactly it. XML has no reference to a zero byte, so a
/// zero byte stays as it is.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || "/._+~^-%:= \0".contains(c) {
            quoted.push(c);
        } else {
            quoted += &format!("&#{};", u32::from(c));
        }
    }
    quoted
}
