//! The scanner that goes through JSON text value by value.

use super::{DEPTH_MAX, JsonError};

/// A position in a text of UTF-8 bytes. Offsets count from the text's start.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// A string token without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringToken {
    /// Where its text begins, behind the opening quote.
    pub start: usize,
    /// Where its text ends: the closing quote.
    pub end: usize,
    /// Whether it has a backslash, so that its bytes are not its text.
    pub escaped: bool,
}

/// The arrays and objects that are open, one bit each: 1 is an object. As wide as [`DEPTH_MAX`].
struct OpenContainers {
    kinds: u128,
    depth: usize,
    depth_max: usize,
}

impl<'a> Scanner<'a> {
    /// At the start of `text`.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes lie behind it.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The bytes of a string token without its quotes.
    #[must_use]
    pub fn token(&self, token: StringToken) -> &'a [u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// The next byte.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Goes past whitespace.
    pub fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past `byte` when it is next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// Goes past `byte`, which must be next.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] when it is not.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.eat(byte) { Ok(()) } else { self.refuse(expected) }
    }

    /// Nothing but whitespace may follow.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] when something does.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.peek().is_none() { Ok(()) } else { self.refuse("the end of the text") }
    }

    /// An error at this place.
    ///
    /// # Errors
    /// Always: [`JsonError::Syntax`].
    pub fn refuse<T>(&self, expected: &'static str) -> Result<T, JsonError> {
        Err(JsonError::Syntax { offset: self.at, expected })
    }

    /// Goes past whitespace and one value of any kind, at most `depth_max` (and [`DEPTH_MAX`]) levels deep.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] or [`JsonError::TooDeep`] with the place.
    pub fn value(&mut self, depth_max: usize) -> Result<(), JsonError> {
        self.space();
        // Most members are scalars: they need no record of what is open.
        if !matches!(self.peek(), Some(b'{' | b'[')) {
            return self.scalar();
        }
        let mut open = OpenContainers { kinds: 0, depth: 0, depth_max: depth_max.min(DEPTH_MAX) };
        loop {
            self.space();
            let entered = match self.peek() {
                Some(b'{') => self.enter(&mut open, true)?,
                Some(b'[') => self.enter(&mut open, false)?,
                _ => self.scalar().map(|()| false)?,
            };
            if !entered && !self.leave(&mut open)? {
                return Ok(());
            }
        }
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.refuse("a JSON value"),
        }
    }

    /// Goes into an array or object; false when it is empty and already behind us.
    fn enter(&mut self, open: &mut OpenContainers, object: bool) -> Result<bool, JsonError> {
        if !open.push(object) {
            return Err(JsonError::TooDeep { offset: self.at, depth_max: open.depth_max });
        }
        self.at += 1;
        self.space();
        if self.eat(if object { b'}' } else { b']' }) {
            open.pop();
            return Ok(false);
        }
        if object {
            self.name()?;
        }
        Ok(true)
    }

    /// After a value: goes out of what ends here, up to the next value; false at the end of the outermost.
    fn leave(&mut self, open: &mut OpenContainers) -> Result<bool, JsonError> {
        while let Some(object) = open.top() {
            self.space();
            if self.eat(b',') {
                if object {
                    self.space();
                    self.name()?;
                }
                return Ok(true);
            }
            let (close, expected) = if object { (b'}', "',' or '}'") } else { (b']', "',' or ']'") };
            self.expect(close, expected)?;
            open.pop();
        }
        Ok(false)
    }

    /// Goes past a member's name and its colon.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] with the place.
    pub fn name(&mut self) -> Result<StringToken, JsonError> {
        if self.peek() != Some(b'"') {
            return self.refuse("a member name in double quotes");
        }
        let token = self.string()?;
        self.space();
        self.expect(b':', "':'")?;
        Ok(token)
    }

    /// Goes past a string.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] with the place.
    pub fn string(&mut self) -> Result<StringToken, JsonError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            self.at += plain_length(rest);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(StringToken { start, end: self.at - 1, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.refuse("the string to go on; control characters in it are written as escapes"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.refuse("an escape JSON knows");
                }
                self.at += 5;
            }
            _ => return self.refuse("an escape JSON knows"),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.refuse("a digit") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.eat(b'-');
        // No digits after a leading zero: what follows is then refused as no end of a value.
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

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.text.get(self.at..self.at + word.len()) != Some(word) {
            return self.refuse("true, false, null or another JSON value");
        }
        self.at += word.len();
        Ok(())
    }
}

/// How many bytes of a string come before a quote, a backslash or a control character; eight are looked at together (Hacker's
/// Delight, 6-1: which byte of a word is the first zero).
fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let mut at = 0;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
        let ends = controls | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if ends != 0 {
            // What follows the first may be wrong, since it borrows from it.
            return at + usize::try_from(ends.trailing_zeros() / 8).unwrap_or_default();
        }
        at += 8;
    }
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
    at + end.unwrap_or(rest.len())
}

impl OpenContainers {
    fn push(&mut self, object: bool) -> bool {
        let fits = self.depth < self.depth_max;
        self.kinds = (self.kinds << 1) | u128::from(object);
        self.depth += 1;
        fits
    }

    fn pop(&mut self) {
        self.kinds >>= 1;
        self.depth -= 1;
    }

    /// Whether the innermost is an object; `None` when nothing is open.
    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.kinds & 1 == 1)
    }
}
