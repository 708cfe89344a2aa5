//! The ledger: what was sent, and what the server answered to it. The checks trust it alone.
//!
//! An intent is written before its request leaves and the answer after it came, in memory for the checks and as a line of a file for
//! people. The file lies where no fault reaches; this process is never killed by a fault, so a line that was written stays.
//! A clock counts intents and answers, which tells what was acknowledged before something else was sent.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::event::Event;
use crate::failure::{Failure, OrEnvironment};
use crate::position::Position;

/// What is known of an event that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Sent, not answered yet, or never. It may be in the log, once.
    Unknown,
    /// 202: it is in the log, here and nowhere else.
    Acknowledged {
        /// Where.
        position: Position,
        /// When, by the ledger's clock.
        at: u64,
    },
    /// Refused, or a part of what must be refused: it is not in the log.
    Refused,
}

/// One event of the ledger.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The topic it was sent to.
    pub topic: String,
    /// The event.
    pub event: Event,
    /// Which sender.
    pub sender: usize,
    /// When it was first sent, by the ledger's clock.
    pub sent: u64,
    /// What became of it.
    pub fate: Fate,
}

/// The ledger of a run; its senders share it.
#[derive(Debug)]
pub struct Ledger {
    book: Mutex<Book>,
    acknowledgements: AtomicU64,
}

#[derive(Debug)]
struct Book {
    entries: Vec<Entry>,
    broken: Vec<String>,
    clock: u64,
    file: File,
}

/// How many events had which fate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Answered with 202.
    pub acknowledged: usize,
    /// Refused.
    pub refused: usize,
    /// Neither.
    pub unknown: usize,
}

impl Ledger {
    /// An empty ledger, also written to `path`.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the file cannot be made.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).or_environment("cannot create the ledger")?;
        let book = Book { entries: Vec::new(), broken: Vec::new(), clock: 0, file };
        Ok(Self { book: Mutex::new(book), acknowledgements: AtomicU64::new(0) })
    }

    /// Records that these events are about to be sent; gives their numbers. `fate` is [`Fate::Refused`] for what must be refused.
    pub fn intend(&self, sender: usize, topic: &str, events: &[Event], fate: &Fate) -> Vec<usize> {
        let mut book = self.open();
        let sent = book.tick();
        let mut numbers = Vec::with_capacity(events.len());
        for event in events {
            numbers.push(book.entries.len());
            book.write(&json!({
                "clock": sent, "intent": {"sender": sender, "topic": topic, "id": event.id, "source": event.source,
                "time": event.time(), "data": event.data, "must_be_refused": *fate == Fate::Refused}
            }));
            let (topic, event, fate) = (topic.to_owned(), event.clone(), fate.clone());
            book.entries.push(Entry { topic, event, sender, sent, fate });
        }
        numbers
    }

    /// Records that an event is acknowledged.
    pub fn acknowledge(&self, number: usize, position: Position) {
        // Before anything else: a fault may be waiting for this moment.
        self.acknowledgements.fetch_add(1, Ordering::SeqCst);
        let mut book = self.open();
        let at = book.tick();
        book.write(&json!({"clock": at, "acknowledged": number, "position": position.to_string()}));
        if let Some(entry) = book.entries.get_mut(number) {
            entry.fate = Fate::Acknowledged { position, at };
        }
    }

    /// How many acknowledgements came so far.
    #[must_use]
    pub fn acknowledgements(&self) -> u64 {
        self.acknowledgements.load(Ordering::SeqCst)
    }

    /// Records a promise that was broken in an answer.
    pub fn broken(&self, what: String) {
        let mut book = self.open();
        let clock = book.tick();
        book.write(&json!({"clock": clock, "broken": what}));
        book.broken.push(what);
    }

    /// The broken promises so far.
    #[must_use]
    pub fn broken_promises(&self) -> Vec<String> {
        self.open().broken.clone()
    }

    /// An entry by its number.
    #[must_use]
    pub fn entry(&self, number: usize) -> Option<Entry> {
        self.open().entries.get(number).cloned()
    }

    /// All entries in the order they were sent.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.open().entries.clone()
    }

    /// How many events had which fate.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in &self.open().entries {
            match entry.fate {
                Fate::Acknowledged { .. } => counts.acknowledged += 1,
                Fate::Refused => counts.refused += 1,
                Fate::Unknown => counts.unknown += 1,
            }
        }
        counts
    }

    fn open(&self) -> MutexGuard<'_, Book> {
        // Nothing in here panics half-way through a change.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The file is for people: if its disk is full, the run goes on from memory and says so at the end of the file's last line.
    fn write(&mut self, line: &Value) {
        if writeln!(self.file, "{line}").is_err() && self.broken.is_empty() {
            self.broken.push("the ledger's file cannot be written; is its disk full?".to_owned());
        }
    }
}
