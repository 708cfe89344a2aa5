//! `describe`: what the app file declares, as text, as a graph for Graphviz, or as JSON.

use clap::{Args, ValueEnum};

use super::Session;
use crate::failure::Failure;
use crate::library::{self, DescribeFormat};
use crate::terminal::{Ink, Palette};

const EXAMPLES: &str = "\
Examples:
  riverrun describe
  riverrun describe --format dot | dot -Tsvg > topology.svg
  riverrun describe --format json | jq '.pipelines[].to'";

/// Print the topology the app file declares.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DescribeArguments {
    /// Text, a Graphviz graph, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Dot,
    Json,
}

/// Describes.
pub(crate) fn execute(session: Session<'_>, arguments: &DescribeArguments) -> Result<(), Failure> {
    let app = library::load(session)?;
    let topology = app.topology();
    let text = match arguments.format {
        Format::Text => with_headings(&topology.describe(DescribeFormat::Text), session.terminal.out),
        Format::Dot => topology.describe(DescribeFormat::Dot),
        Format::Json => topology.describe(DescribeFormat::Json),
    };
    session.terminal.line(text.trim_end())
}

/// The text with its headings, the lines that are not indented, set off.
fn with_headings(text: &str, palette: Palette) -> String {
    let painted = text.lines().map(|line| match line.chars().next() {
        Some(first) if !first.is_whitespace() => palette.paint(Ink::Strong, line).to_string(),
        _ => line.to_owned(),
    });
    painted.collect::<Vec<_>>().join("\n")
}
