//! Where a record is: topic, partition and offset, written `flights/2@991`.

use std::fmt;
use std::str::FromStr;

use crate::name::{NameError, TopicName};

/// A partition number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

/// An offset within a partition. Offsets increase; only the local log promises that they are dense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// One partition of one topic, written `flights/2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
}

impl TopicPartition {
    /// Names one partition of a topic.
    #[must_use]
    pub fn new(topic: TopicName, partition: Partition) -> Self {
        Self { topic, partition }
    }

    /// The position of `offset` in this partition.
    #[must_use]
    pub fn at(&self, offset: Offset) -> Position {
        Position { topic: self.topic.clone(), partition: self.partition, offset }
    }
}

/// The place of one record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: Partition,
    /// The offset.
    pub offset: Offset,
}

impl Position {
    /// The partition this position is in.
    #[must_use]
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }

    /// Writes `topic/partition@offset` past the formatting machinery: a pipeline writes half a dozen positions per event.
    ///
    /// # Errors
    /// Those of `out`; texts have none.
    pub fn write_to(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str(self.topic.as_str())?;
        out.write_char('/')?;
        out.write_str(itoa::Buffer::new().format(self.partition.0))?;
        out.write_char('@')?;
        out.write_str(itoa::Buffer::new().format(self.offset.0))
    }
}

/// Why a text is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// Not of the form `topic/partition@offset`.
    #[error("{0:?} is no position; write topic/partition@offset, for example flights/2@991")]
    Form(String),
    /// The topic's name is not valid.
    #[error("the topic of the position: {0}")]
    Topic(#[from] NameError),
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let form = || PositionError::Form(text.to_owned());
        let (topic, place) = text.rsplit_once('/').ok_or_else(form)?;
        let (partition, offset) = place.split_once('@').ok_or_else(form)?;
        Ok(Self {
            topic: TopicName::internal(topic)?,
            partition: Partition(partition.parse().map_err(|_| form())?),
            offset: Offset(offset.parse().map_err(|_| form())?),
        })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.partition)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_and_read_the_same() {
        let parsed = "flights/2@991".parse::<Position>();
        assert_eq!(
            parsed.as_ref().map(|position| (position.partition, position.offset)),
            Ok((Partition(2), Offset(991)))
        );
        assert_eq!(parsed.map(|position| position.to_string()), Ok("flights/2@991".to_owned()));
        for bad in ["", "flights", "flights/2", "flights/x@1", "flights/1@-1", "Flights/1@1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
