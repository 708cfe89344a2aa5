//! `branch`: an event goes the first way whose condition holds, the default's where none does. A way may lead to a topic of its
//! own; otherwise it comes back to the steps after the branch.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::branch::{Arm, Branch};
//! use riverrun_topology::{Draft, Expression, Flow};
//!
//! let big = Arm {
//!     name: OperatorName::new("big")?,
//!     when: Some(Expression::parse("data.total > 1000")?),
//!     steps: Vec::new(),
//!     to: None,
//! };
//! let mut event = Event::new("1", "/orders", "order");
//! event.data = Some(r#"{"total": 2000}"#.into());
//! let branch = Branch { arms: vec![big] };
//! let flow = branch.apply(&OperatorName::new("branch-1")?, &mut Draft::new(event, Time::from_unix(0, 0)))?;
//! assert!(matches!(flow, Flow::Enter(0)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::draft::Draft;
use crate::expression::Expression;
use crate::pipeline::Step;
use crate::sink::Sink;

use super::evaluation_failed;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The ways, in order.
    pub arms: Vec<Arm>,
}

/// One way of a branch.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name; unique within the pipeline, since the ids of what leaves here are made of it.
    pub name: OperatorName,
    /// Which events go this way; the default, which is the last, has none.
    pub when: Option<Expression>,
    /// What happens to them.
    pub steps: Vec<Step>,
    /// Where they leave the pipeline; without it they come back to the steps after the branch.
    pub to: Option<Sink>,
}

impl Arm {
    /// What the default way of a branch is called: `<branch>.default`.
    #[must_use]
    pub fn default_of(branch: &OperatorName) -> String {
        format!("{branch}.default")
    }
}

impl Branch {
    /// Lets the name of the default way follow that of the branch.
    pub(crate) fn rename(&mut self, before: &OperatorName, after: &OperatorName) {
        let default = Arm::default_of(before);
        for arm in self.arms.iter_mut().filter(|arm| arm.name.as_str() == default) {
            // A name that becomes too long stays as it was.
            arm.name = OperatorName::new(&Arm::default_of(after)).unwrap_or_else(|_| arm.name.clone());
        }
    }

    /// Whether every event goes one of its ways.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.arms.last().is_some_and(|arm| arm.when.is_none())
    }

    /// Chooses the way of one event. Where no condition holds and there is no default, it goes on behind the branch.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0301) when a condition fails on the event.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        for (index, arm) in self.arms.iter().enumerate() {
            let matches = match &arm.when {
                Some(when) => when.evaluate_bool(draft).map_err(|error| evaluation_failed(name, error))?,
                None => true,
            };
            if matches {
                return Ok(Flow::Enter(index));
            }
        }
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, check_error, draft};
    use super::*;
    use crate::operators::Operator;

    fn branch(conditions: &[Option<&str>]) -> Operator {
        let arm = |(number, when): (usize, &Option<&str>)| Arm {
            name: OperatorName::new(&format!("arm-{number}")).unwrap(),
            when: when.map(|source| Expression::parse(source).unwrap()),
            steps: Vec::new(),
            to: None,
        };
        Operator::Branch(Branch { arms: conditions.iter().enumerate().map(arm).collect() })
    }

    /// The way taken; `None` on behind the branch.
    #[track_caller]
    fn check(conditions: &[Option<&str>], data: &'static str, expected: Option<usize>) {
        let taken = match World::default().apply(&branch(conditions), &mut draft(data)).unwrap() {
            Flow::Enter(index) => Some(index),
            Flow::Pass => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(taken, expected, "{conditions:?} on {data}");
    }

    #[test]
    fn the_first_condition_that_holds_counts() {
        let conditions = [Some("data.a > 10"), Some("data.a > 1")];
        check(&conditions, r#"{"a":11}"#, Some(0));
        check(&conditions, r#"{"a":2}"#, Some(1));
        check(&conditions, r#"{"a":1}"#, None);
        check(&[Some("data.a > 10"), None], r#"{"a":1}"#, Some(1));
        let message = "data.a is a number; a condition is true or false (in `data.a`)";
        check_error(&branch(&[Some("data.a")]), r#"{"a":1}"#, "RR0301", message);
    }
}
