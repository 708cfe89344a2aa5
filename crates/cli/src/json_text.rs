//! JSON text laid out for people: indented, coloured, every number and string exactly as it was written.
//!
//! Works on the text itself, so nothing is reordered or rounded. The text must be valid JSON; [`laid_out`] checks.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::terminal::{Ink, Palette};

/// An array or object this short stays on one line.
const INLINE_BYTES_MAX: usize = 96;
/// Deeper levels are not indented further (doors take 64 levels at most).
const INDENT_LEVELS_MAX: usize = 64;

/// `json` indented and painted; as it is when it is not valid JSON.
pub(crate) fn laid_out(json: &str, palette: Palette) -> String {
    if serde_json::from_str::<&RawValue>(json).is_err() {
        return json.to_owned();
    }
    let mut layout = Layout { rest: json, output: String::with_capacity(json.len() * 2), palette, inline: Vec::new() };
    while layout.token() {}
    layout.output
}

struct Layout<'a> {
    rest: &'a str,
    output: String,
    palette: Palette,
    /// One entry per open array or object: whether it stays on one line.
    inline: Vec<bool>,
}

impl<'a> Layout<'a> {
    /// Writes one token; false when none is left.
    fn token(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.as_bytes().first() {
            None => return false,
            Some(b'{' | b'[') => self.open(),
            Some(b'}' | b']') => self.close(),
            Some(b',') => {
                let comma = self.take(1);
                self.output.push_str(comma);
                self.break_line();
            }
            Some(b'"') => self.string(),
            Some(_) => self.literal(),
        }
        true
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn open(&mut self) {
        let within = enclosed(self.rest);
        let is_empty = within.get(1..within.len().saturating_sub(1)).is_some_and(|inner| inner.trim().is_empty());
        // An object of objects reads better when its parts stand on their own lines.
        let is_flat = !within.get(1..).unwrap_or_default().contains(['{', '[']);
        let outer_is_inline = self.inline.last().copied().unwrap_or(false);
        let bracket = self.take(1);
        self.output.push_str(bracket);
        if is_empty {
            self.rest = self.rest.trim_start();
            let closing = self.take(1);
            self.output.push_str(closing);
            return;
        }
        let is_outermost = self.inline.is_empty();
        self.inline.push(outer_is_inline || (!is_outermost && is_flat && within.len() <= INLINE_BYTES_MAX));
        self.pad();
    }

    fn close(&mut self) {
        let was_inline = self.inline.pop().unwrap_or(false);
        if was_inline {
            self.output.push(' ');
        } else {
            self.indent();
        }
        let bracket = self.take(1);
        self.output.push_str(bracket);
    }

    fn string(&mut self) {
        let text = self.take(string_bytes(self.rest));
        self.rest = self.rest.trim_start();
        let is_name = self.rest.starts_with(':');
        let ink = if is_name { Ink::Name } else { Ink::Good };
        let _ = write!(self.output, "{}", self.palette.paint(ink, text));
        if is_name {
            self.take(1);
            self.output.push_str(": ");
        }
    }

    fn literal(&mut self) {
        let end = self.rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
        let text = self.take(end);
        let ink = if text == "null" { Ink::Faint } else { Ink::Notice };
        let _ = write!(self.output, "{}", self.palette.paint(ink, text));
    }

    fn break_line(&mut self) {
        self.pad();
    }

    /// Between an opening bracket or a comma and what follows.
    fn pad(&mut self) {
        if self.inline.last().copied().unwrap_or(false) { self.output.push(' ') } else { self.indent() }
    }

    fn indent(&mut self) {
        self.output.push('\n');
        for _ in 0..self.inline.len().min(INDENT_LEVELS_MAX) {
            self.output.push_str("  ");
        }
    }
}

/// The bytes of the string `text` begins with, quotes included.
fn string_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The array or object `text` begins with, as far as it matters whether it fits on a line.
fn enclosed(text: &str) -> &str {
    let mut depth = 0_usize;
    let mut index = 0;
    while let Some(byte) = text.as_bytes().get(index) {
        if index > INLINE_BYTES_MAX {
            return text;
        }
        match byte {
            b'"' => index += string_bytes(text.get(index..).unwrap_or_default()).saturating_sub(1),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        index += 1;
        if depth == 0 {
            return text.get(..index).unwrap_or(text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{ColorChoice, Terminal};

    fn check(json: &str, expected: &str) {
        assert_eq!(laid_out(json, Terminal::new(ColorChoice::Never).out), expected, "{json}");
    }

    #[test]
    fn text_is_laid_out_and_kept() {
        check("12.50e3", "12.50e3");
        check(r#"{"b":1.0,"a":"x\"}"}"#, "{\n  \"b\": 1.0,\n  \"a\": \"x\\\"}\"\n}");
        check(r#"{"a":{"z":[1],"b":{}}}"#, "{\n  \"a\": {\n    \"z\": [ 1 ],\n    \"b\": {}\n  }\n}");
        check(r#" [ {"a" :  null , "b":[]} ] "#, "[\n  {\n    \"a\": null,\n    \"b\": []\n  }\n]");
        check(r#"{"a":{"b":1,"c":"é"}}"#, "{\n  \"a\": { \"b\": 1, \"c\": \"é\" }\n}");
        check("{broken", "{broken");
    }

    #[test]
    fn colours_follow_what_a_value_is() {
        let painted = laid_out(r#"{"a":null}"#, Terminal::new(ColorChoice::Always).out);
        assert_eq!(painted, "{\n  \u{1b}[36m\"a\"\u{1b}[0m: \u{1b}[2mnull\u{1b}[0m\n}");
    }
}
