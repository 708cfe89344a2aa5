//! What to do about text that is no YAML, by the parser's reason.

use granit_parser::{ErrorKind, ScanError};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};

pub(super) fn diagnostic(source: &Source, error: &ScanError) -> Diagnostic {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return Diagnostic::error(codes::TOO_LARGE, place(source, error), "the file is nested too deep")
            .note("no deeper than this")
            .help("an app file needs no more than eight levels; look for brackets that are not closed");
    }
    Diagnostic::error(codes::SYNTAX, place(source, error), format!("the file is no valid YAML: {}", error.kind()))
        .note("the parser stopped here")
        .help(help(source, error))
}

fn place(source: &Source, error: &ScanError) -> Span {
    let byte = error.marker().byte_offset().unwrap_or_else(|| {
        source.text().char_indices().nth(error.marker().index()).map_or(source.text().len(), |(byte, _)| byte)
    });
    // The parser notices a tab when it has read what is before it.
    let tab = error.kind().to_string().contains("tab").then(|| source.text().get(byte..)?.find('\t')).flatten();
    let byte = byte + tab.unwrap_or(0);
    // At the end of the file there is nothing to see; the last line that says something is what is unfinished.
    let byte = if source.text().get(byte..).is_some_and(|rest| rest.trim().is_empty()) {
        source.text().trim_end().char_indices().next_back().map_or(0, |(last, _)| last)
    } else {
        byte
    };
    source.fit(source.span(byte, byte + 1))
}

fn help(source: &Source, error: &ScanError) -> &'static str {
    let line = source.text().lines().nth(error.marker().line().saturating_sub(1)).unwrap_or_default();
    match error.kind() {
        ErrorKind::TabInIndentation
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar => "indent with spaces; YAML does not take tabs",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => "close the quote",
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "close every `{` and `[`, and put commas between the entries",
        ErrorKind::MappingValueNotAllowed if line.matches(": ").count() > 1 => {
            "put the text behind the first `: ` in quotes, for example 'data.a ? \"x: y\" : null'"
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "an expression that begins with a quote has to be put in quotes as a whole: '\"a\" == data.x'"
        }
        ErrorKind::UnexpectedCharacter { .. } => "put a text that begins with such a character in quotes",
        ErrorKind::UnknownQuotedScalarEscape => "use single quotes, in which `\\` is an ordinary character",
        _ => {
            "check the indentation and the colons here and on the line before; fields of one mapping start in the same column"
        }
    }
}
