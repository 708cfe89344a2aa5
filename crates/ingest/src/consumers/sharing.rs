//! The readers of one consumer and the partitions they share. Pure: the time is handed in, nothing is read or written.
//!
//! A reader is inside a call, or outside with events in hand. While it is outside, its partitions stay with it until its
//! session ends, it calls again, or it leaves: nobody else is given what it may be processing. While it is inside it has
//! nothing in hand, and its partitions move at once. A reader whose session ended keeps what nobody else asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Offset, TopicName, TopicPartition};
use riverrun_log::Epoch;
use tokio::time::Instant;

use super::assignment::share;
use super::cursor::{Cursor, Grant};

/// Most readers of one consumer.
pub const READERS_MAX: usize = 128;

/// A reader, named by itself or by the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderName(Arc<str>);

/// The text is no name of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reader's name has 1 to 100 of the characters a-z, A-Z, 0-9, '.', '_' and '-'")]
pub struct ReaderNameError;

impl FromStr for ReaderName {
    type Err = ReaderNameError;

    fn from_str(text: &str) -> Result<Self, ReaderNameError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=100).contains(&text.len()) && text.bytes().all(known) {
            Ok(Self(text.into()))
        } else {
            Err(ReaderNameError)
        }
    }
}

impl fmt::Display for ReaderName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Readers and partitions.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    readers: BTreeMap<ReaderName, Reader>,
    parts: BTreeMap<TopicPartition, Part>,
    /// Counts partitions given to readers.
    grants: u64,
    calls: u64,
}

#[derive(Debug)]
struct Reader {
    session: Duration,
    /// When it last called, while it is outside.
    seen: Instant,
    /// The call it is inside of.
    call: Option<u64>,
    /// Which of its partitions comes first in its next page.
    turn: usize,
}

/// One partition.
#[derive(Debug)]
struct Part {
    grant: Grant,
    reader: Option<ReaderName>,
    committed: Offset,
    /// The offset after the last event its reader was given.
    handed: Offset,
}

/// As many readers as may be are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyReaders;

/// Where a reader goes on in one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: TopicPartition,
    pub(super) next: Offset,
    pub(super) grant: Grant,
    /// Whether that is beyond what is committed: a cursor names the partition then.
    pub(super) ahead: bool,
}

/// Why a cursor cannot be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The partition was given to another reader since.
    Lost(TopicPartition),
    /// Nobody was given events up to there.
    NotHandedOut(TopicPartition),
}

/// A partition as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) partition: TopicPartition,
    pub(super) committed: Offset,
    pub(super) reader: Option<ReaderName>,
}

impl Sharing {
    /// Adds a partition at its committed position; it belongs to nobody yet.
    pub(super) fn add(&mut self, partition: TopicPartition, epoch: Epoch, committed: Offset) {
        let grant = self.next_grant(epoch);
        self.parts.insert(partition, Part { grant, reader: None, committed, handed: committed });
    }

    /// Takes the partitions of a topic away; cursors that name them are refused from now on.
    pub(super) fn remove(&mut self, topic: &TopicName) {
        self.parts.retain(|partition, _| partition.topic != *topic);
    }

    /// Begins a call of a reader, its first one too. A call it is inside of already is over.
    pub(super) fn enter(&mut self, name: &ReaderName, session: Duration, now: Instant) -> Result<u64, TooManyReaders> {
        self.calls += 1;
        let call = self.calls;
        if let Some(reader) = self.readers.get_mut(name) {
            (reader.session, reader.seen, reader.call) = (session, now, Some(call));
            return Ok(call);
        }
        if self.readers.len() >= READERS_MAX {
            self.expire(now);
        }
        if self.readers.len() >= READERS_MAX {
            return Err(TooManyReaders);
        }
        self.readers.insert(name.clone(), Reader { session, seen: now, call: Some(call), turn: 0 });
        Ok(call)
    }

    /// Whether the reader is inside a call.
    pub(super) fn has_call(&self, name: &ReaderName) -> bool {
        self.readers.get(name).is_some_and(|reader| reader.call.is_some())
    }

    /// Whether this call is still the reader's.
    pub(super) fn is_inside(&self, name: &ReaderName, call: u64) -> bool {
        self.readers.get(name).is_some_and(|reader| reader.call == Some(call))
    }

    /// Ends a call, if it is still the reader's.
    pub(super) fn exit(&mut self, name: &ReaderName, call: u64, now: Instant) {
        if let Some(reader) = self.readers.get_mut(name).filter(|reader| reader.call == Some(call)) {
            (reader.call, reader.seen) = (None, now);
        }
    }

    /// A reader goes for good; its partitions are free.
    pub(super) fn leave(&mut self, name: &ReaderName) {
        self.readers.remove(name);
        self.free();
    }

    /// Ends sessions and moves what can be moved now. Says whether anything did.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        self.expire(now);
        let readers: Vec<&ReaderName> = self.readers.keys().collect();
        let held = self.parts.iter().map(|(partition, part)| (partition, part.reader.as_ref()));
        let shared = share(&readers, held);
        let moves: Vec<(TopicPartition, ReaderName)> = shared
            .into_iter()
            .filter(|(partition, reader)| self.may_move(partition, reader))
            .map(|(partition, reader)| (partition.clone(), reader.clone()))
            .collect();
        for (partition, reader) in &moves {
            self.give(partition, Some(reader.clone()));
        }
        !moves.is_empty()
    }

    /// Whether the partition is to move, and its present reader has nothing of it in hand.
    fn may_move(&self, partition: &TopicPartition, to: &ReaderName) -> bool {
        let Some(part) = self.parts.get(partition) else { return false };
        match &part.reader {
            None => true,
            Some(reader) => reader != to && self.readers.get(reader).is_none_or(|reader| reader.call.is_some()),
        }
    }

    /// When the next session could end.
    pub(super) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let seen = |reader: &Reader| if reader.call.is_some() { now } else { reader.seen };
        self.readers.values().map(|reader| seen(reader) + reader.session).min()
    }

    /// Where a reader goes on: behind `after` where that was handed to it, else at what is committed. The partitions take turns
    /// in coming first.
    pub(super) fn places(&self, name: &ReaderName, after: &Cursor) -> Vec<Place> {
        let mut places: Vec<Place> = self
            .parts
            .iter()
            .filter(|(_, part)| part.reader.as_ref() == Some(name))
            .map(|(partition, part)| part.place(partition, after))
            .collect();
        let turn = self.readers.get(name).map_or(0, |reader| reader.turn);
        if let Some(turn) = turn.checked_rem(places.len()) {
            places.rotate_left(turn);
        }
        places
    }

    /// Hands events of a partition up to `next` out, if it is still granted so.
    pub(super) fn hand_out(&mut self, partition: &TopicPartition, grant: Grant, next: Offset) -> bool {
        let Some(part) = self.parts.get_mut(partition).filter(|part| part.grant == grant) else { return false };
        part.handed = part.handed.max(next);
        true
    }

    /// Another partition of the reader comes first the next time.
    pub(super) fn turn(&mut self, name: &ReaderName) {
        if let Some(reader) = self.readers.get_mut(name) {
            reader.turn = reader.turn.wrapping_add(1);
        }
    }

    /// The cursor of a reader that was given what lies behind `after`, and now the events before these places.
    pub(super) fn cursor(&self, name: &ReaderName, after: &Cursor, handed: &[Place]) -> Cursor {
        let mut cursor = Cursor::default();
        let before = self.places(name, after).into_iter().filter(|place| place.ahead);
        let named = before.chain(handed.iter().cloned());
        cursor.0.extend(named.map(|place| (place.partition, (place.next, place.grant))));
        cursor
    }

    /// What of a cursor is new, once it is known that all of it may be committed. Its reader has given a sign of life.
    pub(super) fn check(&mut self, cursor: &Cursor, now: Instant) -> Result<Vec<(TopicPartition, Offset)>, Refused> {
        let mut new = Vec::new();
        for (partition, (next, grant)) in &cursor.0 {
            let granted = self.parts.get(partition).filter(|part| part.grant == *grant);
            let part = granted.ok_or_else(|| Refused::Lost(partition.clone()))?;
            if *next > part.handed {
                return Err(Refused::NotHandedOut(partition.clone()));
            }
            if let Some(reader) = part.reader.as_ref().and_then(|reader| self.readers.get_mut(reader)) {
                reader.seen = now;
            }
            if *next > part.committed {
                new.push((partition.clone(), *next));
            }
        }
        Ok(new)
    }

    /// The position is durable.
    pub(super) fn committed(&mut self, partition: &TopicPartition, next: Offset) {
        if let Some(part) = self.parts.get_mut(partition) {
            part.committed = part.committed.max(next);
        }
    }

    /// The position was set anew, durably: whoever has events of it in hand cannot commit them any more.
    pub(super) fn reset(&mut self, partition: &TopicPartition, next: Offset) {
        let Some(reader) = self.parts.get(partition).map(|part| part.reader.clone()) else { return };
        self.give(partition, reader);
        if let Some(part) = self.parts.get_mut(partition) {
            (part.committed, part.handed) = (next, next);
        }
    }

    /// The epoch of a partition's commits.
    pub(super) fn epoch(&self, partition: &TopicPartition) -> Option<Epoch> {
        self.parts.get(partition).map(|part| part.grant.epoch)
    }

    /// All partitions.
    pub(super) fn held(&self) -> Vec<Held> {
        let held = |(partition, part): (&TopicPartition, &Part)| Held {
            partition: partition.clone(),
            committed: part.committed,
            reader: part.reader.clone(),
        };
        self.parts.iter().map(held).collect()
    }

    /// How many readers have a session.
    pub(super) fn readers(&self, now: Instant) -> usize {
        self.readers.values().filter(|reader| !reader.is_over(now)).count()
    }

    fn expire(&mut self, now: Instant) {
        let before = self.readers.len();
        self.readers.retain(|_, reader| !reader.is_over(now));
        if self.readers.len() < before {
            self.free();
        }
    }

    /// Takes partitions from readers that are gone.
    fn free(&mut self) {
        let gone = |part: &Part| part.reader.as_ref().is_some_and(|reader| !self.readers.contains_key(reader));
        let free: Vec<_> = self.parts.iter().filter(|(_, part)| gone(part)).map(|(name, _)| name.clone()).collect();
        for partition in free {
            self.give(&partition, None);
        }
    }

    /// Gives a partition to a reader, from its committed position on.
    fn give(&mut self, partition: &TopicPartition, reader: Option<ReaderName>) {
        let Some(epoch) = self.epoch(partition) else { return };
        let grant = self.next_grant(epoch);
        if let Some(part) = self.parts.get_mut(partition) {
            (part.grant, part.reader, part.handed) = (grant, reader, part.committed);
        }
    }

    fn next_grant(&mut self, epoch: Epoch) -> Grant {
        self.grants += 1;
        Grant { epoch, number: self.grants }
    }
}

impl Reader {
    fn is_over(&self, now: Instant) -> bool {
        self.call.is_none() && self.seen + self.session <= now
    }
}

impl Part {
    fn place(&self, partition: &TopicPartition, after: &Cursor) -> Place {
        let named = after.0.get(partition).filter(|(next, grant)| *grant == self.grant && *next <= self.handed);
        let next = named.map_or(self.committed, |(next, _)| self.committed.max(*next));
        Place { partition: partition.clone(), next, grant: self.grant, ahead: next > self.committed }
    }
}

#[cfg(test)]
mod tests;
