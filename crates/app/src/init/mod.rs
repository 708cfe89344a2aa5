//! `riverrun init`: writes a first app file, fitted to a sample of events where there is one. What it writes loads without
//! any diagnostic, and its pipeline runs on the sample.

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
    /// A line of the sample is no JSON object.
    #[error("line {line} of the sample: {reason}; a sample has one JSON object a line, bare data or CloudEvents")]
    Sample {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The sample has no events.
    #[error("the sample has no events; leave it out to get a file that fits any")]
    Empty,
}

/// Writes an app file for an app of this name. With a sample (NDJSON: CloudEvents in structured mode, or bare data) its
/// topics, keys, times and an example pipeline fit the sample.
///
/// # Errors
/// [`InitError`] when the name is none, or the sample is no NDJSON of objects.
pub fn init(name: &str, sample: Option<&str>) -> Result<String, InitError> {
    let app = AppName::new(name).map_err(|reason| InitError::Name { name: name.to_owned(), reason })?;
    let Some(sample) = sample else { return Ok(write::hello(&app)) };
    let sample = sample::read(sample)?;
    Ok(write::fitted(&app, &propose::propose(&sample)))
}

#[cfg(test)]
mod tests;
