//! Strings of JSON: from the token in the text to the text it means, and back.

use std::borrow::Cow;

/// What a string token (without its quotes) means. A lone surrogate, which no text can hold, becomes U+FFFD.
pub(crate) fn unescape(token: &str) -> Cow<'_, str> {
    if !token.contains('\\') {
        return Cow::Borrowed(token);
    }
    let mut text = String::with_capacity(token.len());
    let mut rest = token;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut after = escape.chars();
        match after.next() {
            Some('u') => {
                let (character, behind) = unicode_escape(after.as_str());
                text.push(character);
                rest = behind;
                continue;
            }
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some(itself) => text.push(itself),
            None => {}
        }
        rest = after.as_str();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the digits after `\u`, with the second half of a surrogate pair where there is one, and what follows.
fn unicode_escape(digits: &str) -> (char, &str) {
    let Some((high, rest)) = code_unit(digits) else { return (char::REPLACEMENT_CHARACTER, digits) };
    if (0xD800..0xDC00).contains(&high)
        && let Some((low, behind)) = rest.strip_prefix("\\u").and_then(code_unit)
        && (0xDC00..0xE000).contains(&low)
    {
        let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), behind);
    }
    (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
}

fn code_unit(digits: &str) -> Option<(u32, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Writes `text` as a string token with its quotes.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain_from = 0;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(bytes.get(plain_from..at).unwrap_or_default());
        plain_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(bytes.get(plain_from..).unwrap_or_default());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_survives_writing_and_reading(text in any::<String>()) {
            let mut token = Vec::new();
            write_string(&text, &mut token);
            let token = String::from_utf8(token).unwrap();
            prop_assert_eq!(&serde_json::from_str::<String>(&token).unwrap(), &text);
            prop_assert_eq!(unescape(&token[1..token.len() - 1]), text);
        }

        #[test]
        fn escapes_mean_what_serde_json_says(token in r#"(a|é|\\u00e9|\\ud83d\\ude00|\\n|\\"|\\\\|\\/|\\u0000){0,8}"#) {
            let expected: String = serde_json::from_str(&format!("\"{token}\"")).unwrap();
            prop_assert_eq!(unescape(&token), expected);
        }
    }

    #[test]
    fn lone_surrogates_are_replaced() {
        for token in ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041"] {
            assert!(unescape(token).starts_with(char::REPLACEMENT_CHARACTER), "{token}");
        }
    }
}
