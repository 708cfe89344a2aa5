//! A position as the interface writes it: `orders/2@991`.

use std::fmt;

/// Topic, partition and offset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The offset in the partition.
    pub offset: u64,
}

impl Position {
    /// Reads a position; `None` when the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (partition, offset) = text.rsplit_once('@')?;
        let (topic, partition) = partition.rsplit_once('/')?;
        Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_written() {
        assert_eq!(Position::parse("orders/2@991").unwrap().to_string(), "orders/2@991");
        for bad in ["", "orders", "orders/2", "orders/x@1", "orders@1"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
