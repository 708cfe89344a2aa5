//! bench/RESULTS.md: the machine, the date, the command, and a table of ratios.

use std::fmt::Write;
use std::process::Command;
use std::thread::available_parallelism;

use super::Plan;
use super::rounds::Row;
use super::start::Start;
use super::state::State;

/// The report as Markdown.
pub(crate) fn render(plan: &Plan, rows: &[Row], peers: &[Row], starts: &[Start], state: Option<&State>) -> String {
    let mut text = String::from("# Results\n\n");
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    let _ = writeln!(
        text,
        "`{}`, {}, {cores} cores ({}), medians of {} rounds. [How it is measured](README.md).\n\n\
         *Of bare* is the product's rate divided by the bare program's: 1.00 would be free.",
        plan.command(),
        date(),
        processor(),
        plan.rounds()
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
fn thousands(rate: f64) -> String {
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
}
