//! JSON values as aggregates compare them: numbers by value, texts by what they mean, times by when they are.

use std::cmp::Ordering;

use bytes::Bytes;
use riverrun_event::Time;

use crate::document::{kind_of, unescape};

use super::number::Number;
use super::refused::Refused;

/// The order of two values that `min`, `max` and `top` choose by.
pub(super) fn order(function: &str, one: &[u8], two: &[u8]) -> Result<Ordering, Refused> {
    match (token(one), token(two)) {
        (Token::Number(one), Token::Number(two)) => Ok(Number::parse(one)?.order(Number::parse(two)?)),
        (Token::Text(one), Token::Text(two)) => Ok(match (time(one), time(two)) {
            (Some(one), Some(two)) => one.cmp(&two),
            _ => unescape(one).cmp(&unescape(two)),
        }),
        _ => Err(Refused::kind(format!(
            "{function}() has to choose between {} and {}, which have no order; all have to be numbers, or all texts",
            kind_of(one),
            kind_of(two)
        ))),
    }
}

/// Refuses a value that has no order.
pub(super) fn ordered(function: &str, value: &[u8]) -> Result<(), Refused> {
    match token(value) {
        Token::Number(number) => Number::parse(number).map(drop),
        Token::Text(_) => Ok(()),
        Token::Other => {
            Err(Refused::kind(format!("{function}() cannot compare {}; it takes numbers or texts", kind_of(value))))
        }
    }
}

/// Whether two values are one to `distinct`. Lists and objects are as they are written.
pub(super) fn same(one: &[u8], two: &[u8]) -> bool {
    if one == two {
        return true;
    }
    match (token(one), token(two)) {
        (Token::Number(one), Token::Number(two)) => match (Number::parse(one), Number::parse(two)) {
            (Ok(one), Ok(two)) => one.order(two) == Ordering::Equal,
            _ => false,
        },
        (Token::Text(one), Token::Text(two)) => {
            (one.contains('\\') || two.contains('\\')) && unescape(one) == unescape(two)
        }
        _ => false,
    }
}

/// A value as the number it has to be.
pub(super) fn number(function: &str, value: &[u8]) -> Result<Number, Refused> {
    match token(value) {
        Token::Number(number) => Number::parse(number),
        _ => Err(Refused::kind(format!("{function}() takes numbers and has come to {}", kind_of(value)))),
    }
}

/// Whether a value counts: null and what is missing do not.
pub(super) fn counts(value: &Bytes) -> bool {
    value.as_ref() != b"null"
}

enum Token<'a> {
    Number(&'a str),
    /// Without its quotes, with its escapes.
    Text(&'a str),
    Other,
}

fn token(value: &[u8]) -> Token<'_> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    match value.first() {
        Some(b'"') => Token::Text(text.get(1..text.len() - 1).unwrap_or_default()),
        Some(b'-' | b'0'..=b'9') => Token::Number(text),
        _ => Token::Other,
    }
}

/// A text that is a time; one with a fraction of a second would otherwise come before the whole second (`.` before `Z`).
fn time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let looks_so = bytes.get(4) == Some(&b'-') && matches!(bytes.get(10), Some(b'T' | b't' | b' '));
    if looks_so { Time::parse(text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_kind_have_an_order() {
        for (one, two, expected) in [
            ("9", "10", Ordering::Less),
            ("9", "9.0", Ordering::Equal),
            ("\"9\"", "\"10\"", Ordering::Greater),
            ("\"\\u0061\"", "\"a\"", Ordering::Equal),
            ("\"2013-01-01T00:00:00.5Z\"", "\"2013-01-01T00:00:00Z\"", Ordering::Greater),
            ("\"2013-01-01T00:00:00+02:00\"", "\"2012-12-31T23:00:00Z\"", Ordering::Less),
        ] {
            assert_eq!(order("max", one.as_bytes(), two.as_bytes()), Ok(expected), "{one} {two}");
            assert_eq!(same(one.as_bytes(), two.as_bytes()), expected == Ordering::Equal, "{one} {two}");
        }
        let message =
            "max() has to choose between a number and text, which have no order; all have to be numbers, or all texts";
        assert_eq!(order("max", b"1", b"\"1\""), Err(Refused::kind(message.to_owned())));
        assert!(!same(b"1", b"\"1\"") && same(b"[1]", b"[1]") && !same(b"[1]", b"[1.0]"));
    }
}
