//! `riverrun init`: writes a first app file, fitted to a sample of events where there is one. What it writes loads without
//! any diagnostic, and its pipeline runs on the sample.

mod fields;
mod propose;
mod sample;
mod write;

use riverrun_event::{AppName, NameError};

/// Why no app file can be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// The name is none.
    #[error("{name:?} cannot name an app: {reason}")]
    Name {
        /// The refused name.
        name: String,
        /// Why.
        reason: NameError,
    },
    /// A line of the sample is no event.
    #[error("line {line} of the sample: {reason}")]
    Sample {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, and what was expected.
        reason: String,
    },
    /// The sample has no events.
    #[error("the sample has no events; leave it out to get a file that fits any")]
    Empty,
}

/// Events to fit an app file to.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// What to call the file they are in, for example `orders.ndjson`. Bare data goes to a topic named for it.
    pub file: &'a str,
    /// NDJSON: CloudEvents in structured mode, or bare data.
    pub text: &'a str,
}

/// Writes an app file for an app of this name; its first line tells editors that the schema is in [`SCHEMA_FILE`](crate::SCHEMA_FILE) beside it. With a sample its topics, keys, times and an example pipeline fit the sample.
///
/// # Errors
/// [`InitError`] when the name is none, or the sample is no NDJSON of objects.
pub fn init(name: &str, sample: Option<Sample<'_>>) -> Result<String, InitError> {
    let app = AppName::new(name).map_err(|reason| InitError::Name { name: name.to_owned(), reason })?;
    let Some(sample) = sample else { return Ok(write::hello(&app)) };
    let groups = sample::read(sample)?;
    Ok(write::fitted(&app, sample.file, &propose::propose(&groups)))
}

#[cfg(test)]
mod tests;
