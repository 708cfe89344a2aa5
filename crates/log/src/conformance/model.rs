//! A log against a model of it: seeded random calls, and the same answers from both.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use riverrun_event::{Event, Offset, Position};

use super::owner::Owner;
use super::words::{append, delete, ensure, event, membership, operator, partition, progress, put, read_all, record};
use super::{Bench, Case, Features, case};
use crate::append::{AppendBatch, AppendError, Logged, NewRecord};
use crate::contract::{Direction, Log};
use crate::random::Random;

pub(super) const CASES: &[Case] = &[case("random calls are answered as a model of the log answers them", model_agrees)];

const SEEDS: u64 = 12;
const SESSIONS: u32 = 8;
const SESSION_STEPS: u32 = 10;
const OPERATORS: [&str; 3] = ["o", "op", "op.x"];

fn model_agrees(bench: &Bench<'_>) {
    for seed in 0..SEEDS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run_seed(bench, seed))) {
            panic!("seed {seed}: {}", super::reason(&*panic));
        }
    }
}

fn run_seed(bench: &Bench<'_>, seed: u64) {
    let mut opened = bench.open();
    ensure(opened.log(), &[("in", 1), ("a", 2)]);
    let mut model = Model::new(bench.features, seed);
    for _ in 0..SESSIONS {
        model.session(opened.log());
        if bench.features.reopens && model.random.chance(300) {
            opened = opened.reopen();
        }
        model.check_records(opened.log());
    }
}

/// What a log must hold, kept in the simplest way.
struct Model {
    features: Features,
    random: Random,
    /// The events of each partition of `a`, in order.
    partitions: [Vec<Event>; 2],
    /// What the log answered, to be found there.
    answered: Vec<(Position, Event)>,
    /// By id; all events have one source.
    identities: HashMap<String, (Position, Event)>,
    rows: BTreeMap<(&'static str, String), String>,
    commits: u64,
}

impl Model {
    fn new(features: Features, seed: u64) -> Self {
        Self {
            features,
            random: Random::seeded(seed),
            partitions: [Vec::new(), Vec::new()],
            answered: Vec::new(),
            identities: HashMap::new(),
            rows: BTreeMap::new(),
            commits: 0,
        }
    }

    /// One life of a worker and a door.
    fn session(&mut self, log: &dyn Log) {
        let mut owner = Owner::join(log, membership("g", 1));
        for _ in 0..SESSION_STEPS {
            assert_eq!(owner.position(0).0.max(self.commits), self.commits, "a position no commit gave");
            match self.random.below(10) {
                0..4 => self.append(log),
                4..7 => self.commit(&mut owner),
                7..9 => self.check_scan(&owner),
                _ => {
                    owner.join_again();
                    assert_eq!(owner.position(0), Offset(self.commits));
                }
            }
        }
    }

    /// A record whose id says the partition, so that a repetition goes where the first went.
    fn any_record(&mut self) -> NewRecord {
        let id = self.random.below(40);
        let data = if self.random.chance(50) { "other" } else { "same" };
        record(&partition("a", u32::from(id % 2 == 1)), event(&id.to_string(), data))
    }

    fn append(&mut self, log: &dyn Log) {
        let count = self.random.below(5);
        let records: Vec<_> = (0..count).map(|_| self.any_record()).collect();
        let answer = append(log, AppendBatch { records: records.clone() });
        if let Some(conflict) = self.conflict(&records) {
            let refused_at = match &answer {
                Err(AppendError::Conflict { index, .. }) => Some(*index),
                _ => None,
            };
            assert_eq!(refused_at, Some(conflict), "answered {answer:?} to {records:?}");
            return;
        }
        let logged = answer.unwrap();
        assert_eq!(logged.len(), records.len());
        for (record, logged) in records.into_iter().zip(logged) {
            self.expect_logged(record, &logged);
        }
    }

    /// The index of the first record that conflicts with what is stored or with an earlier one.
    fn conflict(&self, records: &[NewRecord]) -> Option<usize> {
        let mut known: HashMap<&str, &Event> =
            self.identities.iter().map(|(id, (_, event))| (id.as_str(), event)).collect();
        let differs = |record: &NewRecord, known: &Event| record.event != *known;
        records.iter().position(|record| {
            let known = *known.entry(&record.event.id).or_insert(&record.event);
            self.features.deduplicates && differs(record, known)
        })
    }

    fn expect_logged(&mut self, record: NewRecord, logged: &Logged) {
        let position = logged.position().clone();
        let known = self.identities.get(&*record.event.id).filter(|_| self.features.deduplicates);
        if let Some((first, _)) = known {
            assert_eq!(logged, &Logged::Duplicate(first.clone()));
            return;
        }
        assert!(!logged.is_duplicate(), "{logged:?} for a new event");
        self.partitions[record.partition.0 as usize].push(record.event.clone());
        self.answered.push((position.clone(), record.event.clone()));
        self.identities.insert(record.event.id.to_string(), (position, record.event));
    }

    fn commit(&mut self, owner: &mut Owner<'_>) {
        self.commits += 1;
        let mut commit = progress(0, self.commits);
        for _ in 0..self.random.below(4) {
            let record = self.any_record();
            self.partitions[record.partition.0 as usize].push(record.event.clone());
            commit.records.push(record);
        }
        for _ in 0..self.random.below(6) {
            let (operator, key) = self.any_row();
            if self.random.chance(300) {
                commit.state.push(delete(operator, &key));
                self.rows.remove(&(operator, key));
            } else {
                let value = self.random.bits().to_string();
                commit.state.push(put(operator, &key, &value));
                self.rows.insert((operator, key), value);
            }
        }
        owner.commit(vec![commit]);
    }

    fn any_row(&mut self) -> (&'static str, String) {
        let operator = OPERATORS[self.random.below(OPERATORS.len() as u64) as usize];
        let length = self.random.below(3);
        (operator, (0..length).map(|_| char::from(b'a' + self.random.below(3) as u8)).collect())
    }

    fn check_scan(&mut self, owner: &Owner<'_>) {
        let ((name, from), (_, to)) = (self.any_row(), self.any_row());
        let limit = self.random.below(8) as usize;
        let rows = self.rows.iter().filter(|((operator, key), _)| *operator == name && *key >= from && *key < to);
        let mut expected: Vec<_> = rows.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        let direction = if self.random.chance(500) { Direction::Ascending } else { Direction::Descending };
        if direction == Direction::Descending {
            expected.reverse();
        }
        expected.truncate(limit);
        let found = owner.state(0).scan(&operator(name), from.as_bytes(), to.as_bytes(), direction, limit).unwrap();
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let found: Vec<_> = found.into_iter().map(|(key, value)| (text(key), text(value))).collect();
        assert_eq!(found, expected, "{name}: {from:?} to {to:?}, {direction:?}, at most {limit}");
        assert_eq!(owner.row(0, name, &from), self.rows.get(&(name, from)).cloned());
    }

    fn check_records(&self, log: &dyn Log) {
        for (number, expected) in (0..).zip(&self.partitions) {
            let read = read_all(log, &partition("a", number));
            let events: Vec<_> = read.iter().map(|record| record.event.clone()).collect();
            assert_eq!(&events, expected, "partition {number}");
            for (position, event) in self.answered.iter().filter(|(position, _)| position.partition.0 == number) {
                let found = read.iter().find(|record| record.position == *position);
                assert_eq!(found.map(|record| &record.event), Some(event), "{position}");
            }
        }
    }
}
