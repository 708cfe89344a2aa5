//! Diagnostics as text with snippets (ariadne) and as JSON lines. Secrets are masked before anything is printed.

use ariadne::{CharSet, Config, IndexType, Report, ReportKind};
use serde_json::json;

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Source, Span};

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

pub(crate) fn text(source: &Source, secrets: &[Span], items: &[Diagnostic], color: Color) -> String {
    let path = source.path().display().to_string();
    let masked = mask(source, secrets);
    let rendered: Vec<String> =
        items.iter().take(SNIPPETS_MAX).map(|item| snippet(source, &path, &masked, item, color)).collect();
    let mut all = rendered.join("\n");
    let errors = items.iter().filter(|item| item.severity == Severity::Error).count();
    if items.len() > 1 {
        let warnings = items.len() - errors;
        let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let counts: Vec<String> = [(errors, "error"), (warnings, "warning")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| counted(count, word))
            .collect();
        let shown =
            if items.len() > SNIPPETS_MAX { format!("; the first {SNIPPETS_MAX} are shown") } else { String::new() };
        all.push_str(&format!("\n{} in {path}{shown}\n", counts.join(" and ")));
    }
    all
}

fn snippet(source: &Source, path: &str, masked: &str, item: &Diagnostic, color: Color) -> String {
    let at = |span: Span| (path, visible(source, masked, span).range());
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
        .map(|(span, message, color)| ariadne::Label::new(at(span)).with_message(message).with_color(color));
    let mut report = Report::build(kind, at(item.span))
        .with_code(item.code)
        .with_config(config)
        .with_message(&item.message)
        .with_labels(labels);
    if let Some(help) = &item.help {
        report.set_help(help);
    }
    let mut written = Vec::new();
    match report.finish().write((path, ariadne::Source::from(masked)), &mut written) {
        Ok(()) => {
            let text = String::from_utf8_lossy(&written);
            text.lines().map(str::trim_end).flat_map(|line| [line, "\n"]).collect()
        }
        Err(_) => plain(source, path, item),
    }
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

fn plain(source: &Source, path: &str, item: &Diagnostic) -> String {
    let place = source.place(item.span.start);
    format!("{path}:{}:{}: {}: {}\n", place.line, place.column, item.code, item.message)
}

fn mask(source: &Source, secrets: &[Span]) -> String {
    let mut text = source.text().to_owned();
    for secret in secrets {
        let span = source.fit(*secret);
        // As many bytes as before, so that every place behind it stays where it is.
        let stars: String = source.slice(span).bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
        if text.get(span.range()).is_some_and(|covered| covered.len() == stars.len()) {
            text.replace_range(span.range(), &stars);
        }
    }
    text
}

pub(crate) fn json_lines(source: &Source, items: &[Diagnostic]) -> String {
    let line = |item: &Diagnostic| {
        let (start, end) = (source.place(item.span.start), source.place(item.span.end));
        json!({
            "code": item.code,
            "severity": match item.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": item.message,
            "note": item.note,
            "file": source.path().display().to_string(),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "help": item.help,
        })
    };
    items.iter().map(|item| format!("{}\n", line(item))).collect()
}
