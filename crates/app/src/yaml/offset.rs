//! From a byte of a scalar's text to the byte of the file it came from, through quotes, escapes, indentation and folding.
//!
//! The text and its notation are walked side by side. Where a notation leaves several source bytes for one character (a
//! folded line break, say) the first is taken, so a place is always right to the line and nearly always to the column.

use granit_parser::ScalarStyle;

use super::node::Scalar;
use crate::source::{Source, Span};

/// The span in the file of the word that starts at `byte` of the scalar's text.
pub(super) fn locate(source: &Source, span: Span, scalar: &Scalar, byte: usize) -> Span {
    let byte = byte.min(scalar.text.len());
    let word = scalar.text.get(byte..).unwrap_or_default();
    let word_bytes: usize =
        word.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>().max(1);
    let start = source_byte(source, span, scalar, byte);
    source.fit(source.span(start, start + word_bytes))
}

fn source_byte(source: &Source, span: Span, scalar: &Scalar, byte: usize) -> usize {
    let notation = source.slice(source.fit(span));
    let mut at = body_start(scalar.style);
    for (index, character) in scalar.text.char_indices() {
        at = skip_layout(notation, at, character);
        if index >= byte {
            return span.start + at;
        }
        at += notation_bytes(notation.get(at..).unwrap_or_default(), character, scalar.style);
    }
    span.start + at.min(notation.len())
}

fn body_start(style: ScalarStyle) -> usize {
    match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        // The span of a block begins with its content, behind the `|` or `>`.
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => 0,
    }
}

/// Passes over indentation and line breaks that are no part of the text.
fn skip_layout(notation: &str, at: usize, character: char) -> usize {
    let rest = notation.get(at..).unwrap_or_default();
    if character.is_whitespace() || rest.starts_with(character) {
        return at;
    }
    at + (rest.len() - rest.trim_start().len())
}

/// How many bytes of the notation make one character of the text.
fn notation_bytes(rest: &str, character: char, style: ScalarStyle) -> usize {
    if style == ScalarStyle::SingleQuoted && rest.starts_with("''") {
        return 2;
    }
    if style == ScalarStyle::DoubleQuoted && rest.starts_with('\\') {
        return match rest.as_bytes().get(1) {
            Some(b'x') => 4,
            Some(b'u') => 6,
            Some(b'U') => 10,
            _ => 2,
        };
    }
    if rest.starts_with(character) {
        return character.len_utf8();
    }
    // A line break of the text that the span leaves out, or one character of layout that stands for another.
    rest.chars().next().filter(|first| first.is_whitespace()).map_or(0, char::len_utf8)
}
