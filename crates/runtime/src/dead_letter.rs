//! A dead letter: the event as it came, byte for byte, with what went wrong beside it as attributes.

use riverrun_event::{Event, Partition, Position, Record, TopicName};
use riverrun_log::NewRecord;
use riverrun_topology::EventError;

/// Position of the event that failed.
pub const CAUSE: &str = "rrcause";
/// Stable error code.
pub const ERROR_CODE: &str = "rrerrorcode";
/// What happened.
pub const ERROR: &str = "rrerror";
/// The operator that failed.
pub const OPERATOR: &str = "rroperator";
/// The pipeline, or `model:<name>`.
pub const PIPELINE: &str = "rrpipeline";
/// How often it was tried.
pub const ATTEMPTS: &str = "rrattempts";

/// The dead letter of `record`, for a partition of the task that failed on it.
#[must_use]
pub fn dead_letter(
    topic: &TopicName,
    partition: Partition,
    owner: &str,
    record: &Record,
    error: &EventError,
) -> NewRecord {
    // The event keeps the time it counted with, even where it had none of its own.
    let event = Event { time: Some(record.event_time()), ..record.event.clone() };
    dead_letter_of(topic, partition, owner, event, Some(&record.position), error)
}

/// The dead letter of an event that a step made, from what is at `cause` where that is known.
#[must_use]
pub fn dead_letter_of(
    topic: &TopicName,
    partition: Partition,
    owner: &str,
    mut event: Event,
    cause: Option<&Position>,
    error: &EventError,
) -> NewRecord {
    let attributes = &mut event.attributes;
    if let Some(cause) = cause {
        attributes.set(CAUSE, cause.to_string());
    }
    attributes.set(ERROR_CODE, error.code);
    attributes.set(ERROR, printable(&error.message));
    attributes.set(OPERATOR, error.operator.as_str());
    attributes.set(PIPELINE, owner);
    attributes.set(ATTEMPTS, "1");
    NewRecord { topic: topic.clone(), partition, event }
}

/// Attribute values must not hold control characters (CloudEvents 1.0) and should stay readable.
fn printable(message: &str) -> String {
    const CHARACTERS_MAX: usize = 1_000;
    message.chars().take(CHARACTERS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
