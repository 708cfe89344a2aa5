//! Appending a door's batch: first decide about every record, then store; so a refused batch changes nothing.

use std::collections::HashMap;

use riverrun_event::{Event, Offset, Position, TopicName, TopicPartition};

use super::data::{Data, Place};
use crate::append::{AppendBatch, AppendError, Logged, NewRecord};

/// What is to be done with one record of a batch.
enum Decision {
    Store,
    /// It is stored already.
    Repeats(Position),
    /// It repeats an earlier record of the batch, by index.
    RepeatsEarlier(usize),
}

impl Data {
    pub(super) fn append(&mut self, batch: AppendBatch) -> Result<Vec<Logged>, AppendError> {
        if let Some(reason) = &self.stopped {
            return Err(AppendError::Failed(reason.clone()));
        }
        let decisions = self.decide(&batch.records)?;
        if !decisions.iter().any(|decision| matches!(decision, Decision::Store)) {
            // Nothing changes, so no accept time is used up.
            return Ok(decisions.into_iter().filter_map(repeated).collect());
        }
        let (_, accepted) = self.change();
        let mut answers: Vec<Logged> = Vec::with_capacity(decisions.len());
        for (record, decision) in batch.records.into_iter().zip(decisions) {
            let answer = match decision {
                Decision::Store => {
                    self.remember(&record);
                    Logged::First(self.store(record, accepted))
                }
                Decision::Repeats(position) => Logged::Duplicate(position),
                Decision::RepeatsEarlier(index) => match answers.get(index) {
                    Some(first) => Logged::Duplicate(first.position().clone()),
                    None => continue,
                },
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    fn decide(&self, records: &[NewRecord]) -> Result<Vec<Decision>, AppendError> {
        let mut earlier: HashMap<(&TopicName, &str, &str), usize> = HashMap::new();
        let mut decisions = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let unknown = || AppendError::UnknownTopic { topic: record.topic.clone(), partition: record.partition };
            let topic = self.topics.get(&record.topic).ok_or_else(unknown)?;
            topic.partition(record.partition).ok_or_else(unknown)?;
            let event = &record.event;
            if let Some(stored) = topic.identified(&event.source, &event.id) {
                if !is_same_fact(&stored.event, event) {
                    return Err(AppendError::Conflict { index, existing: stored.position.clone() });
                }
                decisions.push(Decision::Repeats(stored.position.clone()));
                continue;
            }
            let first = *earlier.entry((&record.topic, &event.source, &event.id)).or_insert(index);
            match records.get(first).filter(|_| first != index) {
                None => decisions.push(Decision::Store),
                Some(same) if is_same_fact(&same.event, event) => decisions.push(Decision::RepeatsEarlier(first)),
                Some(other) => {
                    let existing = self.would_be_at(other, records.iter().zip(&decisions).take(first));
                    return Err(AppendError::Conflict { index, existing });
                }
            }
        }
        Ok(decisions)
    }

    /// Where a record would have been stored after those before it in its batch: what a conflict within a batch names.
    fn would_be_at<'a>(
        &self,
        record: &NewRecord,
        before: impl Iterator<Item = (&'a NewRecord, &'a Decision)>,
    ) -> Position {
        let place = TopicPartition::new(record.topic.clone(), record.partition);
        let end = self.partition(&place).map_or(0, |partition| partition.end().0);
        let stored = before.filter(|(before, decision)| {
            before.topic == record.topic && before.partition == record.partition && matches!(decision, Decision::Store)
        });
        place.at(Offset(stored.fold(end, |end, _| end + 1)))
    }

    /// Keeps the identity of a record that is stored next.
    fn remember(&mut self, record: &NewRecord) {
        let Some(topic) = self.topics.get_mut(&record.topic) else { return };
        let index = topic.partition(record.partition).map_or(0, |partition| partition.records_count());
        let place = Place { partition: record.partition, index };
        let event = &record.event;
        if let Some(ids) = topic.identities.get_mut(&event.source) {
            ids.insert(event.id.clone(), place);
        } else {
            topic.identities.insert(event.source.clone(), HashMap::from([(event.id.clone(), place)]));
        }
    }
}

fn repeated(decision: Decision) -> Option<Logged> {
    match decision {
        Decision::Repeats(position) => Some(Logged::Duplicate(position)),
        Decision::Store | Decision::RepeatsEarlier(_) => None,
    }
}

/// Whether two events under one identity say the same. Attributes and content type may differ: proxies and tracing change
/// them between two attempts.
fn is_same_fact(one: &Event, other: &Event) -> bool {
    one.kind == other.kind
        && one.subject == other.subject
        && one.time == other.time
        && one.key == other.key
        && one.data == other.data
}
