//! Order records and positions as bytes: numbers as eight bytes, big end first, texts and bytes behind their length.

use std::collections::BTreeMap;

use crate::state::Applied;
use bytes::{Buf, BufMut, Bytes};
use riverrun_event::{ModelName, Offset, Partition, Time, TopicName, TopicPartition};
use riverrun_log::{CallAnswer, InputRange, ModelFrontier, Order};

/// The version of the format; the first byte.
const VERSION: u8 = 1;

pub(crate) fn encode_order(order: &Order) -> Bytes {
    let mut out = vec![VERSION, u8::from(order.tick.is_some())];
    if let Some(tick) = order.tick {
        out.put_i64(tick.unix_seconds());
        out.put_u32(tick.subsecond_nanoseconds());
    }
    put_count(&mut out, order.ranges.len());
    for InputRange { input, from, to } in &order.ranges {
        put_bytes(&mut out, input.topic.as_str().as_bytes());
        out.put_u32(input.partition.0);
        out.put_u64(from.0);
        out.put_u64(to.0);
    }
    put_count(&mut out, order.frontiers.len());
    for ModelFrontier { model, partition, next } in &order.frontiers {
        put_bytes(&mut out, model.as_str().as_bytes());
        out.put_u32(partition.0);
        out.put_u64(next.0);
    }
    put_count(&mut out, order.answers.len());
    for CallAnswer { call, answer } in &order.answers {
        put_bytes(&mut out, call);
        put_bytes(&mut out, answer);
    }
    out.into()
}

/// # Errors
/// What is wrong with the bytes.
pub(crate) fn decode_order(mut bytes: Bytes) -> Result<Order, String> {
    let short = |_| "a row ends too early".to_owned();
    if bytes.try_get_u8().map_err(short)? != VERSION {
        return Err("a row of another version".to_owned());
    }
    let mut order = Order::default();
    if bytes.try_get_u8().map_err(short)? == 1 {
        let seconds = bytes.try_get_i64().map_err(short)?;
        order.tick = Some(Time::from_unix(seconds, bytes.try_get_u32().map_err(short)?));
    }
    for _ in 0..bytes.try_get_u32().map_err(short)? {
        let topic = TopicName::internal(&take_text(&mut bytes)?).map_err(|error| error.to_string())?;
        let input = TopicPartition::new(topic, Partition(bytes.try_get_u32().map_err(short)?));
        let (from, to) = (bytes.try_get_u64().map_err(short)?, bytes.try_get_u64().map_err(short)?);
        order.ranges.push(InputRange { input, from: Offset(from), to: Offset(to) });
    }
    for _ in 0..bytes.try_get_u32().map_err(short)? {
        let model = ModelName::internal(&take_text(&mut bytes)?).map_err(|error| error.to_string())?;
        let partition = Partition(bytes.try_get_u32().map_err(short)?);
        order.frontiers.push(ModelFrontier { model, partition, next: Offset(bytes.try_get_u64().map_err(short)?) });
    }
    for _ in 0..bytes.try_get_u32().map_err(short)? {
        let call = take_bytes(&mut bytes)?;
        order.answers.push(CallAnswer { call, answer: take_bytes(&mut bytes)? });
    }
    Ok(order)
}

/// How far each input was read.
pub(crate) fn encode_positions(positions: &BTreeMap<TopicPartition, Offset>) -> Bytes {
    let mut out = vec![VERSION];
    put_count(&mut out, positions.len());
    for (input, next) in positions {
        put_bytes(&mut out, input.topic.as_str().as_bytes());
        out.put_u32(input.partition.0);
        out.put_u64(next.0);
    }
    out.into()
}

/// # Errors
/// What is wrong with the bytes.
pub(crate) fn decode_positions(mut bytes: Bytes) -> Result<BTreeMap<TopicPartition, Offset>, String> {
    let short = |_| "a row ends too early".to_owned();
    if bytes.try_get_u8().map_err(short)? != VERSION {
        return Err("a row of another version".to_owned());
    }
    let mut positions = BTreeMap::new();
    for _ in 0..bytes.try_get_u32().map_err(short)? {
        let topic = TopicName::internal(&take_text(&mut bytes)?).map_err(|error| error.to_string())?;
        let input = TopicPartition::new(topic, Partition(bytes.try_get_u32().map_err(short)?));
        positions.insert(input, Offset(bytes.try_get_u64().map_err(short)?));
    }
    Ok(positions)
}

/// Up to where which changelog was applied, and when.
pub(crate) fn encode_applied(applied: &Applied) -> Bytes {
    let mut out = vec![VERSION];
    out.extend_from_slice(&applied.topic);
    out.put_i64(applied.next);
    out.put_i64(applied.at.unix_ms());
    out.into()
}

/// # Errors
/// What is wrong with the bytes.
pub(crate) fn decode_applied(mut bytes: Bytes) -> Result<Applied, String> {
    let short = |_| "a row ends too early".to_owned();
    if bytes.try_get_u8().map_err(short)? != VERSION {
        return Err("a row of another version".to_owned());
    }
    let mut topic = [0; 16];
    bytes.try_copy_to_slice(&mut topic).map_err(short)?;
    let next = bytes.try_get_i64().map_err(short)?;
    Ok(Applied { topic, next, at: Time::from_unix_ms(bytes.try_get_i64().map_err(short)?) })
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take_bytes(bytes: &mut Bytes) -> Result<Bytes, String> {
    let length = bytes.try_get_u32().ok().and_then(|length| usize::try_from(length).ok());
    match length.filter(|length| *length <= bytes.len()) {
        Some(length) => Ok(bytes.split_to(length)),
        None => Err("a row ends too early".to_owned()),
    }
}

fn take_text(bytes: &mut Bytes) -> Result<String, String> {
    String::from_utf8(take_bytes(bytes)?.to_vec()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_cut_ones_are_refused() {
        let full = Order {
            tick: Some(Time::from_unix(-7, 8)),
            ranges: vec![InputRange {
                input: "in/3@0".parse::<riverrun_event::Position>().unwrap().topic_partition(),
                from: Offset(1),
                to: Offset(9),
            }],
            frontiers: vec![ModelFrontier {
                model: ModelName::new("plane").unwrap(),
                partition: Partition(2),
                next: Offset(5),
            }],
            answers: vec![CallAnswer { call: "call".into(), answer: Bytes::new() }],
        };
        for order in [Order::default(), full] {
            let bytes = encode_order(&order);
            assert_eq!(decode_order(bytes.clone()), Ok(order));
            for end in 0..bytes.len() {
                assert!(decode_order(bytes.slice(..end)).is_err(), "cut at {end}");
            }
        }
    }
}
