//! What a reader commits: per partition the next position, and the grant under which it was handed out.
//!
//! Written `flights/2@991~7.3,...`: position, epoch of the log, grant of this process. Readers send it back as it is. It names
//! few partitions, so that it fits a header and a query.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use riverrun_event::{Offset, Position, TopicPartition};
use riverrun_log::Epoch;

/// Most partitions a cursor names: a page takes events of no more than these before some are committed.
pub(crate) const CURSOR_PARTITIONS_MAX: usize = 64;

/// The right to a partition. It ends when the partition is given to another reader, or the log to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) epoch: Epoch,
    pub(super) number: u64,
}

/// Up to where a reader has been given events, per partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub(super) BTreeMap<TopicPartition, (Offset, Grant)>);

/// The text is no cursor of a consumer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no cursor of a consumer; send one back as it came with the events")]
pub struct CursorError(String);

impl Cursor {
    /// Whether it names no partition: then there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (partition, (next, grant))) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(formatter, "{comma}{partition}@{next}~{}.{}", grant.epoch.0, grant.number)?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        // 200 characters show which one it was; a caller chose it.
        let refused = || CursorError(text.chars().take(200).collect());
        let mut cursor = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (position, grant) = entry(part).ok_or_else(refused)?;
            let twice = cursor.0.insert(position.topic_partition(), (position.offset, grant)).is_some();
            if twice || cursor.0.len() > CURSOR_PARTITIONS_MAX {
                return Err(refused());
            }
        }
        Ok(cursor)
    }
}

fn entry(text: &str) -> Option<(Position, Grant)> {
    let (position, grant) = text.split_once('~')?;
    let (epoch, number) = grant.split_once('.')?;
    Some((position.parse().ok()?, Grant { epoch: Epoch(epoch.parse().ok()?), number: number.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_are_written() {
        for good in ["", "flights/2@991~7.3", "_dead-letters.a/0@1~1.1,flights/0@12~7.3,flights/10@2~7.40"] {
            assert_eq!(good.parse::<Cursor>().map(|cursor| cursor.to_string()), Ok(good.to_owned()));
        }
        let many: Vec<String> = (0..=CURSOR_PARTITIONS_MAX).map(|partition| format!("a/{partition}@1~1.1")).collect();
        for bad in ["flights/2@991", "flights/2~7.3", "a/0@1~7", "a/0@1~-1.2", "a/0@1~1.1,a/0@2~1.1", &many.join(",")] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
