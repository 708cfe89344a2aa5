//! From source to CEL's syntax tree, with messages for people.
//!
//! The cel crate parses. Its macros are left unexpanded: expanding them would hide what was written from messages.

use std::sync::LazyLock;

use cel::{Env, IdedExpr, ParseError};
use riverrun_event::limits::EXPRESSION_BYTES_MAX;

use super::ExpressionError;

/// Most operators in one expression; the parser recurses once for each.
const OPERATORS_MAX: usize = 1_000;

/// An environment without macros, for parsing only.
static PARSING: LazyLock<Env> = LazyLock::new(|| Env::default().with_optional_support(false));

/// A parsed expression and where its nodes are.
pub(super) struct Syntax {
    pub(super) root: IdedExpr,
    source: String,
    /// Where each node is, in bytes, by id; ids count up from 1 without gaps.
    offsets: Vec<u32>,
}

impl Syntax {
    pub(super) fn parse(source: &str) -> Result<Self, ExpressionError> {
        let refused = |message: String| ExpressionError { message, offset: 0 };
        if source.len() > EXPRESSION_BYTES_MAX {
            return Err(refused(format!(
                "the expression has {} bytes; at most {EXPRESSION_BYTES_MAX} are read",
                source.len()
            )));
        }
        if source.trim().is_empty() {
            return Err(refused("the expression is empty; write one such as data.amount > 100".to_owned()));
        }
        if source.bytes().filter(|byte| b"+-*/%.[(!?<=>&|{".contains(byte)).count() > OPERATORS_MAX {
            return Err(refused(format!(
                "the expression has more than {OPERATORS_MAX} operators; split it into several steps"
            )));
        }
        let program = PARSING.compile(source).map_err(|errors| explain(source, &errors.errors))?;
        let root = program.expression().clone();
        let offsets = (1..).map_while(|id| program.source_info().offset_for(id)).map(|(start, _)| start).collect();
        Ok(Self { root, source: source.to_owned(), offsets })
    }

    /// An error at a node.
    pub(super) fn error(&self, node: &IdedExpr, message: String) -> ExpressionError {
        let index = usize::try_from(node.id).unwrap_or(0).saturating_sub(1);
        let offset = self.offsets.get(index).map_or(0, |offset| *offset as usize);
        let before = self.source.get(..offset).unwrap_or_default();
        let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
        // The parser places a call at its bracket; the mistake is in the name before it.
        let is_call = self.source.as_bytes().get(offset) == Some(&b'(');
        ExpressionError { message, offset: if is_call { name.len() } else { offset } }
    }
}

fn byte_of_character(source: &str, character: usize) -> usize {
    source.char_indices().nth(character).map_or(source.len(), |(byte, _)| byte)
}

/// One message for the first thing that is wrong; what follows it is mostly its consequence.
fn explain(source: &str, errors: &[ParseError]) -> ExpressionError {
    let unusable = |error: &&ParseError| error.msg.contains("Incomplete") || error.msg.starts_with("No `");
    let first = errors.iter().find(|error| !unusable(error)).or_else(|| errors.first());
    let Some(first) = first else {
        return ExpressionError { message: "the expression cannot be read".to_owned(), offset: 0 };
    };
    if first.msg.contains("Recursion limit") {
        return ExpressionError {
            message: "the expression is nested too deeply; split it into several steps".into(),
            offset: 0,
        };
    }
    let offset = offset_of(source, first.pos);
    ExpressionError { message: message_of(&first.msg, source, offset), offset }
}

/// Byte offset of a (line, column), both from 1, columns in characters.
fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = source.get(start..).unwrap_or_default();
    (start + byte_of_character(rest, column)).min(source.len())
}

fn message_of(parser_message: &str, source: &str, offset: usize) -> String {
    let rest = source.get(offset..).unwrap_or_default();
    if parser_message.contains("missing ')'") {
        return "a closing ')' is missing".to_owned();
    }
    if parser_message.contains("missing ']'") {
        return "a closing ']' is missing".to_owned();
    }
    if rest.is_empty() || parser_message.contains("input '<EOF>'") {
        return "the expression ends too early; a value, a name or a closing bracket is missing".to_owned();
    }
    if parser_message.contains("invalid int literal") || parser_message.contains("invalid uint literal") {
        return "the integer is larger than 64 bits; write it as text, or with a decimal point".to_owned();
    }
    if let Some(word) = parser_message.split("reserved identifier: ").nth(1) {
        return format!("`{word}` is a reserved word; write data[\"{word}\"] for a field of that name");
    }
    let word = word_at(rest);
    let hint = match rest.as_bytes() {
        [b'=', ..] => "; compare with ==",
        [b'&', ..] => "; write && for and",
        [b'|', ..] => "; write || for or",
        [b'\'' | b'"', ..] => "; is the text closed, and is every backslash in it doubled?",
        [b'.', ..] | [b'`', ..] => "; write data[\"...\"] for a field whose name is no plain word",
        [b'?', ..] => "; optional syntax is not supported, and a missing field reads as null anyway",
        _ => "",
    };
    if parser_message.contains("token recognition") {
        return format!("`{word}` does not belong in an expression{hint}");
    }
    format!("`{word}` is not expected here{hint}")
}

/// The word, or else the character, that `rest` begins with.
fn word_at(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let end = if end == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { end };
    rest.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_where_they_are() {
        for (source, offset, message) in [
            ("data.x +", 8, "the expression ends too early; a value, a name or a closing bracket is missing"),
            ("data.é == 1", 5, "`é` does not belong in an expression"),
            ("a = b", 2, "`=` does not belong in an expression; compare with =="),
            ("'é' & b", 5, "`&` does not belong in an expression; write && for and"),
            (
                "'abc",
                0,
                "`'` does not belong in an expression; is the text closed, and is every backslash in it doubled?",
            ),
            ("a b", 2, "`b` is not expected here"),
            ("(a", 2, "a closing ')' is missing"),
            ("[1,", 3, "a closing ']' is missing"),
            ("x ? y", 5, "the expression ends too early; a value, a name or a closing bracket is missing"),
            ("x &&\n  y =", 9, "`=` does not belong in an expression; compare with =="),
            ("", 0, "the expression is empty; write one such as data.amount > 100"),
            (
                "99999999999999999999",
                0,
                "the integer is larger than 64 bits; write it as text, or with a decimal point",
            ),
        ] {
            let error = Syntax::parse(source).err().unwrap();
            assert_eq!((error.message.as_str(), error.offset), (message, offset), "{source}");
        }
        for deep in ["(".repeat(200) + "1" + &")".repeat(200), vec!["1"; 2_000].join("+"), "x".repeat(70_000)] {
            assert!(Syntax::parse(&deep).is_err());
        }
    }
}
