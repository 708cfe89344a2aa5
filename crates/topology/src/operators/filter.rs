//! `filter`: lets an event pass when a condition holds. Keys, partitions, time and state stay as they are.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::filter::Filter;
//! use riverrun_topology::{Draft, Expression, Flow};
//!
//! let filter = Filter { condition: Expression::parse("data.dep_time != null")? };
//! let mut event = Event::new("1", "/flights", "flight");
//! event.data = Some(r#"{"dep_time": null}"#.into());
//! let flow = filter.apply(&OperatorName::new("filter-1")?, &mut Draft::new(event, Time::from_unix(0, 0)))?;
//! assert!(matches!(flow, Flow::Drop));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::draft::Draft;
use crate::expression::Expression;

use super::evaluation_failed;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// Evaluates to true or false; null counts as false.
    pub condition: Expression,
}

impl Filter {
    /// Passes or drops one event.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0301) when the condition fails on the event.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        let passes = self.condition.evaluate_bool(draft).map_err(|error| evaluation_failed(name, error))?;
        Ok(if passes { Flow::Pass } else { Flow::Drop })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_error};
    use super::*;
    use crate::operators::Operator;

    fn filter(condition: &str) -> Operator {
        Operator::Filter(Filter { condition: Expression::parse(condition).unwrap() })
    }

    #[test]
    fn passes_only_what_is_true() {
        check(&filter("data.a > 1"), r#"{"a": 2}"#, Some(r#"{"a": 2}"#));
        check(&filter("data.a > 1"), r#"{"a": 1}"#, None);
        check(&filter("data.flag"), "{}", None);
        check_error(
            &filter("data.a"),
            r#"{"a": 1}"#,
            "RR0301",
            "data.a is a number; a condition is true or false (in `data.a`)",
        );
    }
}
