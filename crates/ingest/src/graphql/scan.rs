//! How many tokens a document has and how deep its brackets nest, counted before it is parsed: the parser keeps each token
//! and recurses into each bracket. And how many values a request's JSON has, of which each takes far more room parsed than sent.

use super::GraphqlError;

/// Tokens of one document: a mutation with some hundred events written into it; more belong into variables.
const TOKENS_MAX: usize = 15_000;
/// Brackets within brackets: deeper than the deepest allowed selection with its arguments.
const BRACKETS_MAX: usize = 60;
/// Values of one request: a thousand events with all their attributes.
const VALUES_MAX: usize = 50_000;
/// What a value takes beside its text, as JSON and as an argument.
const VALUE_BYTES: usize = 128;

/// Refuses a document of too many tokens or too deep brackets. What is no document passes: the parser says so better.
pub(super) fn check(document: &str) -> Result<(), GraphqlError> {
    let (mut rest, mut tokens, mut depth) = (document.as_bytes(), 0_usize, 0_usize);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = tail;
                continue;
            }
            b'#' => after(tail, tail.iter().position(|byte| matches!(byte, b'\n' | b'\r'))),
            b'"' => after_string(rest),
            b'{' | b'[' | b'(' => {
                depth += 1;
                tail
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                tail
            }
            _ if is_word(byte) => after(tail, tail.iter().position(|byte| !is_word(*byte))),
            _ => tail,
        };
        tokens += 1;
        if tokens > TOKENS_MAX {
            return Err(GraphqlError::Limit { what: "too many tokens", most: TOKENS_MAX });
        }
        if depth > BRACKETS_MAX {
            return Err(GraphqlError::Limit { what: "brackets within too many brackets", most: BRACKETS_MAX });
        }
    }
    Ok(())
}

/// The bytes that the values of a JSON text take when they are parsed; refuses too many of them.
pub(super) fn parsed_bytes(json: &[u8]) -> Result<usize, GraphqlError> {
    let (mut rest, mut values) = (json, 1_usize);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = if byte == b'"' { after_string_of(rest, false) } else { tail };
        values += usize::from(byte == b',');
    }
    if values > VALUES_MAX {
        return Err(GraphqlError::Limit { what: "too many values in its variables", most: VALUES_MAX });
    }
    Ok(values * VALUE_BYTES)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'+')
}

fn after(bytes: &[u8], end: Option<usize>) -> &[u8] {
    end.and_then(|end| bytes.get(end..)).unwrap_or_default()
}

/// What follows the string of a document that starts here; nothing if it does not end.
fn after_string(text: &[u8]) -> &[u8] {
    after_string_of(text, text.starts_with(b"\"\"\""))
}

/// What follows the string that starts here; a block has three quotes at each end.
fn after_string_of(text: &[u8], block: bool) -> &[u8] {
    let quotes = if block { 3 } else { 1 };
    let mut rest = text.get(quotes..).unwrap_or_default();
    loop {
        rest = match rest {
            [b'\\', b'"', b'"', b'"', tail @ ..] if block => tail,
            [b'"', b'"', b'"', tail @ ..] if block => return tail,
            [b'\\', _, tail @ ..] if !block => tail,
            [b'"' | b'\n', tail @ ..] if !block => return tail,
            [_, tail @ ..] => tail,
            [] => return rest,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_fine(document: &str) -> bool {
        check(document).is_ok()
    }

    #[test]
    fn tokens_and_brackets_are_bounded() {
        assert!(is_fine(&"a ".repeat(TOKENS_MAX)) && !is_fine(&"a ".repeat(TOKENS_MAX + 1)));
        assert!(is_fine(&"[".repeat(BRACKETS_MAX)) && !is_fine(&"[".repeat(BRACKETS_MAX + 1)));
        assert!(!is_fine(&"{".repeat(1_000_000)));
    }

    #[test]
    fn values_are_bounded() {
        let list = |values: usize| format!("[0{}]", ",0".repeat(values - 1));
        assert_eq!(parsed_bytes(list(VALUES_MAX).as_bytes()), Ok(VALUES_MAX * VALUE_BYTES));
        assert!(parsed_bytes(list(VALUES_MAX + 1).as_bytes()).is_err());
        assert_eq!(parsed_bytes(br#"{"data":"[1,\",2,3]","b":"","c":3}"#), Ok(3 * VALUE_BYTES));
    }

    #[test]
    fn what_stands_in_strings_and_comments_does_not_count() {
        let brackets = "[".repeat(BRACKETS_MAX + 1);
        for hidden in [
            format!(r#"{{a(b:"{brackets}")}}"#),
            format!(r#"{{a(b:"\"{brackets}")}}"#),
            format!(r#"{{a(b:"""x " \""" {brackets}""")}}"#),
            format!("# {brackets}\n{{a}}"),
        ] {
            assert!(is_fine(&hidden), "{hidden}");
        }
        assert!(!is_fine(&format!("\"\"{brackets}")) && !is_fine(&format!("#\n{brackets}")));
    }
}
