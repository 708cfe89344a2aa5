//! The envelope of an event as JSON text: members and values as they stand there, over the scanner of `topology`.
//!
//! Nothing is copied but strings with escapes. What is JSON and what is too deep, the scanner alone decides.

use std::borrow::Cow;

pub use riverrun_topology::json::{JsonError, check, utf8};
use riverrun_topology::json::{Scanner, StringToken};

/// A place in a JSON text.
pub(crate) struct Reader<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, scanner: Scanner::new(text.as_bytes()) }
    }

    /// The next byte.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.scanner.peek()
    }

    pub(crate) fn whitespace(&mut self) {
        self.scanner.space();
    }

    /// Takes `byte` if it comes next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        self.scanner.eat(byte)
    }

    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        self.scanner.expect(byte, expected)
    }

    /// Nothing but whitespace may follow.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.scanner.end()
    }

    pub(crate) fn refuse<T>(&self, expected: &'static str) -> Result<T, JsonError> {
        self.scanner.refuse(expected)
    }

    /// Reads an object, which starts here; `each` is called with the reader at the member's value and reads it.
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
            let name = self.scanner.name()?;
            let name = self.unquoted(name)?;
            self.whitespace();
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
        let start = self.scanner.at();
        self.scanner.value(depth_max)?;
        Ok(self.text.get(start..self.scanner.at()).unwrap_or_default())
    }

    /// The value of the string that starts here.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let token = self.scanner.string()?;
        self.unquoted(token)
    }

    /// The string's value; only one with escapes is copied.
    fn unquoted(&self, token: StringToken) -> Result<Cow<'a, str>, JsonError> {
        if !token.escaped {
            return Ok(Cow::Borrowed(self.text.get(token.start..token.end).unwrap_or_default()));
        }
        let offset = token.start.saturating_sub(1);
        let fault = |_| JsonError::Syntax { offset, expected: "escapes that give Unicode characters" };
        let quoted = self.text.get(offset..=token.end).unwrap_or_default();
        serde_json::from_str(quoted).map(Cow::Owned).map_err(fault)
    }
}
