//! The tree: nodes, mapping entries and scalars, each with its span.

use super::offset;
use crate::source::{Source, Span};

/// A value and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing: `~`, `null` or no text at all.
    Null,
    /// Text; numbers and truth values are text until somebody asks for them.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// Fields in order.
    Mapping(Vec<Entry>),
    /// Something that was already reported; readers pass over it in silence.
    Broken,
}

/// A text as it is meant, after quotes, escapes and folding.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: granit_parser::ScalarStyle,
}

impl Scalar {
    /// Whether it is written without quotes and blocks, so that YAML may take it for a number or a truth value.
    pub(crate) fn is_plain(&self) -> bool {
        self.style == granit_parser::ScalarStyle::Plain
    }
}

/// One field of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) node: Node,
}

impl Node {
    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null | Value::Broken => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }

    /// The items of a list, or the node itself: where one or several are taken.
    pub(crate) fn one_or_many(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The fields of a mapping; none for everything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The fields of a mapping, taken out of it; none for everything else.
    pub(crate) fn into_entries(self) -> Vec<Entry> {
        match self.value {
            Value::Mapping(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// The place in the file of a byte of a scalar's text, with the word that starts there.
    pub(crate) fn inside(&self, source: &Source, byte: usize) -> Span {
        match &self.value {
            Value::Scalar(scalar) => offset::locate(source, self.span, scalar, byte),
            _ => self.span,
        }
    }
}
