//! bench/RESULTS.md: the machine, the date, the command, and a table of ratios.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use super::Plan;
use super::rounds::Row;
use super::start::Start;
use super::state::State;
use crate::{Failure, tree};

const PATH: &str = "bench/RESULTS.md";

/// The report as Markdown.
pub(crate) fn render(plan: &Plan, rows: &[Row], peers: &[Row], starts: &[Start], state: Option<&State>) -> String {
    let mut text = String::from("# Results\n\n");
    let _ = writeln!(
        text,
        "{} [How it is measured](README.md).\n\n\
         *Of bare* is the product's rate divided by the bare program's: 1.00 would be free.",
        circumstances(plan)
    );
    render_table(&mut text, "what | of bare", "bare", rows);
    render_table(&mut text, "what | of NATS JetStream", "NATS", peers);
    if !starts.is_empty() {
        text.push_str("\n| start to first event | ms | bare, nothing to recover |\n|---|--:|--:|\n");
        for start in starts {
            let _ = writeln!(text, "| {} | {:.0} | {:.0} |", start.what, start.product_ms, start.bare_ms);
        }
    }
    if let Some(state) = state {
        let _ = writeln!(
            text,
            "\n| state of {} keys | peak MB | cache of the store, MB | ms from kill -9 to the first event processed |\n\
             |---|--:|--:|--:|\n| counted per key, with a view | {:.0} | {:.0} | {:.0} |",
            state.keys, state.peak_memory_mb, state.cache_mb, state.processing_again_ms
        );
    }
    text
}

/// The command, the day, the machine and how often everything ran.
pub(crate) fn circumstances(plan: &Plan) -> String {
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    format!("`{}`, {}, {cores} cores ({}), medians of {} rounds.", plan.command(), date(), processor(), plan.rounds())
}

/// The report as it lies there.
///
/// # Errors
/// It cannot be read.
pub(crate) fn written() -> Result<String, Failure> {
    fs::read_to_string(tree::root().join(PATH)).map_err(|error| format!("{PATH}: {error}").into())
}

/// Writes the report.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    fs::write(tree::root().join(PATH), text).map_err(|error| format!("{PATH}: {error}"))?;
    println!("written to {PATH}");
    Ok(())
}

/// Writes a section in the place of the one before, or behind all others.
///
/// # Errors
/// The report cannot be read or written.
pub(crate) fn write_section(title: &str, text: &str) -> Result<(), Failure> {
    let written = written()?;
    let before = section(&written, title);
    write(&if before.is_empty() { written + text } else { written.replace(&before, text) })
}

/// A section of a report with the empty line before it, up to the next one; nothing where there is none.
pub(crate) fn section(report: &str, title: &str) -> String {
    let Some(start) = report.find(&format!("\n## {title}\n")) else { return String::new() };
    let (_, text) = report.split_at(start);
    let end = text.get(1..).and_then(|rest| rest.find("\n## ")).map_or(text.len(), |end| end + 1);
    text.get(..end).unwrap_or(text).to_owned()
}

/// A table of rows, if there are any; `other` is the side the product is compared with.
fn render_table(text: &mut String, title: &str, other: &str, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n| {title} | events/s | {other} | CPU s per million | {other} | peak MB | {other} | p99 ms | {other} |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    rows.iter().for_each(|row| render_row(text, row));
}

fn render_row(text: &mut String, row: &Row) {
    let Row { what, product, bare } = row;
    let optional = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.1}"));
    let _ = writeln!(
        text,
        "| {what} | **{:.2}** | {} | {} | {:.2} | {:.2} | {:.0} | {:.0} | {} | {} |",
        product.events_per_second / bare.events_per_second,
        thousands(product.events_per_second),
        thousands(bare.events_per_second),
        product.cpu_seconds_per_million,
        bare.cpu_seconds_per_million,
        product.peak_memory_mb,
        bare.peak_memory_mb,
        optional(product.p99_ms),
        optional(bare.p99_ms),
    );
}

/// A rate with a comma at each thousand.
pub(crate) fn thousands(rate: f64) -> String {
    let digits = format!("{rate:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Today, UTC; the system's own `date` knows the calendar.
fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map_or_else(|_| "undated".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What the machine calls its processor.
fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Figures;

    #[test]
    fn a_row_shows_the_ratio_first() {
        let figures = |rate| Figures { events_per_second: rate, p99_ms: Some(1.25), ..Figures::default() };
        let row = Row { what: "append".to_owned(), product: figures(1_500_000.0), bare: figures(2_000_000.0) };
        let mut text = String::new();
        render_row(&mut text, &row);
        assert!(text.starts_with("| append | **0.75** | 1,500,000 | 2,000,000 |"), "{text}");
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let report = "# All\n\n## One\n\na\n\n## Two\n\nb\n";
        assert_eq!(section(report, "One"), "\n## One\n\na\n");
        assert_eq!(section(report, "Two"), "\n## Two\n\nb\n");
        assert_eq!(section(report, "Three"), "");
    }
}
