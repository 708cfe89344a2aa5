//! Records read ahead of their use: a replay follows many small recorded ranges, and a read costs the same for one record as
//! for a thousand.

use std::collections::{BTreeMap, VecDeque};

use riverrun_event::{Offset, Record, TopicPartition};
use riverrun_log::Log;

use super::Interruption;
use super::stepping::{COMMIT_BYTES_MAX, read_from};

/// What was read and not used yet, per input.
#[derive(Default)]
pub(crate) struct ReadAhead {
    inputs: BTreeMap<TopicPartition, VecDeque<Record>>,
}

impl ReadAhead {
    /// The records with `from <= offset < to`: all that are there, up to about [`COMMIT_BYTES_MAX`] bytes at a time; empty when there
    /// are none (any more).
    pub(crate) fn take(
        &mut self,
        log: &dyn Log,
        input: &TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<Record>, Interruption> {
        let held = self.inputs.entry(input.clone()).or_default();
        // Ranges only go forward; what lies before this one was taken or is not wanted.
        while held.front().is_some_and(|record| record.position.offset < from) {
            held.pop_front();
        }
        if held.is_empty() {
            held.extend(read_from(log, input, from, COMMIT_BYTES_MAX)?.records);
        }
        let count = held.iter().take_while(|record| record.position.offset < to).count();
        Ok(held.drain(..count).collect())
    }
}
