//! `verify`: reads the whole data directory, offline, and checks every checksum, chain and position.

use clap::Args;

use super::Session;
use crate::arguments::OutputFormat;
use crate::failure::Failure;
use crate::library::{self, VerifyReport};
use crate::progress::{Progress, count};
use crate::terminal::{Ink, Terminal, table};

const EXAMPLES: &str = "\
It needs the directory to itself: end the server first. Nothing is changed. Damage ends the command with 1.

Examples:
  riverrun verify
  riverrun -f shop.yaml verify --format json";

/// Read the whole data directory and check every checksum and chain. Offline.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArguments {
    /// Tables, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Verifies.
pub(crate) fn execute(session: Session<'_>, arguments: &VerifyArguments) -> Result<(), Failure> {
    let app = library::load(session)?;
    let data_dir = library::data_dir(&app);
    let progress = Progress::waiting("verify", &format!("reading {}", data_dir.display()), session.terminal);
    let result = library::verify(&data_dir);
    progress.clear();
    let report = result?;
    match arguments.format {
        OutputFormat::Json => session.terminal.line(json(&report))?,
        OutputFormat::Text => show(session.terminal, &data_dir.display().to_string(), &report)?,
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::AlreadyShown) }
}

fn json(report: &VerifyReport) -> serde_json::Value {
    let problems = report.problems.iter();
    let problems = problems.map(|problem| serde_json::json!({ "place": problem.place, "detail": problem.detail }));
    serde_json::json!({
        "partitions": report.partitions,
        "records": report.records,
        "batches": report.batches,
        "bytes": report.bytes,
        "lost": report.lost,
        "compacted": report.compacted,
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn show(terminal: &Terminal, data_dir: &str, report: &VerifyReport) -> Result<(), Failure> {
    let palette = terminal.out;
    let rows = [
        ("partitions", report.partitions),
        ("records", report.records),
        ("batches", report.batches),
        ("bytes", report.bytes),
        ("lost earlier", report.lost),
        ("compacted", report.compacted),
    ];
    terminal.line(palette.paint(Ink::Strong, data_dir))?;
    for (name, number) in rows {
        terminal.line(format_args!("  {name:<13}{:>15}", count(number)))?;
    }
    if report.problems.is_empty() {
        return terminal.line(palette.paint(Ink::Good, "everything fits"));
    }
    let rows = report.problems.iter().map(|problem| vec![problem.place.clone(), problem.detail.clone()]).collect();
    terminal.line(format_args!("\n{}", table(&["PLACE", "PROBLEM"], rows)))?;
    let verdict = match report.problems.len() {
        1 => "1 problem".to_owned(),
        number => format!("{number} problems"),
    };
    terminal.line(palette.paint(Ink::Bad, verdict))
}
