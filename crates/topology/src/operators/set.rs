//! `set`: sets fields of the data from expressions, one after the other, so a later one sees the earlier ones.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::document::Path;
//! use riverrun_topology::operators::set::Set;
//! use riverrun_topology::{Draft, Expression};
//!
//! let set = Set { fields: vec![(Path::parse("data.hours")?, Expression::parse("data.air_time / 60")?)] };
//! let mut event = Event::new("1", "/flights", "flight");
//! event.data = Some(r#"{"air_time": 90}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! set.apply(&OperatorName::new("set-1")?, &mut draft)?;
//! assert_eq!(draft.into_event().data.unwrap(), r#"{"air_time": 90,"hours":1.5}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::document::{Json, Path};
use crate::draft::{DataError, Draft};
use crate::expression::Expression;

use super::{data_failed, evaluation_failed};

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Fields and what they get, in order.
    pub fields: Vec<(Path, Expression)>,
}

impl Set {
    /// Sets the fields of one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when an expression fails (RR0301) or the data cannot hold the field (RR0302).
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        for (path, expression) in &self.fields {
            let json = expression.evaluate_json(draft).map_err(|error| evaluation_failed(name, error))?;
            let document = draft.document().and_then(|document| document.ok_or(DataError::Absent));
            let set = document.and_then(|document| Ok(document.set_json(path, &Json::written(json))?));
            set.map_err(|error| data_failed(name, error))?;
        }
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_error};
    use super::*;
    use crate::operators::Operator;

    fn set(fields: &[(&str, &str)]) -> Operator {
        let field = |(path, source): &(&str, &str)| (Path::parse(path).unwrap(), Expression::parse(source).unwrap());
        Operator::Set(Set { fields: fields.iter().map(field).collect() })
    }

    #[test]
    fn later_fields_see_earlier_ones() {
        let two = set(&[("data.b", "data.a + 1"), ("data.c.d", "[data.b, data.a]")]);
        check(&two, r#"{"a": 1.0}"#, Some(r#"{"a": 1.0,"b":2,"c":{"d":[2,1.0]}}"#));
    }

    #[test]
    fn copies_keep_their_bytes() {
        check(&set(&[("data.b", "data.a")]), r#"{"a": "\u00e9 1"}"#, Some(r#"{"a": "\u00e9 1","b":"\u00e9 1"}"#));
        check(&set(&[("data.a", "data.x")]), r#"{"a":1}"#, Some(r#"{"a":null}"#));
    }

    #[test]
    fn what_does_not_fit_is_the_events_error() {
        let message = "data.a is null or missing; + cannot compute with it (in `data.a + 1`)";
        check_error(&set(&[("data.b", "data.a + 1")]), "{}", "RR0301", message);
        let message = "data.a.b cannot be set: data.a is a number, not an object";
        check_error(&set(&[("data.a.b", "1")]), r#"{"a":1}"#, "RR0302", message);
        let message = "the event has no data (it is a deletion), so nothing can be set in it";
        check_error(&set(&[("data.a", "1")]), "", "RR0302", message);
    }
}
