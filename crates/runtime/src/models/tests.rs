//! Models as data: events in, versions out, at any time and frontier.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use riverrun_event::{Event, Key, ModelName, Offset, OperatorName, Partition, Record, Time, TopicName, TopicPartition};
use riverrun_log::compaction::{Compaction, Facts, Survey};
use riverrun_log::{Direction, StateError, StateRead};
use riverrun_topology::{Expression, Model, StepError};

use super::feed::Feed;
use super::store::newest_version;
use crate::overlay::Overlay;

struct Nothing;

impl StateRead for Nothing {
    fn get(&self, _: &OperatorName, _: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: &OperatorName,
        _: &[u8],
        _: &[u8],
        _: Direction,
        _: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        Ok(Vec::new())
    }
}

struct World {
    feed: Feed,
    state: Overlay,
    next: u64,
}

fn at(second: i64) -> Time {
    Time::from_unix(second, 0)
}

impl World {
    fn new(change: impl FnOnce(&mut Model)) -> Self {
        let mut model = Model::new(ModelName::new("device").unwrap(), TopicName::new("devices").unwrap());
        change(&mut model);
        Self { feed: Feed::new(model), state: Overlay::new(Arc::new(Nothing)), next: 0 }
    }

    /// Applies an event of the device `d` at a second; without data it deletes.
    fn apply(&mut self, second: i64, data: Option<&str>) {
        self.try_apply(second, data, None).unwrap();
    }

    fn try_apply(&mut self, second: i64, data: Option<&str>, content_type: Option<&str>) -> Result<(), StepError> {
        let mut event = Event::new("1", "/test", "test");
        event.key = Some(Key::new("d").unwrap());
        event.time = Some(at(second));
        event.content_type = content_type.map(Into::into);
        event.data = data.map(|data| Bytes::copy_from_slice(data.as_bytes()));
        let partition = TopicPartition::new(TopicName::new("devices").unwrap(), Partition(0));
        let record = Record { position: partition.at(Offset(self.next)), accepted: at(1_000), event };
        self.next += 1;
        self.feed.apply(&record, &mut self.state)
    }

    /// What was known at a second, of the first `next` events.
    fn known(&self, second: i64, next: u64) -> Option<String> {
        let operator = OperatorName::of_model(&ModelName::new("device").unwrap());
        let scan = |from: &[u8], to: &[u8], limit| self.state.range(&operator, from, to, Direction::Descending, limit);
        let version = newest_version(b"d", at(second), Some(Offset(next)), scan).unwrap();
        version.and_then(|version| version.data).map(|data| String::from_utf8(data.to_vec()).unwrap())
    }

    fn check(&self, expected: &[(i64, u64, Option<&str>)]) {
        for (second, next, data) in expected {
            assert_eq!(self.known(*second, *next).as_deref(), *data, "at {second} with {next} events known");
        }
    }
}

#[test]
fn versions_are_found_by_time_and_frontier() {
    let mut world = World::new(|_| {});
    world.apply(10, Some("1"));
    world.apply(30, Some("3"));
    world.apply(20, Some("2"));
    world.apply(40, None);
    world.check(&[
        (9, 9, None),
        (10, 9, Some("1")),
        (25, 9, Some("2")),
        (25, 2, Some("1")),
        (35, 9, Some("3")),
        (35, 1, Some("1")),
        (40, 9, None),
        (40, 3, Some("3")),
    ]);
}

#[test]
fn of_two_events_at_one_time_the_later_counts() {
    let mut world = World::new(|_| {});
    world.apply(10, Some("1"));
    world.apply(10, Some("2"));
    world.check(&[(10, 9, Some("2")), (10, 1, Some("1"))]);
}

#[test]
fn a_late_merge_is_carried_into_later_versions_behind_the_frontier() {
    let mut world = World::new(|model| model.merge = Some(Expression::parse("data").unwrap()));
    world.apply(10, Some(r#"{"a":1}"#));
    world.apply(30, Some(r#"{"b":3}"#));
    world.apply(20, Some(r#"{"a":2,"c":2}"#));
    world.check(&[
        (10, 9, Some(r#"{"a":1}"#)),
        (20, 9, Some(r#"{"a":2,"c":2}"#)),
        (30, 9, Some(r#"{"a":2,"c":2,"b":3}"#)),
        // Before the late merge was known.
        (20, 2, Some(r#"{"a":1}"#)),
        (30, 2, Some(r#"{"a":1,"b":3}"#)),
    ]);
    world.apply(25, None);
    world.check(&[(26, 9, None), (30, 9, Some(r#"{"b":3}"#)), (30, 3, Some(r#"{"a":2,"c":2,"b":3}"#))]);
}

#[test]
fn only_a_part_may_be_merged_and_only_some_events_count() {
    let mut world = World::new(|model| {
        model.merge = Some(Expression::parse("data.profile").unwrap());
        model.when = Some(Expression::parse("data.kind == 'profile'").unwrap());
    });
    world.apply(10, Some(r#"{"kind":"profile","profile":{"a":1}}"#));
    world.apply(20, Some(r#"{"kind":"reading","profile":{"a":2}}"#));
    world.check(&[(30, 9, Some(r#"{"a":1}"#))]);
}

#[test]
fn versions_beyond_the_history_go_except_the_one_still_in_force() {
    let mut world = World::new(|model| model.history = Some(Duration::from_secs(100)));
    for second in [10, 20, 30, 200] {
        world.apply(second, Some(&second.to_string()));
    }
    world.check(&[(150, 9, Some("30")), (250, 9, Some("200")), (25, 9, None)]);
}

#[test]
fn versions_are_kept_per_entity() {
    let mut world = World::new(|model| model.key = Some(Expression::parse("data.serial").unwrap()));
    world.apply(10, Some(r#"{"serial":"d"}"#));
    world.apply(20, Some(r#"{"serial":"other"}"#));
    world.check(&[(30, 9, Some(r#"{"serial":"d"}"#))]);
}

#[test]
fn data_that_is_no_json_is_the_events_error() {
    let mut world = World::new(|_| {});
    let refused = world.try_apply(10, Some("plain"), Some("text/plain"));
    assert!(matches!(refused, Err(StepError::Event(error)) if error.code == "RR0312"));
    world.apply(20, Some("2"));
    world.check(&[(15, 9, None), (25, 9, Some("2"))]);
}

/// What compaction leaves of these records.
fn compacted(records: &[Record], compaction: Compaction, now: Time) -> Vec<Record> {
    let facts = |record: &Record| Facts {
        time: record.event_time(),
        accepted: record.accepted,
        offset: record.position.offset,
        deletes: record.event.data.is_none(),
    };
    let latest = records.iter().map(Record::event_time).max().unwrap();
    let mut survey = Survey::new(compaction, now, latest);
    records.iter().for_each(|record| survey.see(record.event.key.clone(), facts(record)));
    records.iter().filter(|record| survey.keeps(&record.event.key, facts(record))).cloned().collect()
}

proptest! {
    /// Whatever comes late, is deleted or repeats a time.
    #[test]
    fn a_model_made_anew_from_a_compacted_topic_answers_as_before_within_its_history(
        events in prop::collection::vec((0_i64..60, any::<bool>(), 0_u8..4), 1..40),
        (history, after, deletions) in (0_u64..30, 0_u64..10, 0_u64..20),
    ) {
        let partition = TopicPartition::new(TopicName::new("devices").unwrap(), Partition(0));
        let records: Vec<Record> = (0_u32..)
            .zip(&events)
            .map(|(number, (second, other, kind))| {
                let mut event = Event::new("1", "/test", "test");
                event.key = Some(Key::new(if *other { "e" } else { "d" }).unwrap());
                event.time = Some(at(*second));
                event.data = (*kind > 0).then(|| number.to_string().into());
                Record { position: partition.at(Offset(number.into())), accepted: at(number.into()), event }
            })
            .collect();
        let history = Duration::from_secs(history);
        let compaction =
            Compaction { after: Duration::from_secs(after), history, deletions: Duration::from_secs(deletions) };
        let anew = |records: &[Record]| {
            let mut world = World::new(|model| model.history = Some(history));
            records.iter().for_each(|record| world.feed.apply(record, &mut world.state).unwrap());
            world
        };
        let now = at(i64::try_from(records.len()).unwrap());
        let (whole, left) = (anew(&records), anew(&compacted(&records, compaction, now)));
        let latest = events.iter().map(|(second, ..)| *second).max().unwrap();
        for second in latest - i64::try_from(history.as_secs()).unwrap()..=latest {
            prop_assert_eq!(left.known(second, 1_000), whole.known(second, 1_000), "at {}", second);
        }
    }
}
