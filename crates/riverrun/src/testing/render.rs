//! Reports as text and as JSON lines.

use std::fmt::Write;

use riverrun_app::Color;
use serde_json::{Value, json};

use super::difference::Difference;
use super::file::{Report, TestOutcome, TestResult};
use super::finding::Finding;

/// More differences of one event than this nobody reads at once.
const DIFFERENCES_MAX: usize = 20;
/// Longer values are cut: the event itself is shown below them.
const VALUE_CHARACTERS_MAX: usize = 400;

/// The colours of a terminal, by meaning.
#[derive(Clone, Copy)]
enum Ink {
    Good,
    Bad,
    Notice,
    Faint,
    Strong,
}

pub(super) fn text(report: &Report, color: Color) -> String {
    let mut text = format!("{}\n", paint(color, Ink::Strong, &report.source.path().display().to_string()));
    for result in &report.results {
        let (word, ink) = match result.outcome {
            TestOutcome::Passed => ("ok     ", Ink::Good),
            TestOutcome::Failed(_) => ("FAILED ", Ink::Bad),
            TestOutcome::NotRun { .. } => ("not run", Ink::Notice),
        };
        let time = format!("{:.1} ms", milliseconds(result));
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "  {}  {}  {}", paint(color, ink, word), result.name, paint(color, Ink::Faint, &time));
        match &result.outcome {
            TestOutcome::Passed => {}
            TestOutcome::NotRun { lacks } => {
                let _ = writeln!(
                    text,
                    "           its events reach what is not compiled into this program: {}\n           \
                     (RR0016) run the file from a test of the program that has it: riverrun::testing::run_file",
                    lacks.join(", ")
                );
            }
            TestOutcome::Failed(findings) => findings.iter().for_each(|found| finding(report, found, color, &mut text)),
        }
    }
    text
}

fn finding(report: &Report, found: &Finding, color: Color, text: &mut String) {
    let place = format!("{}:{}", report.source.path().display(), found.place);
    let _ = writeln!(text, "\n    {} {}", paint(color, Ink::Strong, &format!("{place}:")), found.message);
    for difference in found.differences.iter().take(DIFFERENCES_MAX) {
        let line = |sign: &str, value: &Option<Value>| match value {
            Some(value) => format!("{sign} {}: {}", difference.path, cut(&value.to_string())),
            None => format!("{sign} {} is not there", difference.path),
        };
        let _ = writeln!(text, "      {}", paint(color, Ink::Bad, &line("-", &difference.expected)));
        let _ = writeln!(text, "      {}", paint(color, Ink::Good, &line("+", &difference.actual)));
    }
    if found.differences.len() > DIFFERENCES_MAX {
        let _ = writeln!(text, "      and {} more", found.differences.len() - DIFFERENCES_MAX);
    }
    if !found.differences.is_empty() {
        let _ = writeln!(text, "      {}", paint(color, Ink::Faint, "(- expected, + came out)"));
    }
    if let Some(event) = &found.event {
        let _ = writeln!(text, "      {} {event}", paint(color, Ink::Faint, "event:"));
    }
    if let Some(row) = &found.row {
        let _ = writeln!(text, "      {} {row}", paint(color, Ink::Faint, "row:"));
    }
    if let Some(cause) = &found.cause {
        let _ = writeln!(text, "      {} {cause}", paint(color, Ink::Faint, "cause:"));
    }
    text.push('\n');
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

fn paint(color: Color, ink: Ink, text: &str) -> String {
    let code = match ink {
        Ink::Good => "32",
        Ink::Bad => "31",
        Ink::Notice => "33",
        Ink::Faint => "2",
        Ink::Strong => "1",
    };
    match color {
        Color::Never => text.to_owned(),
        Color::Always => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
    }
}

fn milliseconds(result: &TestResult) -> f64 {
    result.elapsed.as_secs_f64() * 1_000.0
}

pub(super) fn json_lines(report: &Report) -> String {
    let file = report.source.path().display().to_string();
    let line = |result: &TestResult| {
        let mut line = json!({
            "file": file,
            "line": result.place.line,
            "test": result.name,
            "outcome": match result.outcome {
                TestOutcome::Passed => "passed",
                TestOutcome::Failed(_) => "failed",
                TestOutcome::NotRun { .. } => "not_run",
            },
            "milliseconds": milliseconds(result),
        });
        match &result.outcome {
            TestOutcome::Passed => {}
            TestOutcome::Failed(findings) => {
                set(&mut line, "findings", Some(findings.iter().map(finding_json).collect()));
            }
            TestOutcome::NotRun { lacks } => set(&mut line, "lacks", Some(json!(lacks))),
        }
        line
    };
    report.results.iter().map(|result| format!("{}\n", line(result))).collect()
}

fn finding_json(found: &Finding) -> Value {
    let mut line = json!({ "line": found.place.line, "column": found.place.column, "message": found.message });
    if !found.differences.is_empty() {
        set(&mut line, "differences", Some(found.differences.iter().map(difference_json).collect()));
    }
    set(&mut line, "event", found.event.as_deref().and_then(|event| serde_json::from_str(event).ok()));
    set(&mut line, "row", found.row.as_deref().and_then(|row| serde_json::from_str(row).ok()));
    set(&mut line, "cause", found.cause.as_deref().map(Value::from));
    line
}

fn difference_json(difference: &Difference) -> Value {
    let mut line = json!({ "path": difference.path });
    set(&mut line, "expected", difference.expected.clone());
    set(&mut line, "actual", difference.actual.clone());
    line
}

/// What is not there has no member.
fn set(line: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(object), Some(value)) = (line.as_object_mut(), value) {
        object.insert(name.to_owned(), value);
    }
}
