//! `schema`: the JSON Schema of the app file, with which editors complete, explain and check it while one types.

use clap::Args;

use super::Session;
use crate::failure::Failure;
use crate::library;

const EXAMPLES: &str = "\
`riverrun init` writes the schema beside the app file as riverrun.schema.json, and names it in the file's first line: \
VS Code with the YAML extension, and every editor with yaml-language-server, then complete and explain all fields. For \
an app file that is there already, write the schema and put this line at the top:

  # yaml-language-server: $schema=riverrun.schema.json

Examples:
  riverrun schema > riverrun.schema.json";

/// Print the JSON Schema of the app file, for editors.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArguments {}

/// Prints it.
pub(crate) fn execute(session: Session<'_>) -> Result<(), Failure> {
    session.terminal.line(library::schema().trim_end())
}
