//! In which order a task takes what waits in several inputs: by event time, as far as all of them are known.
//!
//! An input that is far behind the others would find their clock far ahead, and its events late. So what waits is taken in the
//! order of its times, in runs of one input, and only up to where the first input ends: what comes there next may be earlier than
//! what still waits elsewhere. Within an input the order stays. The runs are recorded as the order of the commit, so a replay
//! follows them.

use std::collections::VecDeque;

use riverrun_event::{Offset, Record, Time, TopicPartition};

/// Records of one input that wait to be stepped.
pub(crate) struct Waiting {
    pub(crate) input: TopicPartition,
    pub(crate) from: Offset,
    pub(crate) to: Offset,
    pub(crate) records: Vec<Record>,
}

/// What waits in an input, and the highest time taken from it so far: an event that comes late in its own input holds up nothing.
struct Source {
    input: TopicPartition,
    next: Offset,
    to: Offset,
    records: VecDeque<Record>,
    newest: Option<Time>,
}

impl Source {
    fn time(&self) -> Option<Time> {
        let time = self.records.front()?.event_time();
        Some(self.newest.map_or(time, |newest| newest.max(time)))
    }
}

/// The runs of records to step, in order. Of two that are of the same time, that of the earlier input comes first.
pub(crate) fn in_order_of_time(waiting: Vec<Waiting>) -> Vec<Waiting> {
    if waiting.len() < 2 {
        return waiting;
    }
    let source = |waiting: Waiting| Source {
        input: waiting.input,
        next: waiting.from,
        to: waiting.to,
        records: waiting.records.into(),
        newest: None,
    };
    let mut sources: Vec<Source> = waiting.into_iter().map(source).collect();
    let mut runs: Vec<Waiting> = Vec::new();
    // Ends with the first source that has nothing left, which has no time.
    while let Some(times) = sources.iter().map(Source::time).collect::<Option<Vec<Time>>>() {
        let earliest = times.into_iter().zip(0..).min().map(|(_, index)| index);
        let Some(source) = earliest.and_then(|index: usize| sources.get_mut(index)) else { break };
        source.newest = source.time();
        let Some(record) = source.records.pop_front() else { break };
        let to = if source.records.is_empty() { source.to } else { record.position.offset.next() };
        match runs.last_mut().filter(|run| run.input == source.input) {
            Some(run) => {
                run.to = to;
                run.records.push(record);
            }
            None => runs.push(Waiting { input: source.input.clone(), from: source.next, to, records: vec![record] }),
        }
        source.next = to;
    }
    runs
}

#[cfg(test)]
mod tests {
    use riverrun_event::{Event, Partition, TopicName};

    use super::*;

    /// Records of an input, at these seconds; the offsets have gaps.
    fn waiting(topic: &str, seconds: &[i64]) -> Waiting {
        let input = TopicPartition::new(TopicName::new(topic).unwrap(), Partition(0));
        let record = |(number, second): (u64, &i64)| {
            let mut event = Event::new(number.to_string(), "/test", "test");
            event.time = Some(Time::from_unix(*second, 0));
            Record { position: input.at(Offset(number * 10)), accepted: Time::from_unix(0, 0), event }
        };
        let records: Vec<Record> = (1..).zip(seconds).map(record).collect();
        Waiting { from: Offset(5), to: Offset(records.len() as u64 * 10 + 7), input, records }
    }

    /// `topic from-to: seconds` of each run.
    #[track_caller]
    fn check(inputs: &[(&str, &[i64])], expected: &[&str]) {
        let runs = in_order_of_time(inputs.iter().map(|(topic, seconds)| waiting(topic, seconds)).collect());
        let shown = |run: &Waiting| {
            let seconds: Vec<i64> = run.records.iter().map(|record| record.event_time().unix_seconds()).collect();
            format!("{} {}-{}: {seconds:?}", run.input.topic, run.from.0, run.to.0)
        };
        assert_eq!(runs.iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_waits_is_taken_in_the_order_of_its_times() {
        check(&[("a", &[3, 1, 2])], &["a 5-37: [3, 1, 2]"]);
        check(
            &[("a", &[1, 2, 5, 9]), ("b", &[2, 3, 8])],
            &["a 5-21: [1, 2]", "b 5-21: [2, 3]", "a 21-31: [5]", "b 21-37: [8]"],
        );
        // The rest of `b` waits for what may come to `a`.
        check(&[("a", &[1]), ("b", &[2, 3])], &["a 5-17: [1]"]);
        // Late in its own input.
        check(
            &[("a", &[4, 1, 6]), ("b", &[3, 5, 7])],
            &["b 5-11: [3]", "a 5-21: [4, 1]", "b 11-21: [5]", "a 21-37: [6]"],
        );
    }
}
