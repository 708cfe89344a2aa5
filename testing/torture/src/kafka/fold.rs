//! The app of most scenarios, which keeps a running fold per account, and what has to be on the cluster after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::load::{Fate, Sends};
use super::outside::Record;
use super::{Site, kafka_settings};
use crate::failure::Failure;
use crate::position::Position;

pub(super) const ORDERS: &str = "orders";
pub(super) const SUMS: &str = "sums";
/// More than one instance has workers, so that some move whenever one comes or goes.
const PARTITIONS: u32 = 6;

/// The app file; `more` is added to the settings of Kafka.
pub(super) fn app_file(site: &Site<'_>, instance: &str, data_directory: &Path, more: &str) -> String {
    // JSON strings are YAML strings, whatever the path has in it.
    let data_directory = Value::from(data_directory.to_string_lossy());
    format!(
        "app: fold
{kafka}data_dir: {data_directory}
listen: 127.0.0.1:0

topics:
  {ORDERS}: {{ partitions: {PARTITIONS}, key: data.account }}
  {SUMS}: {{ partitions: {PARTITIONS} }}

pipelines:
  {SUMS}:
    from: {ORDERS}
    steps:
      - fold:
          initial: '{{\"seen\": 0, \"sum\": 0}}'
          with: \"{{'seen': state.seen + 1, 'sum': state.sum + data.amount}}\"
    to: {SUMS}
    on_error: dead_letter
",
        kafka = kafka_settings(site, instance, more)
    )
}

/// Compares what was sent with the committed orders and sums.
///
/// # Errors
/// [`Failure::Broken`] with every place that is wrong.
pub(super) fn check(sends: &Sends, orders: &[Record], sums: &[Record]) -> Result<(), Failure> {
    let mut wrong = inputs(sends, orders);
    wrong.extend(order_of_accounts(sends, orders));
    wrong.extend(outputs(orders, sums));
    Failure::unless_empty(wrong)
}

/// What was acknowledged is where it was told to be, what was refused is nowhere, and nothing is there twice.
fn inputs(sends: &Sends, orders: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut found: BTreeMap<&str, Vec<Position>> = BTreeMap::new();
    for order in orders {
        found.entry(order.attribute("id").unwrap_or_default()).or_default().push(position(order));
    }
    for (id, sent) in sends {
        let places = found.remove(id.as_str()).unwrap_or_default();
        let is_right = match &sent.fate {
            Fate::Acknowledged(position) => places == [position.clone()],
            Fate::Refused => places.is_empty(),
            Fate::Unknown => places.len() <= 1,
        };
        if !is_right {
            let places: Vec<String> = places.iter().map(Position::to_string).collect();
            wrong.push(format!("order {id} is {:?} and stands at {places:?}", sent.fate));
        }
    }
    wrong.extend(found.keys().map(|id| format!("order {id:?} was never sent")));
    wrong
}

/// A sender waits for an answer before it sends the next order, so those that were acknowledged are in their order.
fn order_of_accounts(sends: &Sends, orders: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for order in orders {
        let sent = order.attribute("id").and_then(|id| sends.get(id));
        let Some(sent) = sent.filter(|sent| matches!(sent.fate, Fate::Acknowledged(_))) else { continue };
        if let Some(before) = last.insert(&sent.account, sent.number).filter(|before| *before > sent.number) {
            wrong.push(format!("{}: number {} of {} comes after {before}", position(order), sent.number, sent.account));
        }
    }
    wrong
}

/// Every order has one sum, and the sums of an account are those of its orders one after the other. Two owners of a partition at a
/// time would show as a second sum or a wrong one.
fn outputs(orders: &[Record], sums: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let by_position: BTreeMap<Position, &Record> = orders.iter().map(|order| (position(order), order)).collect();
    let mut expected = running_sums(orders);
    let mut last: BTreeMap<&str, Position> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for sum in sums {
        let place = format!("{SUMS}/{}@{}", sum.partition, sum.offset);
        let cause = sum.attribute("rrcause").and_then(Position::parse);
        let Some((cause, order)) = cause.and_then(|cause| Some((cause.clone(), by_position.get(&cause)?))) else {
            wrong.push(format!("{place} is of no order: {:?}", sum.attribute("rrcause")));
            continue;
        };
        let value: Value = sum.value.as_deref().and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default();
        match expected.remove(&cause) {
            None => wrong.push(format!("{place} is the second sum of {cause}")),
            Some(due) if due == value => {}
            Some(due) => wrong.push(format!("{place}, the sum of {cause}, is {value} and should be {due}")),
        }
        let account = order.key.as_deref().unwrap_or_default();
        if let Some(before) = last.insert(account, cause.clone()).filter(|before| *before > cause) {
            wrong.push(format!("{place} is of {cause}, after one of {before} of the same account"));
        }
        seen.insert(cause);
    }
    wrong.extend(expected.keys().map(|cause| format!("{cause} has no sum")));
    wrong
}

/// What the sum of each order has to be.
fn running_sums(orders: &[Record]) -> BTreeMap<Position, Value> {
    let mut accounts: BTreeMap<Option<&str>, (u64, u64)> = BTreeMap::new();
    let amount = |order: &Record| {
        let data: Value = order.value.as_deref().and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default();
        data.get("amount").and_then(Value::as_u64).unwrap_or_default()
    };
    let mut expected = BTreeMap::new();
    for order in orders {
        let (seen, sum) = accounts.entry(order.key.as_deref()).or_default();
        (*seen, *sum) = (*seen + 1, *sum + amount(order));
        expected.insert(position(order), serde_json::json!({ "seen": *seen, "sum": *sum }));
    }
    expected
}

fn position(order: &Record) -> Position {
    Position { topic: ORDERS.to_owned(), partition: order.partition, offset: order.offset }
}

#[cfg(test)]
mod tests {
    use super::super::load::Sent;
    use super::*;

    fn order(offset: u64, id: &str, amount: u64) -> Record {
        Record::sample(0, offset, id, "", &format!(r#"{{"account":"a","amount":{amount}}}"#))
    }

    fn sum(offset: u64, of: u64, seen: u64, sum: u64) -> Record {
        Record::sample(0, offset, "s", &format!("orders/0@{of}"), &format!(r#"{{"sum":{sum},"seen":{seen}}}"#))
    }

    fn wrong(orders: &[Record], sums: &[Record]) -> usize {
        let at = |offset| Fate::Acknowledged(Position { topic: ORDERS.to_owned(), partition: 0, offset });
        let sent = |number, fate| Sent { account: "a".to_owned(), number, fate };
        let sends: Sends = [("o-1", sent(1, at(3))), ("o-2", sent(2, at(5))), ("o-3", sent(3, Fate::Unknown))]
            .map(|(id, sent)| (id.to_owned(), sent))
            .into();
        match check(&sends, orders, sums) {
            Ok(()) => 0,
            Err(Failure::Broken(places)) => places.len(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_lost_double_or_in_disorder_is_found() {
        let orders = [order(3, "o-1", 1), order(5, "o-2", 2)];
        let sums = [sum(0, 3, 1, 1), sum(1, 5, 2, 3)];
        assert_eq!(wrong(&orders, &sums), 0);
        // What nobody told may be there, and counts.
        let more = [orders[0].clone(), orders[1].clone(), order(6, "o-3", 3)];
        assert_eq!(wrong(&more, &[sums[0].clone(), sums[1].clone(), sum(2, 6, 3, 6)]), 0);
        assert_eq!(wrong(&more, &sums), 1);
        // Lost on the way in and on the way out.
        assert_eq!(wrong(&orders[..1], &sums[..1]), 1);
        assert_eq!(wrong(&orders, &sums[..1]), 1);
        // Twice, wrong, in another order.
        assert_eq!(wrong(&orders, &[sums[0].clone(), sums[1].clone(), sum(2, 5, 2, 3)]), 1);
        assert_eq!(wrong(&orders, &[sums[0].clone(), sum(1, 5, 1, 2)]), 1);
        assert_eq!(wrong(&orders, &[sums[1].clone(), sums[0].clone()]), 1);
        assert_eq!(wrong(&[order(3, "o-1", 1), order(5, "o-2", 2), order(7, "o-9", 0)], &sums), 2);
    }
}
