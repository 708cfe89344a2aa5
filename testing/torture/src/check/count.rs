//! The running count per key, computed once more from the input log: what the transformer of the service has to carry.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::reader::Record;

/// The counts of one task, fed with its inputs in order.
#[derive(Debug, Default)]
pub(super) struct Count {
    accounts: HashMap<String, (u64, i64)>,
}

impl Count {
    /// The data that the input has to give, without its snapshot; `None` when it has to be a dead letter.
    pub(super) fn apply(&mut self, input: &Record) -> Option<Value> {
        let mut data = input.data_value()?;
        let amount = data.get("amount")?.as_i64()?;
        let account = input.text("partitionkey")?;
        let (seen, sum) = self.accounts.entry(account).or_default();
        *seen += 1;
        *sum += amount;
        let fields = data.as_object_mut()?;
        fields.insert("seen".to_owned(), json!(seen));
        fields.insert("sum".to_owned(), json!(sum));
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(count: &mut Count, data: &str, key: &str, expected: Option<Value>) {
        let line = format!(r#"{{"data":{data}{key},"rrposition":"orders/0@0"}}"#);
        assert_eq!(count.apply(&Record::sample(&line)), expected, "{line}");
    }

    #[test]
    fn only_what_can_be_processed_counts() {
        let mut count = Count::default();
        let key = r#","partitionkey":"a""#;
        check(&mut count, r#"{"amount":5}"#, key, Some(json!({"amount": 5, "seen": 1, "sum": 5})));
        check(&mut count, r#"{"amount":"oops"}"#, key, None);
        check(&mut count, r#"{"amount":5}"#, "", None);
        check(&mut count, r#"{"amount":-7}"#, key, Some(json!({"amount": -7, "seen": 2, "sum": -2})));
    }
}
