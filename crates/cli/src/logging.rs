//! Logs of the process: to standard error, as text or JSON lines. Standard output belongs to results.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::terminal::Terminal;

/// What is logged, and how.
#[derive(Debug, Default, Args)]
pub(crate) struct LogOptions {
    /// What is logged: error, warn, info, debug, trace, or a filter such as info,riverrun_runtime=debug.
    /// RUST_LOG counts when this is not given.
    #[arg(long = "log", value_name = "LEVEL", value_parser = parse_filter)]
    filter: Option<String>,
    /// Lines for people or for machines.
    #[arg(long = "log-format", value_name = "FORMAT", value_enum, default_value_t)]
    format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

fn parse_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; write for example info or info,riverrun_runtime=debug")),
    }
}

/// Starts logging. `otherwise` is the filter when neither `--log` nor RUST_LOG says anything.
pub(crate) fn start(options: &LogOptions, otherwise: &str, terminal: &Terminal) {
    let stated = options.filter.clone().or_else(|| std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()));
    let filter = EnvFilter::new(stated.as_deref().unwrap_or(otherwise));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A subscriber that is already set (it never is in this binary) would win; logs are then its business.
    let _ = match options.format {
        LogFormat::Text => builder.with_ansi(terminal.error.is_colored()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
