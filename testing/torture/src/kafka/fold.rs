//! The app of most scenarios, which keeps a running fold per account, and what has to be on the cluster after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::load::{DOUBLE_AMOUNT, Fate, Sends};
use super::outside::Record;
use super::{Site, kafka_settings};
use crate::failure::Failure;
use crate::position::Position;

pub(super) const ORDERS: &str = "orders";
pub(super) const SUMS: &str = "sums";
/// Where doors put orders before they are let in.
pub(super) const ENTRANCE: &str = "orders.in";
/// Where orders with the id of another one end.
pub(super) const REFUSED: &str = "_door-dead-letters.orders";
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

/// What is on the cluster after it.
pub(super) struct Found {
    pub(super) orders: Vec<Record>,
    pub(super) sums: Vec<Record>,
    /// Orders that were not let in.
    pub(super) refused: Vec<Record>,
}

/// Compares what was sent with the committed orders and sums.
///
/// # Errors
/// [`Failure::Broken`] with every place that is wrong.
pub(super) fn check(sends: &Sends, found: &Found) -> Result<(), Failure> {
    let mut wrong = inputs(sends, &found.orders);
    wrong.extend(doubles(sends, &found.refused));
    wrong.extend(order_of_accounts(sends, &found.orders));
    wrong.extend(outputs(&found.orders, &found.sums));
    Failure::unless_empty(wrong)
}

/// What was acknowledged is there once, what was refused is nowhere, and nothing is there twice, however often it was sent.
fn inputs(sends: &Sends, orders: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut found: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for order in orders {
        found.entry(order.attribute("id").unwrap_or_default()).or_default().push(order);
    }
    for (id, sent) in sends {
        let places = found.remove(id.as_str()).unwrap_or_default();
        let is_right = match &sent.fate {
            Some(Fate::Acknowledged(position)) => {
                matches!(places[..], [only] if only.partition == position.partition && amount(only) == sent.number)
            }
            Some(Fate::Refused) => places.is_empty(),
            Some(Fate::Unknown) | None => places.len() <= 1,
        };
        if !is_right {
            let places: Vec<String> = places.into_iter().map(|order| position(order).to_string()).collect();
            wrong.push(format!("order {id} is {:?} and stands at {places:?}", sent.fate));
        }
    }
    wrong.extend(found.keys().map(|id| format!("order {id:?} was never sent")));
    wrong
}

/// Every other order with a used id became a dead letter, and nothing else did.
fn doubles(sends: &Sends, refused: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut missing: BTreeSet<&str> =
        sends.iter().filter(|(_, sent)| sent.has_double).map(|(id, _)| id.as_str()).collect();
    for letter in refused {
        let id = letter.attribute("id").unwrap_or_default();
        missing.remove(id);
        if amount(letter) != DOUBLE_AMOUNT || letter.attribute("rrerrorcode") != Some("RR0142") {
            wrong.push(format!("{id:?} was refused for {:?}", letter.attribute("rrerror")));
        }
    }
    wrong.extend(missing.into_iter().map(|id| format!("the double of {id} is no dead letter")));
    wrong
}

fn amount(order: &Record) -> u64 {
    let data: Value = order.value.as_deref().and_then(|value| serde_json::from_str(value).ok()).unwrap_or_default();
    data.get("amount").and_then(Value::as_u64).unwrap_or_default()
}

/// A sender waits for an answer before it sends the next order, so those that were acknowledged are in their order.
fn order_of_accounts(sends: &Sends, orders: &[Record]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for order in orders {
        let sent = order.attribute("id").and_then(|id| sends.get(id));
        let Some(sent) = sent.filter(|sent| matches!(sent.fate, Some(Fate::Acknowledged(_)))) else { continue };
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
        let refused = [Record { value: Some(r#"{"amount":1000000000}"#.to_owned()), ..order(0, "o-2", 0) }];
        wrong_with(orders, sums, &refused.map(coded))
    }

    fn coded(mut letter: Record) -> Record {
        letter.headers.insert("ce_rrerrorcode".to_owned(), "RR0142".to_owned());
        letter
    }

    fn wrong_with(orders: &[Record], sums: &[Record], refused: &[Record]) -> usize {
        let at = |offset| Some(Fate::Acknowledged(Position { topic: ENTRANCE.to_owned(), partition: 0, offset }));
        let sent = |number, fate, has_double| Sent { account: "a".to_owned(), number, fate, has_double };
        let sends: Sends =
            [("o-1", sent(1, at(3), false)), ("o-2", sent(2, at(5), true)), ("o-3", sent(3, None, false))]
                .map(|(id, sent)| (id.to_owned(), sent))
                .into();
        let found = Found { orders: orders.to_vec(), sums: sums.to_vec(), refused: refused.to_vec() };
        match check(&sends, &found) {
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
        // Stored again, and its double instead of it.
        assert_eq!(wrong(&[orders[0].clone(), orders[1].clone(), order(7, "o-1", 1)], &sums), 3);
        assert_eq!(wrong(&[orders[0].clone(), order(5, "o-2", 1_000_000_000)], &sums[..1]), 2);
        // A double that is gone, and an order that was refused.
        assert_eq!(wrong_with(&orders, &sums, &[]), 1);
        assert_eq!(wrong_with(&orders, &sums, &[coded(order(0, "o-2", 2))]), 1);
    }
}
