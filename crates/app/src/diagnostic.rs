//! A mistake or a doubt about an app file: what, where, what was expected and how to mend it; and the collection of all of them.

use std::fmt;

use crate::render::{self, Color};
use crate::source::{Source, Sources, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The app cannot run like this.
    Error,
    /// The app runs, but likely not as meant.
    Warning,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code with a page in docs/errors, for example `RR0003`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What is wrong at the place itself, shown under the snippet.
    pub note: String,
    /// Other places that matter.
    pub labels: Vec<Label>,
    /// How to mend it.
    pub help: Option<String>,
}

/// A further place of a [`Diagnostic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub message: String,
}

impl Diagnostic {
    /// Something that keeps the app from running.
    #[must_use]
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, severity: Severity::Error, message, span, note: "here".to_owned(), labels: Vec::new(), help: None }
    }

    /// Something that is likely not meant.
    #[must_use]
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Says what is wrong at the place itself.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Points at a further place.
    #[must_use]
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// All that was found about an app's files, file by file and in the order of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    sources: Sources,
    secrets: Vec<Span>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Collects what was found about `source`. What lies in `secrets` is never printed.
    #[must_use]
    pub fn new(source: Source, secrets: Vec<Span>, items: Vec<Diagnostic>) -> Self {
        Self::over(Sources::new(source), secrets, items)
    }

    /// Collects what was found about several files of an app.
    pub(crate) fn over(sources: Sources, secrets: Vec<Span>, mut items: Vec<Diagnostic>) -> Self {
        items.sort_by_key(|item| (item.span.start_of_file(), item.severity));
        let mut seen = std::collections::HashSet::new();
        // An aliased node is read once per alias, and its mistakes are found each time.
        items.retain(|item| seen.insert((item.code, item.span, item.message.clone())));
        Self { sources, secrets, items }
    }

    /// Each of them, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether one of them keeps the app from running.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// The same as doubts, for whoever only looks at the file and does not run it.
    #[must_use]
    pub fn into_warnings(mut self) -> Self {
        self.items.iter_mut().for_each(|item| item.severity = Severity::Warning);
        self
    }

    /// The app file.
    #[must_use]
    pub fn source(&self) -> &Source {
        self.sources.first()
    }

    /// All files they are about.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn secrets(&self) -> &[Span] {
        &self.secrets
    }

    /// For people: each with its snippet.
    #[must_use]
    pub fn render(&self, color: Color) -> String {
        render::text(&self.sources, &self.secrets, &self.items, color)
    }

    /// For programs: a JSON object per line with code, severity, message, note, file, line, column, end, help and further places.
    #[must_use]
    pub fn json_lines(&self) -> String {
        render::json_lines(&self.sources, &self.items)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(Color::Never))
    }
}
