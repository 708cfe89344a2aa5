//! `check`: every mistake in the app file, all at once.

use clap::Args;

use super::Session;
use crate::arguments::OutputFormat;
use crate::failure::Failure;
use crate::library::{self, Checked};
use crate::terminal::Ink;

const EXAMPLES: &str = "\
Each mistake has a code, the place, what was expected and how to mend it. With --format json there is one JSON object \
a line for each. Warnings alone do not fail, nor do transformers that only a program of your own has.

Examples:
  riverrun check
  riverrun -f shop.yaml check --format json";

/// Check the app file and report every mistake in it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArguments {
    /// Text with snippets, or JSON lines.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Checks.
pub(crate) fn execute(session: Session<'_>, arguments: &CheckArguments) -> Result<(), Failure> {
    let terminal = session.terminal;
    let Checked { diagnostics, missing } = library::check(session)?;
    for found in std::iter::once(&diagnostics).chain(&missing).filter(|found| !found.is_empty()) {
        let text = match arguments.format {
            OutputFormat::Json => found.json_lines(),
            OutputFormat::Text => library::rendered(found, terminal.out),
        };
        terminal.line(text.trim_end())?;
    }
    if diagnostics.has_errors() {
        return Err(Failure::AlreadyShown);
    }
    if arguments.format == OutputFormat::Text {
        let verdict = terminal.out.paint(Ink::Good, "no mistakes");
        let but = if missing.is_some() { ", but this binary lacks its transformers" } else { "" };
        terminal.line(format_args!("{}: {verdict}{but}", session.global.file.display()))?;
    }
    Ok(())
}
