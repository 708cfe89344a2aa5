//! The scanner: checks JSON text (RFC 8259) and finds where values begin and end. It copies nothing and never recurses.

/// Deepest nesting of arrays and objects. Doors allow less (`Limits::json_depth_max`); this bounds what is read back from a log.
pub(crate) const DEPTH_MAX: u32 = 128;

/// Why a text is no JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanError {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// A position in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// A string token without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringToken {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether it has a backslash, so that its bytes are not its text.
    pub(crate) escaped: bool,
}

/// The arrays and objects that are open, one bit each: 1 is an object. As wide as [`DEPTH_MAX`].
#[derive(Default)]
struct OpenContainers {
    kinds: u128,
    depth: u32,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes past `byte` when it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    pub(crate) fn refuse<T>(&self, expected: &'static str) -> Result<T, ScanError> {
        Err(ScanError { at: self.at, expected })
    }

    /// Goes past one value of any kind.
    pub(crate) fn value(&mut self) -> Result<(), ScanError> {
        let mut open = OpenContainers::default();
        loop {
            self.space();
            let entered = match self.peek() {
                Some(b'{') => self.enter(&mut open, true)?,
                Some(b'[') => self.enter(&mut open, false)?,
                Some(b'"') => self.string().map(|_| false)?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| false)?,
                Some(b't') => self.literal(b"true").map(|()| false)?,
                Some(b'f') => self.literal(b"false").map(|()| false)?,
                Some(b'n') => self.literal(b"null").map(|()| false)?,
                _ => return self.refuse("a value"),
            };
            if !entered && !self.leave(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Goes into an array or object; false when it is empty and already behind us.
    fn enter(&mut self, open: &mut OpenContainers, object: bool) -> Result<bool, ScanError> {
        if !open.push(object) {
            return self.refuse("less nesting; at most 128 levels are read");
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
    fn leave(&mut self, open: &mut OpenContainers) -> Result<bool, ScanError> {
        while let Some(object) = open.top() {
            self.space();
            if self.eat(b',') {
                if object {
                    self.space();
                    self.name()?;
                }
                return Ok(true);
            }
            if !self.eat(if object { b'}' } else { b']' }) {
                return self.refuse(if object { "',' or '}'" } else { "',' or ']'" });
            }
            open.pop();
        }
        Ok(false)
    }

    /// Goes past a member's name and its colon.
    pub(crate) fn name(&mut self) -> Result<StringToken, ScanError> {
        if self.peek() != Some(b'"') {
            return self.refuse("a name in double quotes");
        }
        let token = self.string()?;
        self.space();
        if !self.eat(b':') {
            return self.refuse("':'");
        }
        Ok(token)
    }

    /// Goes past a string; the next byte is its opening quote.
    pub(crate) fn string(&mut self) -> Result<StringToken, ScanError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            self.at += plain.unwrap_or(rest.len());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(StringToken { start, end: self.at - 1, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.refuse("no raw control character within a string"),
                None => return self.refuse("the end of the string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.refuse("four hexadecimal digits after \\u");
                }
                self.at += 5;
            }
            _ => return self.refuse("one of \" \\ / b f n r t u after a backslash"),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.refuse("a digit") } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), ScanError> {
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

    fn literal(&mut self, word: &[u8]) -> Result<(), ScanError> {
        if self.text.get(self.at..self.at + word.len()) != Some(word) {
            return self.refuse("true, false or null");
        }
        self.at += word.len();
        Ok(())
    }
}

impl OpenContainers {
    fn push(&mut self, object: bool) -> bool {
        self.kinds = (self.kinds << 1) | u128::from(object);
        self.depth += 1;
        self.depth <= DEPTH_MAX
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

/// The elements of an array, each as its text. `text` is a value that was scanned before; what is no array has none.
pub(crate) fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut scanner = Scanner::new(text.as_bytes());
    let mut more = scanner.eat(b'[');
    std::iter::from_fn(move || {
        scanner.space();
        if !more || scanner.peek() == Some(b']') {
            return None;
        }
        let start = scanner.at();
        scanner.value().ok()?;
        let element = text.get(start..scanner.at())?;
        scanner.space();
        more = scanner.eat(b',');
        Some(element)
    })
}

/// The members of an object in order: name (as in the text, without quotes), whether it has escapes, and value. `text` is a
/// value that was scanned before; what is no object has none.
pub(crate) fn members(text: &str) -> impl Iterator<Item = (&str, bool, &str)> {
    let mut scanner = Scanner::new(text.as_bytes());
    let mut more = scanner.eat(b'{');
    std::iter::from_fn(move || {
        scanner.space();
        if !more || scanner.peek() == Some(b'}') {
            return None;
        }
        let name = scanner.name().ok()?;
        scanner.space();
        let start = scanner.at();
        scanner.value().ok()?;
        let value = text.get(start..scanner.at())?;
        scanner.space();
        more = scanner.eat(b',');
        Some((text.get(name.start..name.end)?, name.escaped, value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &[u8]) -> bool {
        let mut scanner = Scanner::new(text);
        let valid = scanner.value().is_ok();
        scanner.space();
        valid && scanner.peek().is_none()
    }

    #[test]
    fn accepts_what_json_is() {
        for good in ["0", "-0", "1.5e-7", " [ ] ", "{}", r#"{"a":[1,{"b":null}],"c":"\u00e9\n"}"#, "[[],[]]", "true"] {
            assert!(accepts(good.as_bytes()), "{good}");
        }
        for bad in
            ["", "01", "1.", "-", "1e", "[1,]", "{,}", "{a:1}", r#"{"a"}"#, "[1 2]", "tru", "\"a", "\"\\x\"", "}", "[}"]
        {
            assert!(!accepts(bad.as_bytes()), "{bad}");
        }
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(accepts(nested(128).as_bytes()));
        assert!(!accepts(nested(129).as_bytes()));
        assert!(!accepts("[".repeat(1_000_000).as_bytes()));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}",:0-9a-e.\\ tnu+-]{0,12}"#) {
            // Strict where serde_json checks nothing either (lone surrogates), so compare by IgnoredAny.
            let expected = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(accepts(text.as_bytes()), expected, "{}", text);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            accepts(&bytes);
        }
    }
}
