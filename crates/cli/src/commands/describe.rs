//! `describe`: what the app file declares, as text, as a graph for Graphviz, or as JSON.

mod dot;
mod json;
mod operators;
mod text;

use clap::{Args, ValueEnum};

use super::Session;
use crate::failure::Failure;
use crate::library;

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
    format: DescribeFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DescribeFormat {
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
        DescribeFormat::Text => text::write(topology, session.terminal.out),
        DescribeFormat::Dot => dot::write(topology),
        DescribeFormat::Json => format!("{:#}", json::write(topology)),
    };
    session.terminal.line(text.trim_end())
}
