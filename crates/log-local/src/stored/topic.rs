//! `Topic`: what a topic was declared to be.

use riverrun_event::TopicName;
use riverrun_log::{Retention, TopicSpec};

use super::TopicId;
use super::codec::{Cursor, Undecodable, key, put_duration, put_string};
use crate::schema::StoredRow;

pub(crate) fn encode_key(topic: TopicId) -> Vec<u8> {
    let mut out = key(StoredRow::Topic, 4);
    out.extend(topic.0.to_be_bytes());
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<TopicId, Undecodable> {
    let mut cursor = Cursor::new("topic", bytes);
    cursor.tag(StoredRow::Topic)?;
    let topic = TopicId(cursor.u32()?);
    cursor.end().map(|()| topic)
}

pub(crate) fn encode_value(spec: &TopicSpec) -> Vec<u8> {
    let mut out = Vec::new();
    put_string(&mut out, spec.name.as_str().as_bytes());
    out.extend(spec.partitions.to_be_bytes());
    out.push(u8::from(spec.retention.age.is_some()) | u8::from(spec.retention.partition_bytes.is_some()) << 1);
    if let Some(age) = spec.retention.age {
        put_duration(&mut out, age);
    }
    if let Some(bytes) = spec.retention.partition_bytes {
        out.extend(bytes.to_be_bytes());
    }
    out
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<TopicSpec, Undecodable> {
    let mut cursor = Cursor::new("topic", bytes);
    let name = TopicName::internal(cursor.text()?).map_err(|_| cursor.error("its name is not valid"))?;
    let partitions = cursor.u32()?;
    let bounds = cursor.u8()?;
    let age = if bounds & 1 == 0 { None } else { Some(cursor.duration()?) };
    let partition_bytes = if bounds & 2 == 0 { None } else { Some(cursor.u64()?) };
    cursor.end().map(|()| TopicSpec { name, partitions, retention: Retention { age, partition_bytes } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn comes_back_as_it_went(
            id: u32, name in "[a-z0-9][a-z0-9._-]{0,20}", partitions: u32,
            age in proptest::option::of((any::<u64>(), 0..1_000_000_000_u32)), partition_bytes: Option<u64>,
        ) {
            let age = age.map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds));
            let spec = TopicSpec { name: TopicName::new(&name).unwrap(), partitions, retention: Retention { age, partition_bytes } };
            prop_assert_eq!(decode_key(&encode_key(TopicId(id))), Ok(TopicId(id)));
            prop_assert_eq!(decode_value(&encode_value(&spec)), Ok(spec));
        }
    }
}
