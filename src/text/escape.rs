//! Strings with escapes, as they are typed for stop strings: on the command line and in the playground alike.

/// Writes bytes so that [`unescape_bytes`] reads them back: text as [`escape`] does, a byte that is no UTF-8 as `\xHH`.
pub fn escape_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&escape(chunk.valid()));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    text
}

/// Writes a string so that [`unescape`] reads it back and no control character is left.
pub fn escape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => "\\n".to_owned(),
            '\t' => "\\t".to_owned(),
            '\r' => "\\r".to_owned(),
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c.is_control() => c.escape_unicode().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// Where the quote that closes a quoted text stands in what follows the opening one; an escaped quote closes nothing.
pub fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// Resolves `\n`, `\t`, `\r`, `\\`, `\"`, `\u{HEX}` and `\xHH` (bytes, which together must be UTF-8).
///
/// # Errors
/// Says which escape cannot be read.
pub fn unescape(text: &str) -> Result<String, String> {
    String::from_utf8(unescape_bytes(text)?).map_err(|_| "the escaped bytes are not UTF-8".to_owned())
}

/// Resolves the same escapes where the bytes need not be UTF-8.
///
/// # Errors
/// Says which escape cannot be read.
pub fn unescape_bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let mut chars = rest[at + 1..].chars();
        match chars.next() {
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('r') => bytes.push(b'\r'),
            Some(c @ ('\\' | '"')) => bytes.push(c as u8),
            Some('x') => {
                let digits = chars.as_str().get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                let digits = digits.ok_or("\\x needs two hexadecimal digits")?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
                chars = chars.as_str()[2..].chars();
            }
            Some('u') => {
                let inner = chars.as_str().strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let (digits, after) = inner.ok_or("\\u needs a number in braces: \\u{1F600}")?;
                let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| format!("\\u{{{digits}}} is no character"))?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                chars = after.chars();
            }
            Some(other) => {
                return Err(format!(
                    "\\{other} is no escape; there are \\n \\t \\r \\\\ \\\" \\xHH \\u{{..}}; write \\\\ for a backslash"
                ));
            }
            None => return Err("a backslash stands at the end; write \\\\ for a backslash".to_owned()),
        }
        rest = chars.as_str();
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        let cases: &[(&str, Option<&str>)] = &[
            ("", Some("")),
            ("plain", Some("plain")),
            (r"a\n\tb\r", Some("a\n\tb\r")),
            (r"\\n", Some("\\n")),
            (r#"\"x\""#, Some("\"x\"")),
            (r"\xe4\xB8\xad", Some("中")),
            (r"\u{4e2d}x", Some("中x")),
            ("中文", Some("中文")),
            (r"\x4", None),
            (r"\xzz", None),
            (r"\x中", None),
            (r"\xff", None),
            (r"\u{110000}", None),
            (r"\u12", None),
            (r"\q", None),
            ("end\\", None),
        ];
        for (raw, expected) in cases {
            assert_eq!(unescape(raw).ok().as_deref(), *expected, "{raw:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["", "a\"b\\", "\u{1b}[\u{9b}", "\n\nQ:\t", "中\u{7f}"] {
            assert_eq!(unescape(&escape(text)).as_deref(), Ok(text));
            assert!(!escape(text).chars().any(char::is_control));
        }
        for bytes in [&b"\xff\\xff"[..], b"\xe4\xb8", "中\n".as_bytes(), b"", b"\0\x80a\""] {
            assert_eq!(unescape_bytes(&escape_bytes(bytes)).as_deref(), Ok(bytes), "{}", escape_bytes(bytes));
        }
    }
}
