//! `select_key`: gives the event another key from here on, by the rules of a topic's key. The output is partitioned by it.
//!
//! ```
//! use riverrun_event::{Event, Key, OperatorName, Time};
//! use riverrun_topology::operators::select_key::SelectKey;
//! use riverrun_topology::{Draft, Expression};
//!
//! let select_key = SelectKey { key: Expression::parse("data.customer_id")? };
//! let mut event = Event::new("1", "/orders", "order");
//! event.data = Some(r#"{"customer_id": 17}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! select_key.apply(&OperatorName::new("select_key-1")?, &mut draft)?;
//! assert_eq!(draft.into_event().key, Some(Key::new("17")?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::draft::Draft;
use crate::expression::Expression;

use super::evaluation_failed;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectKey {
    /// Gives the key: text or an integer; null leaves the event without one.
    pub key: Expression,
}

impl SelectKey {
    /// Gives one event its key.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0301) when the expression fails or gives no key.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        let key = self.key.evaluate_key(draft).map_err(|error| evaluation_failed(name, error))?;
        draft.header_mut().key = key;
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use riverrun_event::Key;

    use super::super::testing::{World, check_error, draft};
    use super::*;
    use crate::operators::Operator;

    fn select_key(key: &str) -> Operator {
        Operator::SelectKey(SelectKey { key: Expression::parse(key).unwrap() })
    }

    #[test]
    fn the_key_is_text_an_integer_or_none() {
        for (data, expected) in [(r#"{"a":"x"}"#, Some("x")), (r#"{"a":-7}"#, Some("-7")), ("{}", None)] {
            let mut draft = draft(data);
            draft.header_mut().key = Some(Key::new("before").unwrap());
            World::default().apply(&select_key("data.a"), &mut draft).unwrap();
            assert_eq!(draft.header().key, expected.map(|key| Key::new(key).unwrap()), "{data}");
        }
        let message = "the key is a truth value; a key is text or an integer (in `data.a`)";
        check_error(&select_key("data.a"), r#"{"a":true}"#, "RR0301", message);
    }
}
