//! `init`: writes a commented app file, made to fit a sample of the events where there is one.

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Session;
use crate::arguments::OutputFormat;
use crate::failure::{Failure, Report};
use crate::library;
use crate::publisher::Input;
use crate::terminal::Ink;

/// Lines of a sample that are looked at: enough to see what repeats and what is unique.
const SAMPLE_LINES_MAX: usize = 2_000;

const EXAMPLES: &str = "\
From a sample (NDJSON, CloudEvents or bare data, gzip too) it guesses the topics, their keys, and where id and time \
are, and writes a pipeline that does something to these events. Beside it comes riverrun.schema.json, with which editors \
complete and explain the fields. CloudEvents name their topic by their type, bare \
data by the name of the file. Comments in the file say what everything is for.

Examples:
  riverrun init
  riverrun init --from orders.ndjson
  riverrun -f shop.yaml init --from orders.ndjson --force";

/// Write a commented app file, made to fit a sample of your events.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArguments {
    /// A sample of the events, one a line.
    #[arg(long, value_name = "NDJSON")]
    from: Option<PathBuf>,
    /// Replace an app file that is there.
    #[arg(long)]
    force: bool,
    /// Text, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Writes the file.
pub(crate) fn execute(session: Session<'_>, arguments: &InitArguments) -> Result<(), Failure> {
    let file = &session.global.file;
    let sample = arguments.from.as_deref().map(read_sample).transpose()?;
    let from = arguments.from.as_deref().unwrap_or(Path::new("")).display().to_string();
    let sample = sample.as_deref().map(|text| library::Sample { file: &from, text });
    let text = library::init(&app_name(file), sample).map_err(|error| unusable(error.to_string()))?;
    write(file, &text, arguments.force)?;
    // Printed from the code, so one that is there can only be older.
    let schema = file.with_file_name(library::SCHEMA_FILE);
    write(&schema, &library::schema(), true)?;
    if arguments.format == OutputFormat::Json {
        return session.terminal.line(serde_json::json!({ "file": file, "schema": schema }));
    }
    let palette = session.terminal.out;
    let named = |file: &Path| palette.paint(Ink::Strong, file.display().to_string());
    session.terminal.line(format_args!("wrote {}, and {} for your editor", named(file), named(&schema)))?;
    let named = if file == Path::new("./riverrun.yaml") { String::new() } else { format!(" -f {}", file.display()) };
    session.terminal.line(format_args!("look it over; next: riverrun{named} check, then riverrun{named} run"))
}

fn read_sample(path: &Path) -> Result<String, Report> {
    let mut sample = String::new();
    for (index, line) in Input::open(path)?.into_reader().lines().take(SAMPLE_LINES_MAX).enumerate() {
        let line = line.map_err(|error| unusable(format!("line {} of {}: {error}", index + 1, path.display())))?;
        sample.push_str(&line);
        sample.push('\n');
    }
    Ok(sample)
}

fn unusable(reason: String) -> Report {
    Report::new("RR0413", reason).hint("a sample has one JSON object a line: CloudEvents, or bare data")
}

/// The name of the directory the file is in, as far as it can name an app.
fn app_name(file: &Path) -> String {
    let directory = std::path::absolute(file).ok();
    let name = directory.as_deref().and_then(Path::parent).and_then(Path::file_name).unwrap_or_default();
    let fitting = |character: char| match character.to_ascii_lowercase() {
        kept @ ('a'..='z' | '0'..='9' | '_' | '-') => kept,
        _ => '-',
    };
    // 100 characters: half of what a name may have; a longer one is no help.
    let name: String = name.to_string_lossy().chars().map(fitting).take(100).collect();
    match name.trim_matches(['-', '_']) {
        "" => "app".to_owned(),
        name => name.to_owned(),
    }
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Report> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let result = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    result.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Report::new("RR0408", format!("{} is there already", file.display()))
            .hint("--force replaces it; -f names another file"),
        _ => Report::new("RR0408", format!("{} cannot be written: {error}", file.display())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_named_for_its_directory() {
        for (file, expected) in [
            ("/srv/My Shop.v2/riverrun.yaml", "my-shop-v2"),
            ("/riverrun.yaml", "app"),
            ("/srv/__/riverrun.yaml", "app"),
        ] {
            assert_eq!(app_name(Path::new(file)), expected, "{file}");
        }
    }
}
