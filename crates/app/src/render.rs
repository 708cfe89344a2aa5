//! Diagnostics as text with snippets (ariadne) and as JSON lines. Secrets are masked before anything is printed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use ariadne::{CharSet, Config, IndexType, Report, ReportKind};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Source, Sources, Span};

/// Whether text is printed in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// With terminal colours.
    Always,
}

/// More snippets than this nobody reads at once; the count below them is still of all.
const SNIPPETS_MAX: usize = 200;

pub(crate) fn text(sources: &Sources, secrets: &[Span], items: &[Diagnostic], color: Color) -> String {
    let files = Files::new(sources, secrets);
    let rendered: Vec<String> = items.iter().take(SNIPPETS_MAX).map(|item| files.snippet(item, color)).collect();
    let mut all = rendered.join("\n");
    if items.len() > 1 {
        let shown =
            if items.len() > SNIPPETS_MAX { format!("; the first {SNIPPETS_MAX} are shown") } else { String::new() };
        all.push_str(&format!("\n{} in {}{shown}\n", counts(items), places(sources, items)));
    }
    all
}

/// `2 errors and 1 warning`.
fn counts(items: &[Diagnostic]) -> String {
    let errors = items.iter().filter(|item| item.severity == Severity::Error).count();
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let counts: Vec<String> = [(errors, "error"), (items.len() - errors, "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| counted(count, word))
        .collect();
    counts.join(" and ")
}

/// The file all of them are in, or how many files they are in.
fn places(sources: &Sources, items: &[Diagnostic]) -> String {
    let paths: BTreeSet<&Path> = items.iter().map(|item| sources.of(item.span).path()).collect();
    match paths.first() {
        Some(path) if paths.len() == 1 => path.display().to_string(),
        _ => format!("{} files", paths.len()),
    }
}

/// The files as they may be shown.
struct Files<'s> {
    sources: &'s Sources,
    /// The name and the text of each, with the secrets in it masked.
    masked: Vec<(String, String)>,
}

impl<'s> Files<'s> {
    fn new(sources: &'s Sources, secrets: &[Span]) -> Self {
        let masked = sources.iter().map(|source| (name(source), mask(source, sources, secrets))).collect();
        Self { sources, masked }
    }

    /// What of a place is shown, in the file that is named.
    fn at(&self, span: Span) -> (String, Range<usize>) {
        let source = self.sources.of(span);
        let name = name(source);
        let masked = self.masked.iter().find(|(file, _)| *file == name).map_or("", |(_, masked)| masked);
        (name, visible(source, masked, span).range())
    }

    fn snippet(&self, item: &Diagnostic, color: Color) -> String {
        let (kind, tint) = match item.severity {
            Severity::Error => (ReportKind::Error, ariadne::Color::Red),
            Severity::Warning => (ReportKind::Warning, ariadne::Color::Yellow),
        };
        let config = Config::default()
            .with_color(color == Color::Always)
            .with_index_type(IndexType::Byte)
            .with_char_set(CharSet::Unicode)
            .with_tab_width(2);
        let further = item.labels.iter().map(|label| (label.span, &label.message, ariadne::Color::Cyan));
        let mut labels: Vec<_> = further.chain([(item.span, &item.note, tint)]).collect();
        // ariadne starts a new snippet whenever a label lies before the last one.
        labels.sort_by_key(|(span, ..)| *span);
        let labels = labels
            .into_iter()
            .map(|(span, message, color)| ariadne::Label::new(self.at(span)).with_message(message).with_color(color));
        let mut report = Report::build(kind, self.at(item.span))
            .with_code(item.code)
            .with_config(config)
            .with_message(&item.message)
            .with_labels(labels);
        if let Some(help) = &item.help {
            report.set_help(help);
        }
        let mut written = Vec::new();
        match report.finish().write(ariadne::sources(self.masked.clone()), &mut written) {
            Ok(()) => {
                let text = String::from_utf8_lossy(&written);
                text.lines().map(str::trim_end).flat_map(|line| [line, "\n"]).collect()
            }
            Err(_) => plain(self.sources.of(item.span), item),
        }
    }
}

fn name(source: &Source) -> String {
    source.path().display().to_string()
}

/// What a label covers: one line at most, so that a mapping does not frame half the file.
fn visible(source: &Source, masked: &str, span: Span) -> Span {
    let span = source.fit(span);
    let covered = masked.get(span.range()).unwrap_or_default();
    let first_line = covered.split(['\n', '\r']).next().unwrap_or_default().trim_end();
    let end = span.start + first_line.len();
    // A place at the end of a line or of the text has no character of its own; ariadne needs one where there is one.
    Span::new(span.start.min(masked.len()), end.max(masked.ceil_char_boundary(span.start + 1)).min(masked.len()))
}

fn plain(source: &Source, item: &Diagnostic) -> String {
    let place = source.place(item.span.start);
    let path = name(source);
    format!("{path}:{}:{}: {}: {}\n", place.line, place.column, item.code, item.message)
}

fn mask(source: &Source, sources: &Sources, secrets: &[Span]) -> String {
    let mut text = source.text().to_owned();
    for secret in secrets.iter().filter(|secret| sources.of(**secret) == source) {
        let span = source.fit(*secret);
        // As many bytes as before, so that every place behind it stays where it is.
        let stars: String = source.slice(span).bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
        if text.get(span.range()).is_some_and(|covered| covered.len() == stars.len()) {
            text.replace_range(span.range(), &stars);
        }
    }
    text
}

pub(crate) fn json_lines(sources: &Sources, items: &[Diagnostic]) -> String {
    items.iter().map(|item| format!("{}\n", json(sources, item))).collect()
}

fn json(sources: &Sources, item: &Diagnostic) -> Value {
    let mut found = json!({
        "code": item.code,
        "severity": match item.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": item.message,
        "note": item.note,
        "help": item.help,
    });
    let labels = item.labels.iter().map(|label| {
        let mut place = json!({ "message": label.message });
        put_place(&mut place, sources, label.span);
        place
    });
    if let (false, Some(found)) = (item.labels.is_empty(), found.as_object_mut()) {
        found.insert("labels".to_owned(), labels.collect());
    }
    put_place(&mut found, sources, item.span);
    found
}

fn put_place(into: &mut Value, sources: &Sources, span: Span) {
    let source = sources.of(span);
    let (start, end) = (source.place(span.start), source.place(span.end));
    into["file"] = name(source).into();
    for (field, number) in
        [("line", start.line), ("column", start.column), ("end_line", end.line), ("end_column", end.column)]
    {
        into[field] = number.into();
    }
}
