//! The three parts of the join, each in a world of its own, and messages between them that overtake one another.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::super::Join;
use super::*;
use crate::operators::Operator;
use crate::operators::testing::{World, event_at, shown};

/// A join of orders with the customers they name. Each key has a task of its own, so that only what goes from one key to
/// another keeps its order.
struct Parts {
    join: ForeignJoin,
    left: World,
    right: World,
    result: World,
    /// On the way to rows of the table, and back: by the key it is for and the key it comes from.
    asking: BTreeMap<(String, String), VecDeque<Draft>>,
    answering: BTreeMap<(String, String), VecDeque<Draft>>,
    out: Vec<String>,
}

impl Parts {
    fn new(kind: JoinType) -> Self {
        let join = ForeignJoin {
            table: TopicName::new("customers").unwrap(),
            by: Expression::parse("data.by").unwrap(),
            kind,
            place: Path::parse("data.customer").unwrap(),
            stage: Stage::Whole,
        };
        Self {
            join,
            left: World::default(),
            right: World::default(),
            result: World::default(),
            asking: BTreeMap::new(),
            answering: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    fn operator(&self, stage: Stage) -> Operator {
        Operator::Join(Join::Foreign(self.join.at(stage)))
    }

    fn order(&mut self, key: &str, data: &str) {
        let operator = self.operator(Stage::Left);
        let sent = sent(self.left.apply(&operator, &mut event_at(0, key, data)).unwrap());
        send(&mut self.asking, "left", sent);
    }

    fn customer(&mut self, key: &str, data: &str) {
        let operator = self.operator(Stage::Right);
        let sent = sent(self.right.apply_at(&operator, 1, &mut event_at(0, key, data)).unwrap());
        send(&mut self.answering, key, sent);
    }

    /// Delivers the next message of one of the ways, chosen by number; false when there is none.
    fn deliver(&mut self, choice: usize) -> bool {
        let ways = self.asking.len() + self.answering.len();
        if ways == 0 {
            return false;
        }
        let number = choice % ways;
        if let Some((to, mut event)) = next(&mut self.asking, number) {
            let operator = self.operator(Stage::Right);
            let sent = sent(self.right.apply(&operator, &mut event).unwrap());
            send(&mut self.answering, &to, sent);
        } else if let Some((_, mut event)) = next(&mut self.answering, number - self.asking.len()) {
            let operator = self.operator(Stage::Result);
            let out = sent(self.result.apply(&operator, &mut event).unwrap());
            self.out.extend(out.into_iter().map(shown));
        }
        true
    }

    /// What comes out until nothing is on its way.
    fn settle(&mut self) -> Vec<String> {
        while self.deliver(0) {}
        std::mem::take(&mut self.out)
    }
}

fn sent(flow: Flow) -> Vec<Draft> {
    match flow {
        Flow::Replace(drafts) => drafts,
        Flow::Drop => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn send(ways: &mut BTreeMap<(String, String), VecDeque<Draft>>, from: &str, events: Vec<Draft>) {
    for event in events {
        let to = event.header().key.as_ref().unwrap().to_string();
        ways.entry((to, from.to_owned())).or_default().push_back(event);
    }
}

fn next(ways: &mut BTreeMap<(String, String), VecDeque<Draft>>, number: usize) -> Option<(String, Draft)> {
    let way = ways.keys().nth(number)?.clone();
    let queue = ways.get_mut(&way)?;
    let event = queue.pop_front();
    if queue.is_empty() {
        ways.remove(&way);
    }
    event.map(|event| (way.0, event))
}

#[test]
fn a_change_of_either_side_gives_the_results_it_concerns() {
    let mut parts = Parts::new(JoinType::Inner);
    parts.order("o1", r#"{"by":"ada"}"#);
    assert!(parts.settle().is_empty());
    parts.customer("ada", r#"{"n":1}"#);
    assert_eq!(parts.settle(), [r#"o1 {"by":"ada","customer":{"n":1}}"#]);
    parts.order("o2", r#"{"by":"ada"}"#);
    assert_eq!(parts.settle(), [r#"o2 {"by":"ada","customer":{"n":1}}"#]);
    parts.customer("ada", r#"{"n":2}"#);
    let both = [r#"o1 {"by":"ada","customer":{"n":2}}"#, r#"o2 {"by":"ada","customer":{"n":2}}"#];
    assert_eq!(parts.settle(), both);
    parts.order("o1", r#"{"by":"bob"}"#);
    assert_eq!(parts.settle(), ["o1 -"]);
    parts.order("o2", r#"{"by":null}"#);
    assert_eq!(parts.settle(), ["o2 -"]);
    parts.customer("bob", "[3]");
    assert_eq!(parts.settle(), [r#"o1 {"by":"bob","customer":[3]}"#]);
    parts.order("o1", "");
    assert_eq!(parts.settle(), ["o1 -"]);
    for gone in ["ada", "bob", "eve"] {
        parts.customer(gone, "");
    }
    assert!(parts.settle().is_empty());
    assert_eq!(parts.right.rows(), 0);
    parts.order("never", "");
    assert!(parts.settle().is_empty());
}

#[test]
fn a_left_row_has_a_result_without_the_other() {
    let mut parts = Parts::new(JoinType::Left);
    parts.order("o1", r#"{"by":"ada"}"#);
    assert_eq!(parts.settle(), [r#"o1 {"by":"ada","customer":null}"#]);
    parts.customer("ada", "1");
    assert_eq!(parts.settle(), [r#"o1 {"by":"ada","customer":1}"#]);
    parts.order("o1", r#"{"by":null}"#);
    assert_eq!(parts.settle(), [r#"o1 {"by":null,"customer":null}"#]);
    parts.customer("ada", "2");
    assert!(parts.settle().is_empty());
    parts.order("o1", "");
    assert_eq!(parts.settle(), ["o1 -"]);
}

#[test]
fn a_stale_answer_does_not_win() {
    let mut parts = Parts::new(JoinType::Inner);
    parts.customer("ada", "1");
    parts.customer("bob", "2");
    parts.order("o1", r#"{"by":"ada"}"#);
    parts.order("o1", r#"{"by":"bob"}"#);
    // Both are asked; the answer of the second comes first.
    assert!(parts.deliver(0) && parts.deliver(1) && parts.deliver(2));
    assert_eq!(parts.settle(), [r#"o1 {"by":"bob","customer":2}"#]);
}

#[test]
fn a_row_that_cannot_be_named_is_the_events_error() {
    let mut parts = Parts::new(JoinType::Left);
    let operator = parts.operator(Stage::Left);
    let data = format!(r#"{{"by":"{}"}}"#, "x".repeat(20_000));
    let error = parts.left.apply(&operator, &mut event_at(0, "o1", &data)).unwrap_err();
    let expected = "RR0325 in tested: the key has 20000 bytes; join keeps state for keys of at most 16384";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_result_names_both() {
    let mut parts = Parts::new(JoinType::Inner);
    parts.customer("ada", "1");
    parts.order("o1", r#"{"by":"ada"}"#);
    let mut event = next(&mut parts.asking, 0).unwrap().1;
    let answer = sent(parts.right.apply(&parts.operator(Stage::Right), &mut event).unwrap()).remove(0);
    assert_eq!(answer.header().attributes.get("rrjoined"), Some("input-1/0@0"));
    let out = sent(parts.result.apply(&parts.operator(Stage::Result), &mut answer.clone()).unwrap()).remove(0);
    assert_eq!(out.header().attributes.get("rrforeign"), None);
}

/// A change of an order (which customer it names, if any, unless it is deleted) or of a customer (its value, unless it is
/// deleted), or messages that are delivered.
#[derive(Clone, Debug)]
enum Change {
    Order(u8, Option<Option<u8>>),
    Customer(u8, Option<u8>),
    Deliver(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0_u8..3, prop::option::of(prop::option::of(0_u8..3))).prop_map(|(key, by)| Change::Order(key, by)),
        (0_u8..3, prop::option::of(0_u8..9)).prop_map(|(key, value)| Change::Customer(key, value)),
        any::<usize>().prop_map(Change::Deliver),
        any::<usize>().prop_map(Change::Deliver),
    ]
}

proptest! {
    /// Whatever overtakes what: once all has arrived, the results are the join of the two tables.
    #[test]
    fn results_add_up_to_the_join(changes in prop::collection::vec(change(), 0..60), is_left: bool) {
        let mut parts = Parts::new(if is_left { JoinType::Left } else { JoinType::Inner });
        let (mut orders, mut customers) = (BTreeMap::new(), BTreeMap::new());
        let mut choices = vec![7_usize];
        for change in changes {
            match change {
                Change::Order(key, by) => {
                    let by = by.map(|by| by.map_or_else(|| "null".to_owned(), |by| by.to_string()));
                    let data = by.as_ref().map_or_else(String::new, |by| format!(r#"{{"by":{by}}}"#));
                    parts.order(&format!("o{key}"), &data);
                    match by {
                        Some(by) => orders.insert(key, by),
                        None => orders.remove(&key),
                    };
                }
                Change::Customer(key, value) => {
                    parts.customer(&key.to_string(), &value.map_or_else(String::new, |value| value.to_string()));
                    match value {
                        Some(value) => customers.insert(key.to_string(), value),
                        None => customers.remove(&key.to_string()),
                    };
                }
                Change::Deliver(choice) => {
                    choices.push(choice);
                    parts.deliver(choice);
                }
            }
        }
        let mut turns = choices.iter().cycle();
        while parts.deliver(*turns.next().unwrap()) {}
        let mut held = BTreeMap::new();
        for out in parts.settle() {
            let (key, data) = out.split_once(' ').unwrap();
            if data == "-" {
                prop_assert!(held.remove(key).is_some());
            } else {
                held.insert(key.to_owned(), data.to_owned());
            }
        }
        let mut expected = BTreeMap::new();
        for (key, by) in orders {
            match customers.get(&by) {
                Some(value) => expected.insert(format!("o{key}"), format!(r#"{{"by":{by},"customer":{value}}}"#)),
                None if is_left => expected.insert(format!("o{key}"), format!(r#"{{"by":{by},"customer":null}}"#)),
                None => None,
            };
        }
        prop_assert_eq!(held, expected);
    }
}
