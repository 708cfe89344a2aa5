//! Single values: texts with what `${...}` stands for, and what is parsed from them. A value that came from outside the file
//! is never quoted in a message.

use std::time::Duration;

use riverrun_event::NameError;

use super::At;
use super::reader::Reader;
use super::{substitution, unit};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::yaml::{Node, Value};

/// A text as it counts, and as the file writes it.
pub(super) struct Text {
    pub(super) value: String,
    /// As written, for messages.
    pub(super) written: String,
    /// Whether something of it came from outside the file.
    pub(super) from_outside: bool,
}

/// Most characters of a value that are quoted in a message.
const QUOTED_CHARACTERS_MAX: usize = 60;

pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_CHARACTERS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", short.replace(['\n', '\r'], " "))
}

impl Reader<'_> {
    /// A text with `${...}` filled in.
    pub(super) fn text(&mut self, node: &Node, expected: &str) -> Option<Text> {
        let Value::Scalar(scalar) = &node.value else {
            self.wrong_kind(node, expected);
            return None;
        };
        match substitution::fill(&scalar.text, self.environment) {
            Ok(filled) => {
                Some(Text { value: filled.text, written: scalar.text.clone(), from_outside: filled.from_outside })
            }
            Err(refused) => {
                let place = node.inside(self.sources.of(node.span), refused.offset);
                self.report(
                    Diagnostic::error(codes::SUBSTITUTION, place, refused.message)
                        .note("needed here")
                        .help(refused.help),
                );
                None
            }
        }
    }

    /// A text that `parse` understands; its error says why not.
    pub(crate) fn parsed<T>(
        &mut self,
        node: &Node,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(node, expected)?;
        parse(&text.value).map_err(|reason| self.refuse(node.span, &text, expected, &reason)).ok()
    }

    fn refuse(&mut self, span: Span, text: &Text, expected: &str, reason: &str) {
        let message = format!("{} is not {expected}", quote(&text.written));
        let reason = if text.from_outside { "its value from outside the file does not fit" } else { reason };
        self.report(Diagnostic::error(codes::VALUE, span, message).note(reason).help(format!("write {expected}")));
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&mut self, node: &Node, least: u64, most: u64) -> Option<u64> {
        let expected = format!("a whole number from {least} to {most}");
        self.parsed(node, &expected, |text| {
            let number: u64 = text.trim().parse().map_err(|_| "not a whole number".to_owned())?;
            within(number, least, most)
        })
    }

    /// A duration from `least` to `most`; `expected` says so.
    pub(super) fn duration_within(
        &mut self,
        node: &Node,
        expected: &str,
        least: Duration,
        most: Duration,
    ) -> Option<Duration> {
        self.parsed(node, expected, |text| within(unit::duration(text)?, least, most))
    }

    /// A name that stands as a value.
    pub(crate) fn name<N>(
        &mut self,
        node: &Node,
        what: &str,
        make: impl FnOnce(&str) -> Result<N, NameError>,
    ) -> Option<At<N>> {
        let text = self.text(node, &format!("the name of {what}"))?;
        match make(&text.value) {
            Ok(value) => Some(At { value, span: node.span }),
            Err(_) if text.from_outside => {
                let message = format!("{} does not give the name of {what}", quote(&text.written));
                self.report(
                    Diagnostic::error(codes::NAME, node.span, message).note("from outside the file").help(NAMES),
                );
                None
            }
            Err(error) => {
                self.bad_name(node.span, &text.value, what, &error);
                None
            }
        }
    }

    /// A name that stands in front of a colon; nothing is filled in there.
    pub(crate) fn key_name<N>(
        &mut self,
        name: &str,
        span: Span,
        what: &str,
        make: impl FnOnce(&str) -> Result<N, NameError>,
    ) -> Option<At<N>> {
        match make(name) {
            Ok(value) => Some(At { value, span }),
            Err(error) => {
                self.bad_name(span, name, what, &error);
                None
            }
        }
    }

    fn bad_name(&mut self, span: Span, name: &str, what: &str, error: &NameError) {
        let message = format!("{} cannot be the name of {what}", quote(name));
        self.report(Diagnostic::error(codes::NAME, span, message).note(error.to_string()).help(NAMES));
    }
}

const NAMES: &str = "names have 1 to 200 characters of a-z, 0-9, `.`, `_` and `-`, and begin with neither `.` nor `_`";

/// A value that lies between these two or is one of them.
pub(super) fn within<T: PartialOrd>(value: T, least: T, most: T) -> Result<T, String> {
    if (least..=most).contains(&value) { Ok(value) } else { Err("out of range".to_owned()) }
}
