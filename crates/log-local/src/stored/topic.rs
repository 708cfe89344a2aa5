//! `Topic`: what a topic was declared to be.

use riverrun_event::TopicName;
use riverrun_log::{Compaction, Retention, TopicSpec};

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
    let Retention { age, partition_bytes, compaction } = spec.retention;
    out.push(u8::from(age.is_some()) | u8::from(partition_bytes.is_some()) << 1 | u8::from(compaction.is_some()) << 2);
    if let Some(age) = age {
        put_duration(&mut out, age);
    }
    if let Some(bytes) = partition_bytes {
        out.extend(bytes.to_be_bytes());
    }
    if let Some(compaction) = compaction {
        for duration in [compaction.after, compaction.history, compaction.deletions] {
            put_duration(&mut out, duration);
        }
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
    let compaction = if bounds & 4 == 0 { None } else { Some(compaction(&mut cursor)?) };
    cursor.end().map(|()| TopicSpec { name, partitions, retention: Retention { age, partition_bytes, compaction } })
}

fn compaction(cursor: &mut Cursor<'_>) -> Result<Compaction, Undecodable> {
    Ok(Compaction { after: cursor.duration()?, history: cursor.duration()?, deletions: cursor.duration()? })
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
            compaction in proptest::option::of(any::<(u32, u32, u32)>()),
        ) {
            let age = age.map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds));
            let seconds = |seconds: u32| Duration::from_secs(seconds.into());
            let compaction = compaction.map(|(after, history, deletions)| Compaction {
                after: seconds(after), history: seconds(history), deletions: seconds(deletions),
            });
            let spec = TopicSpec { name: TopicName::new(&name).unwrap(), partitions, retention: Retention { age, partition_bytes, compaction } };
            prop_assert_eq!(decode_key(&encode_key(TopicId(id))), Ok(TopicId(id)));
            prop_assert_eq!(decode_value(&encode_value(&spec)), Ok(spec));
        }
    }
}
