//! `peek`: shows a value of the events that pass, for people who look for a mistake. It changes nothing and fails no event; what
//! it saw is logged once the commit is durable, so a replay shows nothing.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::peek::Peek;
//! use riverrun_topology::{Draft, Expression};
//!
//! let peek = Peek { value: Expression::parse("'total ' + string(data.total)")? };
//! let mut event = Event::new("1", "/orders", "order");
//! event.data = Some(r#"{"total": 5}"#.into());
//! let mut seen = Vec::new();
//! peek.apply(&OperatorName::new("peek-1")?, &mut Draft::new(event, Time::from_unix(0, 0)), &mut seen);
//! assert_eq!(seen[0].value, "total 5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, Peeked};
use crate::draft::Draft;
use crate::expression::{EvaluationError, Expression, Value};

/// Longest value that is shown; more nobody reads in a log.
const CHARACTERS_MAX: usize = 1_000;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Peek {
    /// What is shown.
    pub value: Expression,
}

impl Peek {
    /// Notes the value for one event; why there is none, where the expression fails.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft, seen: &mut Vec<Peeked>) -> Flow {
        let value = self.text(draft).unwrap_or_else(|error| error.message);
        let value = match value.char_indices().nth(CHARACTERS_MAX) {
            Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
            None => value,
        };
        seen.push(Peeked { operator: name.clone(), value });
        Flow::Pass
    }

    fn text(&self, draft: &mut Draft) -> Result<String, EvaluationError> {
        match self.value.evaluate(draft)? {
            Value::Text(text) => Ok(text),
            other => other.to_json().map(|json| String::from_utf8_lossy(&json).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::draft;
    use super::*;

    #[track_caller]
    fn check(source: &str, data: &'static str, expected: &str) {
        let mut seen = Vec::new();
        let peek = Peek { value: Expression::parse(source).unwrap() };
        peek.apply(&OperatorName::new("peek-1").unwrap(), &mut draft(data), &mut seen);
        assert_eq!(seen[0].value, expected);
    }

    #[test]
    fn values_are_shown_as_they_are() {
        check("data.a", r#"{"a": {"b": 1.0}}"#, r#"{"b": 1.0}"#);
        check("data.a", r#"{"a":"x\n"}"#, "x\n");
        check("data.a", "{}", "null");
        check("data.a + 1", "{}", "data.a is null or missing; + cannot compute with it (in `data.a + 1`)");
        let long: &'static str = format!("\"{}\"", "é".repeat(CHARACTERS_MAX + 1)).leak();
        check("data", long, &format!("{}…", "é".repeat(CHARACTERS_MAX)));
    }
}
