//! A strict reader of JSON text (RFC 8259) that keeps every byte: one pass checks syntax and depth and gives the raw text of
//! values.
//!
//! Numbers are never converted, so a number of any length stays as it is; members of objects inside a value may repeat, as
//! the RFC allows. It builds no tree and does not recurse, so no input can exhaust the stack.

use std::borrow::Cow;

/// Why a text is not taken as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("byte {offset} is not valid UTF-8; JSON is UTF-8")]
    Utf8 {
        /// Bytes before the fault.
        offset: usize,
    },
    /// The text breaks the grammar.
    #[error("no valid JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Bytes before the fault.
        offset: usize,
        /// What would have fitted there.
        expected: &'static str,
    },
    /// Arrays and objects are nested too deeply.
    #[error("the JSON at byte {offset} is nested deeper than {depth_max} levels")]
    TooDeep {
        /// Bytes before the fault.
        offset: usize,
        /// How deep it may be.
        depth_max: usize,
    },
}

/// Checks that `bytes` are one JSON value, at most `depth_max` levels deep, with nothing but whitespace around it.
///
/// # Errors
/// [`JsonError`] names the place.
pub fn check(bytes: &[u8], depth_max: usize) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(utf8(bytes)?);
    scanner.whitespace();
    scanner.value(depth_max)?;
    scanner.end()
}

/// The bytes as text.
///
/// # Errors
/// [`JsonError::Utf8`] names the first byte that is none.
pub fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| JsonError::Utf8 { offset: error.valid_up_to() })
}

/// A place in a JSON text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The closing brackets that are awaited, innermost last.
    awaited: Vec<u8>,
}

/// A string of the text as it stands there, quotes included.
#[derive(Clone, Copy)]
pub(crate) struct Quoted<'a> {
    raw: &'a str,
    escaped: bool,
    offset: usize,
}

impl<'a> Quoted<'a> {
    /// The string's value; only one with escapes is copied.
    pub(crate) fn value(self) -> Result<Cow<'a, str>, JsonError> {
        if !self.escaped {
            return Ok(Cow::Borrowed(self.raw.get(1..self.raw.len().saturating_sub(1)).unwrap_or_default()));
        }
        let fault = |_| JsonError::Syntax { offset: self.offset, expected: "escapes that give Unicode characters" };
        serde_json::from_str(self.raw).map(Cow::Owned).map_err(fault)
    }
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, awaited: Vec::new() }
    }

    /// The next byte.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(crate) fn whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.eat(byte) { Ok(()) } else { Err(self.syntax(expected)) }
    }

    /// Nothing but whitespace may follow.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.whitespace();
        if self.at == self.text.len() { Ok(()) } else { Err(self.syntax("the end of the text")) }
    }

    pub(crate) fn syntax(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { offset: self.at, expected }
    }

    /// Reads an object, which starts here; `each` is called with the scanner at the member's value and reads it.
    pub(crate) fn members<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(Cow<'a, str>, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{', "an object")?;
        self.whitespace();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let name = self.member_name()?.value()?;
            each(name, self)?;
            self.whitespace();
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',', "',' or '}'")?;
            self.whitespace();
        }
    }

    /// The text of the value that starts here, as it stands.
    pub(crate) fn value(&mut self, depth_max: usize) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.awaited.clear();
        loop {
            match self.peek() {
                Some(b'{') => {
                    self.open(b'}', depth_max)?;
                    if !self.eat(b'}') {
                        self.member_name()?;
                        continue;
                    }
                    self.awaited.pop();
                }
                Some(b'[') => {
                    self.open(b']', depth_max)?;
                    if !self.eat(b']') {
                        continue;
                    }
                    self.awaited.pop();
                }
                _ => self.scalar()?,
            }
            if self.next_value()? {
                continue;
            }
            return Ok(self.text.get(start..self.at).unwrap_or_default());
        }
    }

    fn open(&mut self, close: u8, depth_max: usize) -> Result<(), JsonError> {
        if self.awaited.len() >= depth_max {
            return Err(JsonError::TooDeep { offset: self.at, depth_max });
        }
        self.awaited.push(close);
        self.at += 1;
        self.whitespace();
        Ok(())
    }

    /// After a value: goes on to the next one of the innermost array or object, closing those that end. False when the
    /// outermost value is complete.
    fn next_value(&mut self) -> Result<bool, JsonError> {
        while let Some(close) = self.awaited.last().copied() {
            self.whitespace();
            if self.eat(b',') {
                self.whitespace();
                if close == b'}' {
                    self.member_name()?;
                }
                return Ok(true);
            }
            self.expect(close, if close == b'}' { "',' or '}'" } else { "',' or ']'" })?;
            self.awaited.pop();
        }
        Ok(false)
    }

    fn member_name(&mut self) -> Result<Quoted<'a>, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax("a member name in double quotes"));
        }
        let name = self.string()?;
        self.whitespace();
        self.expect(b':', "':'")?;
        self.whitespace();
        Ok(name)
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.syntax("a JSON value")),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.syntax("true, false, null or another JSON value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _signed = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.syntax("a digit")) } else { Ok(()) }
    }

    /// The string that starts here.
    pub(crate) fn string(&mut self) -> Result<Quoted<'a>, JsonError> {
        let start = self.at;
        self.expect(b'"', "a string")?;
        let mut escaped = false;
        loop {
            let plain = self.rest().iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ');
            self.at = plain.map_or(self.text.len(), |length| self.at + length);
            if self.eat(b'"') {
                let raw = self.text.get(start..self.at).unwrap_or_default();
                return Ok(Quoted { raw, escaped, offset: start });
            }
            if !self.eat(b'\\') {
                return Err(self.syntax("the string to go on; control characters in it are written as escapes"));
            }
            escaped = true;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let length = match self.rest() {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => 5,
            _ => return Err(self.syntax("an escape JSON knows")),
        };
        self.at += length;
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn depth_is_counted_from_the_value() {
        let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert_eq!(check(&nested(64), 64), Ok(()));
        assert_eq!(check(&nested(65), 64), Err(JsonError::TooDeep { offset: 64, depth_max: 64 }));
        assert_eq!(check(br#"{"a":{"b":[]}}"#, 3), Ok(()));
        assert_eq!(check(br#"{"a":{"b":[]}}"#, 2), Err(JsonError::TooDeep { offset: 10, depth_max: 2 }));
    }

    #[test]
    fn faults_name_the_place() {
        assert_eq!(check(b"\"a\xff\"", 9), Err(JsonError::Utf8 { offset: 2 }));
        assert_eq!(check(b"[1,]", 9), Err(JsonError::Syntax { offset: 3, expected: "a JSON value" }));
        assert_eq!(check(b"{} x", 9), Err(JsonError::Syntax { offset: 3, expected: "the end of the text" }));
        assert_eq!(check(b"", 9), Err(JsonError::Syntax { offset: 0, expected: "a JSON value" }));
    }

    /// serde_json, which others wrote, is the judge.
    fn check_against_serde_json(text: &str) {
        let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
        assert_eq!(check(text.as_bytes(), usize::MAX).is_ok(), expected, "{text:?}");
    }

    #[test]
    fn the_grammar_is_rfc_8259() {
        for text in [
            "0",
            "-0",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1E-7",
            "1e999",
            "123456789012345678901234567890",
            "+1",
            "tru",
            "null",
            "nulll",
            "\"\\u12g4\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\t\"",
            "\"",
            "{\"a\"}",
            "{\"a\":1,}",
            "{,}",
            "{a:1}",
            "[",
            "]",
            "[1 2]",
            " [ 1 , { \"a\" : [ ] } ] ",
            "{\"a\":1 \"b\":2}",
            "\u{feff}1",
            "[}",
            "{]",
            "/**/1",
            "NaN",
            "\"\u{7f}\"",
        ] {
            check_against_serde_json(text);
        }
    }

    proptest! {
        #[test]
        fn every_text_is_judged_as_serde_json_does(text in r#"[\[\]{}:,"\\ \n0-9eE+\-.truefalsn/bué]{0,24}"#) {
            check_against_serde_json(&text);
        }
    }
}
