//! The texts of an app's files and places in them. A [`Span`] is in bytes; people get a [`Place`], lines and columns from 1.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file's path and text. `Debug` shows the path only: the text may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number among the files of its app.
    file: u16,
    path: Arc<Path>,
    text: Arc<str>,
}

/// The files of an app: the app file first, then what it includes, then the file of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    first: Source,
    others: Vec<Source>,
}

/// A piece of a text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which of an app's files.
    file: u16,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

/// A place as editors count: line and column (in characters) from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Source {
    /// A file with its text: the app file, unless it is added to others.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: &str) -> Self {
        Self { file: 0, path: path.into().into(), text: text.into() }
    }

    /// The bytes from `start` up to `end` of this file.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, ..Span::new(start, end) }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty where the span is none of this text.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The line and column of a byte.
    #[must_use]
    pub fn place(&self, byte: usize) -> Place {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }

    /// The span brought onto character boundaries within the text.
    pub(crate) fn fit(&self, span: Span) -> Span {
        let start = self.text.floor_char_boundary(span.start);
        self.span(start, self.text.ceil_char_boundary(span.end).max(start))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sources {
    pub(crate) fn new(first: Source) -> Self {
        Self { first, others: Vec::new() }
    }

    /// Adds a file; as it is returned, its places are told from those of the others.
    pub(crate) fn add(&mut self, source: Source) -> Source {
        let file = u16::try_from(self.others.len() + 1).unwrap_or(u16::MAX);
        let source = Source { file, ..source };
        self.others.push(source.clone());
        source
    }

    /// The app file.
    #[must_use]
    pub fn first(&self) -> &Source {
        &self.first
    }

    /// The file a place is in.
    #[must_use]
    pub fn of(&self, span: Span) -> &Source {
        self.others.iter().find(|source| source.file == span.file).unwrap_or(&self.first)
    }

    /// Each file.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Span {
    /// The bytes from `start` up to `end` of the app file.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { file: 0, start, end: end.max(start) }
    }

    /// Where it begins, to sort by.
    pub(crate) fn start_of_file(self) -> (u16, usize) {
        (self.file, self.start)
    }

    /// From the start of this span to the end of another.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { end: other.end.max(self.start), ..self }
    }

    /// Whether the other span lies within this one.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }

    /// As a range.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_1() {
        let source = Source::new("x", "a\nbü c\n");
        assert_eq!(source.place(0), Place { line: 1, column: 1 });
        assert_eq!(source.place(6), Place { line: 2, column: 4 });
        assert_eq!(source.place(8), Place { line: 3, column: 1 });
        assert_eq!(source.place(99), Place { line: 3, column: 1 });
    }
}
