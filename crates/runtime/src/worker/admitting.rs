//! The work of a door where the log does not recognise an event that is sent again: what waits in the topic's entrance goes
//! on into the topic, each (source, id) once. What has the identity of another event becomes a dead letter.
//!
//! Identities are rows of the task's state, ordered by the day the event was accepted, so that those of a day that counts no more
//! are deleted in one go. They are kept for the same number of days as in the embedded log, and those of an app that comes from there
//! are rows as if they had been let in here ([`moved_row`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Partition, Position, Record, TopicName, TopicPartition};
use riverrun_log::identity::day_of;
use riverrun_log::{Assigned, Content, Direction, Identity, Log, NewRecord, StateChange, TaskCommit};
use riverrun_topology::{EventError, KeyedState, StepError};

use super::stepping::{Found, read_from};
use super::{Gathered, InputDecided, Interruption, Ownership, Work};
use crate::dead_letter::dead_letter;
use crate::metrics::{Counts, Metrics};
use crate::overlay::Overlay;
use crate::progress::Progress;

/// Rows of forgotten days that one commit deletes at most: about as much as it adds.
const FORGOTTEN_MAX: usize = 2_048;

/// How often what was let in is given up for deletion. Logs delete whole files, so more often would delete no more.
const RELEASE_EVERY: Duration = Duration::from_mins(1);

/// Longest rest between commits. Everything behind a door waits for it, and it has no outputs whose number a longer one would save.
const REST_MAX: Duration = Duration::from_millis(5);

/// The tasks of a topic's door, one per partition.
pub(crate) struct Admitting {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) topic: TopicName,
    pub(crate) label: String,
    /// How many days before an event's own its identity is looked for.
    pub(crate) window_days: u32,
    pub(crate) progress: Arc<Progress>,
    pub(crate) metrics: Metrics,
}

/// One of them.
pub(crate) struct DoorTask {
    ownership: Ownership,
    input: TopicPartition,
    next: Offset,
    identities: Identities,
    counts: Counts,
    released: Instant,
}

impl Work for Admitting {
    type Task = DoorTask;
    type Decided = InputDecided;

    fn label(&self) -> &str {
        &self.label
    }

    fn rests_for(&self, interval: Duration) -> Duration {
        interval.min(REST_MAX)
    }

    fn open(&self, assigned: Assigned) -> Result<DoorTask, Interruption> {
        let input = TopicPartition::new(TopicName::entrance_of(&self.topic), Partition(assigned.task.0));
        let next = assigned.positions.get(&input).copied().unwrap_or_default();
        let identities = Identities::open(Overlay::new(assigned.state), self.window_days).map_err(interruption)?;
        let ownership = Ownership { task: assigned.task, epoch: assigned.epoch };
        Ok(DoorTask { ownership, input, next, identities, counts: Counts::default(), released: Instant::now() })
    }

    async fn gather(&self, task: &mut DoorTask) -> Result<Gathered<InputDecided>, Interruption> {
        let bytes_max = self.log.commit_interval().bytes;
        let Found { records, next, is_full } = read_from(self.log.as_ref(), &task.input, task.next, bytes_max)?;
        if next == task.next {
            return Ok(Gathered::default());
        }
        let mut commit = TaskCommit::new(task.ownership.task, task.ownership.epoch);
        task.next = next;
        for record in records {
            task.counts.received += 1;
            match task.identities.meet(&record).map_err(interruption)? {
                Met::New => {
                    task.counts.emitted += 1;
                    let (topic, partition) = (self.topic.clone(), record.position.partition);
                    commit.records.push(NewRecord { topic, partition, event: record.event });
                }
                Met::Again => task.counts.dropped += 1,
                Met::Other(existing) => {
                    task.counts.dead_letters += 1;
                    let topic = TopicPartition::new(self.topic.clone(), record.position.partition);
                    let existing = match existing {
                        Place::Entrance(offset) => task.input.at(offset),
                        Place::Topic(offset) => topic.at(offset),
                    };
                    commit.records.push(self.refused(&record, &existing));
                }
            }
        }
        task.identities.forget().map_err(interruption)?;
        commit.positions.push((task.input.clone(), task.next));
        let changes = task.identities.rows.take_changes();
        commit.state = changes.rows;
        let decided =
            InputDecided { commit: changes.commit, counts: std::mem::take(&mut task.counts), next: task.next };
        Ok(Gathered { commit: Some((commit, decided)), is_full, ..Gathered::default() })
    }

    fn committed(&self, task: &mut DoorTask, InputDecided { commit, counts, next }: InputDecided) {
        task.identities.rows.settle(commit);
        self.metrics.count(&self.label, counts);
        if task.released.elapsed() >= RELEASE_EVERY {
            task.released = Instant::now();
            self.log.release(&task.input.at(next));
        }
        self.progress.update(task.ownership.task, counts, |progress| {
            progress.positions.insert(task.input.clone(), next);
        });
    }
}

impl Admitting {
    fn refused(&self, record: &Record, existing: &Position) -> NewRecord {
        let message =
            format!("the id was used for another event, stored at {existing}; give this one an id of its own");
        let error = EventError { code: "RR0142", operator: OperatorName::of_door(), message };
        tracing::warn!(topic = %self.topic, position = %record.position, %error, "an event became a dead letter");
        let letters = TopicName::dead_letters_of_door(&self.topic);
        dead_letter(&letters, record.position.partition, &self.label, record, &error)
    }
}

fn interruption(error: StepError) -> Interruption {
    Interruption::Restart(error.to_string())
}

/// What an event is to those before it.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    New,
    /// The same event was here.
    Again,
    /// Another event of this identity was here, and is there.
    Other(Place),
}

/// Where an event is that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At this offset of the entrance.
    Entrance(Offset),
    /// At this offset of the topic itself: it was let in where topics have no entrances.
    Topic(Offset),
}

/// The identities of the events of one partition.
struct Identities {
    rows: Overlay,
    operator: OperatorName,
    window_days: u32,
    /// No row is of a day before this one.
    first_day: u32,
    /// The latest day an event was accepted on.
    last_day: u32,
    buffer: Vec<u8>,
}

impl Identities {
    fn open(rows: Overlay, window_days: u32) -> Result<Self, StepError> {
        let operator = OperatorName::of_door();
        let day = |direction| {
            let found = rows.range(&operator, &[], &[u8::MAX; KEY_BYTES + 1], direction, 1)?;
            Ok::<_, StepError>(found.first().and_then(|(key, _)| Some(u32::from_be_bytes(*key.first_chunk()?))))
        };
        let (first, last) = (day(Direction::Ascending)?, day(Direction::Descending)?);
        Ok(Self {
            rows,
            operator,
            window_days,
            first_day: first.unwrap_or(u32::MAX),
            last_day: last.unwrap_or_default(),
            buffer: Vec::new(),
        })
    }

    /// Looks whether the event was here within the window, and remembers it where it was not.
    fn meet(&mut self, record: &Record) -> Result<Met, StepError> {
        let event = &record.event;
        let identity = Identity::of(&[], &event.source, &event.id, &mut self.buffer);
        let content = Content::of(event, &mut self.buffer);
        let today = day_of(record.accepted).max(self.last_day);
        let oldest = today.saturating_sub(self.window_days).max(self.first_day);
        // Newest first: repetitions are mostly of today.
        for day in (oldest..=today).rev() {
            let Some(row) = self.rows.get(&self.operator, &key(day, identity))? else { continue };
            let (known, place) = decode(&row)?;
            return Ok(if known == content { Met::Again } else { Met::Other(place) });
        }
        let row = encode(content, Place::Entrance(record.position.offset));
        self.rows.put(&self.operator, &key(today, identity), Some(row));
        self.rows.keep();
        (self.first_day, self.last_day) = (self.first_day.min(today), today);
        Ok(Met::New)
    }

    /// Deletes rows of days that count no more.
    fn forget(&mut self) -> Result<(), StepError> {
        let oldest = self.last_day.saturating_sub(self.window_days);
        if self.first_day >= oldest {
            return Ok(());
        }
        let (from, to) = (self.first_day.to_be_bytes(), oldest.to_be_bytes());
        let rows = self.rows.range(&self.operator, &from, &to, Direction::Ascending, FORGOTTEN_MAX)?;
        if rows.len() < FORGOTTEN_MAX {
            self.first_day = oldest;
        }
        for (key, _) in rows {
            self.rows.put(&self.operator, &key, None);
        }
        self.rows.keep();
        Ok(())
    }
}

const KEY_BYTES: usize = 20;

/// The day, then the identity.
fn key(day: u32, identity: Identity) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key.iter_mut().zip(day.to_be_bytes().into_iter().chain(identity.0)).for_each(|(byte, part)| *byte = part);
    key
}

/// The row by which an event is recognised that was let into its topic where topics have no entrances.
#[must_use]
pub fn moved_row(record: &Record) -> StateChange {
    let (event, mut buffer) = (&record.event, Vec::new());
    let identity = Identity::of(&[], &event.source, &event.id, &mut buffer);
    let content = Content::of(event, &mut buffer);
    StateChange {
        operator: OperatorName::of_door(),
        key: Bytes::copy_from_slice(&key(day_of(record.accepted), identity)),
        value: Some(encode(content, Place::Topic(record.position.offset))),
    }
}

/// What the event must not differ in, then its offset. One more byte says that it is that of the topic itself.
fn encode(content: Content, place: Place) -> Bytes {
    let (offset, mark): (_, &[u8]) = match place {
        Place::Entrance(offset) => (offset, &[]),
        Place::Topic(offset) => (offset, &[IN_TOPIC]),
    };
    [content.0.as_slice(), &offset.0.to_be_bytes(), mark].concat().into()
}

const IN_TOPIC: u8 = 1;

fn decode(row: &[u8]) -> Result<(Content, Place), StepError> {
    let parts = row.split_first_chunk().and_then(|(content, place)| {
        let (offset, mark) = place.split_first_chunk()?;
        let offset = Offset(u64::from_be_bytes(*offset));
        match mark {
            [] => Some((*content, Place::Entrance(offset))),
            [IN_TOPIC] => Some((*content, Place::Topic(offset))),
            _ => None,
        }
    });
    let unreadable =
        || StepError::Fatal(format!("the identity of an event cannot be read; it has {} bytes", row.len()));
    parts.map(|(content, place)| (Content(content), place)).ok_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use riverrun_event::{Event, Time};
    use riverrun_log::StateRead;

    use crate::overlay::testing::Committed;

    fn at_day(day: u64, offset: u64, id: &str, data: &str) -> Record {
        let mut event = Event::new(id, "/s", "t");
        event.data = Some(Bytes::copy_from_slice(data.as_bytes()));
        let position = TopicPartition::new(TopicName::new("orders.in").unwrap(), Partition(0)).at(Offset(offset));
        Record {
            position,
            accepted: Time::parse("1970-01-01T00:00:00Z").unwrap().plus(std::time::Duration::from_secs(day * 86_400)),
            event,
        }
    }

    fn commit(rows: &Committed, door: &mut Identities) {
        let changes = door.rows.take_changes();
        rows.commit(changes.rows);
        door.rows.settle(changes.commit);
    }

    fn open(rows: &Arc<Committed>) -> Identities {
        Identities::open(Overlay::new(Arc::clone(rows) as Arc<dyn StateRead>), 7).unwrap()
    }

    #[test]
    fn an_event_passes_once_within_the_window_whoever_has_the_task() {
        let rows = Arc::new(Committed::default());
        let mut door = open(&rows);
        assert_eq!(door.meet(&at_day(100, 0, "a", "1")).unwrap(), Met::New);
        assert_eq!(door.meet(&at_day(100, 1, "a", "1")).unwrap(), Met::Again);
        assert_eq!(door.meet(&at_day(100, 2, "a", "2")).unwrap(), Met::Other(Place::Entrance(Offset(0))));
        commit(&rows, &mut door);
        let mut door = open(&rows);
        assert_eq!(door.meet(&at_day(107, 3, "a", "1")).unwrap(), Met::Again);
        assert_eq!(door.meet(&at_day(107, 4, "b", "1")).unwrap(), Met::New);
        // A clock that goes back does not open the door again.
        assert_eq!(door.meet(&at_day(90, 5, "a", "1")).unwrap(), Met::Again);
        assert_eq!(door.meet(&at_day(108, 6, "a", "1")).unwrap(), Met::New);
    }

    #[test]
    fn an_event_that_was_let_in_elsewhere_is_recognised() {
        let rows = Arc::new(Committed::default());
        rows.commit(vec![moved_row(&at_day(100, 7, "a", "1"))]);
        let mut door = open(&rows);
        assert_eq!(door.meet(&at_day(104, 0, "a", "1")).unwrap(), Met::Again);
        assert_eq!(door.meet(&at_day(104, 1, "a", "2")).unwrap(), Met::Other(Place::Topic(Offset(7))));
        assert_eq!(door.meet(&at_day(108, 2, "a", "1")).unwrap(), Met::New);
        assert!(decode(&[0; 23]).is_err() && decode(&[0; 26]).is_err() && decode(&[2; 25]).is_err());
    }

    #[test]
    fn days_that_count_no_more_are_deleted_a_part_at_a_time() {
        let rows = Arc::new(Committed::default());
        let mut door = open(&rows);
        for number in 0..3_000 {
            door.meet(&at_day(100, number, &number.to_string(), "")).unwrap();
        }
        door.forget().unwrap();
        commit(&rows, &mut door);
        assert_eq!(rows.0.lock().unwrap().len(), 3_000);
        for left in [952, 0] {
            door.meet(&at_day(108, 9_000, "new", "")).unwrap();
            door.forget().unwrap();
            commit(&rows, &mut door);
            assert_eq!(rows.0.lock().unwrap().len(), left + 1);
        }
    }
}
