//! What a field of the app file takes, so that one table serves the reader's messages, the reference and the JSON Schema.

use std::borrow::Cow;

use crate::fields::Section;

/// What a field takes.
pub(crate) enum Takes {
    /// A name; the word says of what: "topic".
    Name(&'static str),
    /// Any text; the words say what it is.
    Text(&'static str),
    /// CEL over the event.
    Expression,
    /// A place in the data.
    Field,
    /// A duration; the words bound it further, or are empty.
    Duration(&'static str),
    /// A size in bytes.
    Size,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of them, or a list.
    OneOrMany(&'static Takes),
    /// A list of mappings; the word says of what.
    List(&'static str, &'static Section),
    /// A mapping.
    Mapping(&'static Section),
    /// A mapping from names the user chooses to mappings: "name" to "topic".
    Named(&'static str, &'static str, &'static Section),
    /// A mapping from the first to the second.
    Pairs(&'static Takes, &'static Takes),
    /// The first, or the second.
    Either(&'static Takes, &'static Takes),
}

impl Takes {
    /// For people, in a cell of the reference.
    pub(crate) fn words(&self) -> Cow<'static, str> {
        match self {
            Self::Name(word) | Self::Text(word) => Cow::from(*word),
            Self::Expression => "expression".into(),
            Self::Field => "field".into(),
            Self::Duration("") => "duration".into(),
            Self::Duration(bound) => format!("duration, {bound}").into(),
            Self::Size => "size".into(),
            Self::Number(least, most) => format!("number, {least} to {most}").into(),
            Self::Choice(words) => choice(words).into(),
            Self::OneOrMany(one) => format!("{}, or list of them", one.words()).into(),
            Self::List(word, _) => format!("list of {word}").into(),
            Self::Mapping(_) => "mapping".into(),
            Self::Named(name, word, _) => format!("mapping of {name} to {word}").into(),
            Self::Pairs(key, value) => format!("mapping of {} to {}", key.words(), value.words()).into(),
            Self::Either(one, other) => format!("{}, or {}", one.words(), other.words()).into(),
        }
    }
}

fn choice(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
