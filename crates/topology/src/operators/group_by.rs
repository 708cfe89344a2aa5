//! `group_by`: says what the keyed steps behind it go by. The event gets the key an expression gives, and where that is not the
//! one it was placed by, a `repartition` is inserted before the first step that keeps state per key.
//!
//! Keys: replaced. Partitions: changed by the inserted repartition, if any. State and time: none.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::group_by::GroupBy;
//! use riverrun_topology::{Draft, Expression};
//!
//! let group_by = GroupBy { key: Expression::parse("data.carrier")? };
//! let mut event = Event::new("1", "/flights", "flight");
//! event.data = Some(r#"{"carrier":"UA"}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! group_by.apply(&OperatorName::new("group_by-1")?, &mut draft)?;
//! assert_eq!(draft.header().key.as_ref().and_then(|key| key.as_str()), Some("UA"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::draft::Draft;
use crate::expression::Expression;

use super::{evaluation_failed, event_error};

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupBy {
    /// Gives the key of the group.
    pub key: Expression,
}

impl GroupBy {
    /// Whether it leaves every event the key it has.
    #[must_use]
    pub fn keeps_key(&self) -> bool {
        self.key.source().trim() == "key"
    }

    /// Gives one event the key of its group.
    ///
    /// # Errors
    /// [`StepError::Event`] when the expression fails or gives no key (RR0301), or null (RR0305).
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        let key = self.key.evaluate_key(draft).map_err(|error| evaluation_failed(name, error))?;
        if key.is_none() {
            let message = format!("the event belongs to no group: its key is null (in `{}`)", self.key.source());
            return Err(event_error("RR0305", name, message));
        }
        draft.header_mut().key = key;
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, check_error, draft, shown};
    use super::*;
    use crate::operators::Operator;

    fn group_by(key: &str) -> Operator {
        Operator::GroupBy(GroupBy { key: Expression::parse(key).unwrap() })
    }

    #[test]
    fn the_event_gets_the_key_of_its_group() {
        let mut event = draft(r#"{"a":7}"#);
        World::default().apply(&group_by("data.a"), &mut event).unwrap();
        assert_eq!(shown(event), r#"7 {"a":7}"#);
        assert!(GroupBy { key: Expression::parse(" key ").unwrap() }.keeps_key());
    }

    #[test]
    fn an_event_without_group_is_an_error() {
        let message = "the event belongs to no group: its key is null (in `data.a`)";
        check_error(&group_by("data.a"), "{}", "RR0305", message);
    }
}
