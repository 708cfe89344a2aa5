//! The values within a value, each as its text.

use crate::json::{DEPTH_MAX, Scanner};

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
        scanner.value(DEPTH_MAX).ok()?;
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
        scanner.value(DEPTH_MAX).ok()?;
        let value = text.get(start..scanner.at())?;
        scanner.space();
        more = scanner.eat(b',');
        Some((text.get(name.start..name.end)?, name.escaped, value))
    })
}
