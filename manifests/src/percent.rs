//! Percent-encoding (RFC 3986), and its strict reversal.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns the text with every reserved character encoded.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Returns the bytes that a text encodes; nothing if a `%` is not followed by two hexadecimal
/// digits.
#[must_use]
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    let is_code = |rest: &str| {
        let code = rest.as_bytes().get(..2);
        code.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let is_whole = text.split('%').skip(1).all(is_code);
    is_whole.then(|| percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn every_percent_sign_needs_two_digits() {
        assert_eq!(decoded("a%2Fb%ff"), Some(b"a/b\xff".to_vec()));
        assert_eq!(decoded("%25%34"), Some(b"%4".to_vec()));
        for text in ["%", "%4", "a%zz", "%%41", "%4%41", "%+1", "%é"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
