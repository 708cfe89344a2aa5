//! JSON text laid out for people: indented, coloured, every number and string exactly as it was written.
//!
//! Works on the text itself, so nothing is reordered or rounded. Members of the outermost object have a line each; further in,
//! short values share lines. The text must be valid JSON; [`laid_out`] checks.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::terminal::{Ink, Palette, width};

/// Lines are filled up to this width, or to that of a narrower terminal.
const WIDTH_MAX: usize = 110;
/// No terminal is so narrow that less would read better.
const WIDTH_MIN: usize = 40;
/// A value this short, with nothing nested in it, stays on one line where there is room.
const INLINE_BYTES_MAX: usize = 96;
/// Deeper levels are not indented further (doors take 64 levels at most).
const INDENT_LEVELS_MAX: usize = 64;

/// `json` indented and painted; as it is when it is not valid JSON.
pub(crate) fn laid_out(json: &str, palette: Palette) -> String {
    if serde_json::from_str::<&RawValue>(json).is_err() {
        return json.to_owned();
    }
    let width = width().map_or(WIDTH_MAX, |columns| usize::from(columns).clamp(WIDTH_MIN, WIDTH_MAX));
    let mut layout = Layout {
        rest: json,
        output: String::with_capacity(json.len() * 2),
        palette,
        width,
        column: 0,
        inline: Vec::new(),
        has_just_closed_lines: false,
    };
    while layout.token() {}
    layout.output
}

struct Layout<'a> {
    rest: &'a str,
    output: String,
    palette: Palette,
    /// How wide lines may be.
    width: usize,
    /// How wide the current line is so far.
    column: usize,
    /// One entry per open array or object: whether it stays on one line.
    inline: Vec<bool>,
    /// Whether the value that ended last took several lines; what follows then starts its own.
    has_just_closed_lines: bool,
}

impl<'a> Layout<'a> {
    /// Writes one token; false when none is left.
    fn token(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.as_bytes().first() {
            None => return false,
            Some(b'{' | b'[') => self.open(),
            Some(b'}' | b']') => self.close(),
            Some(b',') => self.comma(),
            Some(b'"') => self.string(),
            Some(_) => self.literal(),
        }
        true
    }

    /// Moves this many bytes over to the output.
    fn put(&mut self, bytes: usize, ink: Option<Ink>) {
        let (text, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.column += text.chars().count();
        let _ = match ink {
            Some(ink) => write!(self.output, "{}", self.palette.paint(ink, text)),
            None => write!(self.output, "{text}"),
        };
    }

    fn open(&mut self) {
        let within = enclosed(self.rest);
        let is_empty = within.get(1..within.len().saturating_sub(1)).is_some_and(|inner| inner.trim().is_empty());
        // An object of objects reads better when its parts stand on their own lines.
        let is_flat = !within.get(1..).unwrap_or_default().contains(['{', '[']);
        let outer_is_inline = self.inline.last().copied().unwrap_or(false);
        self.put(1, None);
        if is_empty {
            self.rest = self.rest.trim_start();
            self.put(1, None);
            return;
        }
        let is_outermost = self.inline.is_empty();
        let is_inline = outer_is_inline || (!is_outermost && is_flat && self.has_room_for(within));
        self.inline.push(is_inline);
        if is_inline { self.space() } else { self.indent() }
    }

    /// Whether a flat value fits on the line, with the spaces that are put behind its signs.
    fn has_room_for(&self, value: &str) -> bool {
        let spaces = value.bytes().filter(|byte| matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']')).count();
        value.len() <= INLINE_BYTES_MAX && self.column + value.len() + spaces < self.width
    }

    fn close(&mut self) {
        let was_inline = self.inline.pop().unwrap_or(false);
        if was_inline {
            self.space()
        } else {
            self.indent()
        }
        self.put(1, None);
        self.has_just_closed_lines = !was_inline;
    }

    fn comma(&mut self) {
        self.put(1, None);
        let ends_line = std::mem::take(&mut self.has_just_closed_lines);
        let is_inline = self.inline.last().copied().unwrap_or(false);
        let fits = self.inline.len() > 1 && !ends_line && self.column + 1 + member_bytes(self.rest) < self.width;
        if is_inline || fits { self.space() } else { self.indent() }
    }

    fn string(&mut self) {
        let bytes = string_bytes(self.rest);
        let is_name = self.rest.get(bytes..).unwrap_or_default().trim_start().starts_with(':');
        self.put(bytes, Some(if is_name { Ink::Name } else { Ink::Good }));
        self.rest = self.rest.trim_start();
        if is_name {
            self.put(1, None);
            self.space();
        }
    }

    fn literal(&mut self) {
        let bytes = literal_bytes(self.rest);
        let is_null = self.rest.starts_with("null");
        self.put(bytes, Some(if is_null { Ink::Faint } else { Ink::Notice }));
    }

    fn space(&mut self) {
        self.output.push(' ');
        self.column += 1;
    }

    fn indent(&mut self) {
        let levels = self.inline.len().min(INDENT_LEVELS_MAX);
        self.output.push('\n');
        self.output.push_str(&"  ".repeat(levels));
        self.column = levels * 2;
    }
}

/// The bytes of the member or element `text` begins with, as far as it stays on one line; more than any line has where it
/// does not.
fn member_bytes(text: &str) -> usize {
    let text = text.trim_start();
    let is_string = text.starts_with('"');
    let first = if is_string { string_bytes(text) } else { 0 };
    let rest = text.get(first..).unwrap_or_default().trim_start();
    match rest.strip_prefix(':') {
        Some(value) => first + 2 + value_bytes(value.trim_start()),
        None if is_string => first,
        None => value_bytes(text),
    }
}

fn value_bytes(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(b'{' | b'[') if text.starts_with("{}") || text.starts_with("[]") => 2,
        Some(b'{' | b'[') => WIDTH_MAX,
        Some(b'"') => string_bytes(text),
        _ => literal_bytes(text),
    }
}

fn literal_bytes(text: &str) -> usize {
    text.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(text.len())
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
        check(r#"{"a":{"z":[1],"b":{}}}"#, "{\n  \"a\": {\n    \"z\": [ 1 ], \"b\": {}\n  }\n}");
        check(r#" [ {"a" :  null , "b":[]} ] "#, "[\n  {\n    \"a\": null, \"b\": []\n  }\n]");
        check(r#"{"a":{"b":1,"c":"é"}}"#, "{\n  \"a\": { \"b\": 1, \"c\": \"é\" }\n}");
        check("{broken", "{broken");
    }

    #[test]
    fn inner_values_share_lines() {
        let long = "x".repeat(90);
        check(
            &format!(r#"{{"d":{{"a":1,"b":2,"c":"{long}","o":{{"k":[1,2]}},"e":null}}}}"#),
            &format!(
                "{{\n  \"d\": {{\n    \"a\": 1, \"b\": 2,\n    \"c\": \"{long}\",\n    \"o\": {{\n      \"k\": [ 1, 2 ]\n    }},\n    \"e\": null\n  }}\n}}"
            ),
        );
    }

    #[test]
    fn colours_follow_what_a_value_is() {
        let painted = laid_out(r#"{"a":null}"#, Terminal::new(ColorChoice::Always).out);
        assert_eq!(painted, "{\n  \u{1b}[36m\"a\"\u{1b}[0m: \u{1b}[2mnull\u{1b}[0m\n}");
    }
}
