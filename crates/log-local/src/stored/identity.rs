//! `Identity`: that an event was accepted, with what content and where it is.

use riverrun_log::{Content, Identity};

use super::codec::{Cursor, Undecodable};
use super::{PartitionId, TopicId};

/// The row's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) content: Content,
    /// The topic too, though the key is made of it: accepted losses and `verify` must find the record from the row alone.
    pub(crate) partition: PartitionId,
    pub(crate) offset: u64,
}

/// The identity of an event of this topic; `buffer` is memory to work in.
pub(crate) fn identity_of(topic: TopicId, source: &str, id: &str, buffer: &mut Vec<u8>) -> Identity {
    Identity::of(&topic.0.to_be_bytes(), source, id, buffer)
}

pub(crate) fn encode_key(identity: Identity) -> [u8; 16] {
    identity.0
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<Identity, Undecodable> {
    let mut cursor = Cursor::new("identity", bytes);
    let identity = Identity(cursor.array()?);
    cursor.end().map(|()| identity)
}

pub(crate) fn encode_value(seen: &Seen) -> [u8; 32] {
    let mut out = [0; 32];
    let place = seen.partition.topic.0.to_be_bytes().into_iter().chain(seen.partition.partition.to_be_bytes());
    let parts = seen.content.0.into_iter().chain(place).chain(seen.offset.to_be_bytes());
    out.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
    out
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<Seen, Undecodable> {
    let mut cursor = Cursor::new("identity", bytes);
    let content = Content(cursor.array()?);
    let partition = PartitionId { topic: TopicId(cursor.u32()?), partition: cursor.u32()? };
    let seen = Seen { content, partition, offset: cursor.u64()? };
    cursor.end().map(|()| seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(identity: [u8; 16], content: [u8; 16], place: (u32, u32), offset: u64) {
            let partition = PartitionId { topic: TopicId(place.0), partition: place.1 };
            let seen = Seen { content: Content(content), partition, offset };
            prop_assert_eq!(decode_key(&encode_key(Identity(identity))), Ok(Identity(identity)));
            prop_assert_eq!(decode_value(&encode_value(&seen)), Ok(seen));
        }
    }
}
