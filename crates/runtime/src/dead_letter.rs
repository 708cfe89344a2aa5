//! A dead letter: the event as it came, byte for byte, with what went wrong beside it as attributes.

use riverrun_event::{Event, Record};
use riverrun_log::{NewRecord, TaskId};
use riverrun_topology::EventError;

use riverrun_event::{Partition, TopicName};

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

/// The dead letter of `record`, for the partition of the task that failed on it.
#[must_use]
pub fn dead_letter(topic: &TopicName, task: TaskId, owner: &str, record: &Record, error: &EventError) -> NewRecord {
    let mut event: Event = record.event.clone();
    // The event keeps the time it counted with, even where it had none of its own.
    event.time = Some(record.event_time());
    let attributes = &mut event.attributes;
    attributes.set(CAUSE, record.position.to_string());
    attributes.set(ERROR_CODE, error.code);
    attributes.set(ERROR, printable(&error.message));
    attributes.set(OPERATOR, error.operator.as_str());
    attributes.set(PIPELINE, owner);
    attributes.set(ATTEMPTS, "1");
    NewRecord { topic: topic.clone(), partition: Partition(task.0), event }
}

/// Attribute values must not hold control characters (CloudEvents 1.0) and should stay readable.
fn printable(message: &str) -> String {
    const CHARACTERS_MAX: usize = 1_000;
    message.chars().take(CHARACTERS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
