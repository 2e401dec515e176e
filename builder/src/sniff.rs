//! What bytes are instead of what they should be, to name it in an error.

/// Whether bytes begin as a web page: what login portals and blocking proxies answer with.
pub(crate) fn is_web_page(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.trim_ascii_start();
    let begins = |word: &[u8]| {
        let head = start.get(..word.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(word))
    };
    begins(b"<!doctype html") || begins(b"<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_pages_are_told_from_metadata() {
        for page in ["<!DOCTYPE html><p>", "\n <HTML>", "\u{feff}<html lang=en>"] {
            assert!(is_web_page(page.as_bytes()), "{page}");
        }
        for other in ["", "<?xml version=\"1.0\"?><repomd>", "<ht", "\u{ed}html"] {
            assert!(!is_web_page(other.as_bytes()), "{other}");
        }
    }
}
