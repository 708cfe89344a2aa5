//! `rename`: moves fields of the data to other places; a field that is not there is no error.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::Draft;
//! use riverrun_topology::document::Path;
//! use riverrun_topology::operators::rename::Rename;
//!
//! let rename = Rename { fields: vec![(Path::parse("data.dest")?, Path::parse("data.to.airport")?)] };
//! let mut event = Event::new("1", "/flights", "flight");
//! event.data = Some(r#"{"dest": "IAH"}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! rename.apply(&OperatorName::new("rename-1")?, &mut draft)?;
//! assert_eq!(draft.into_event().data.unwrap(), r#"{"to":{"airport":"IAH"}}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::document::Path;
use crate::draft::Draft;

use super::data_failed;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// From where to where, in order.
    pub fields: Vec<(Path, Path)>,
}

impl Rename {
    /// Moves the fields of one event. What stood at the new place is replaced.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0302) when the data is not JSON, or cannot hold the field at its new place.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        let Some(document) = draft.document().map_err(|error| data_failed(name, error))? else { return Ok(Flow::Pass) };
        for (from, to) in self.fields.iter().filter(|(from, to)| from != to) {
            document.rename(from, to).map_err(|error| data_failed(name, error.into()))?;
        }
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_error};
    use super::*;
    use crate::operators::Operator;

    fn rename(fields: &[(&str, &str)]) -> Operator {
        let field = |(from, to): &(&str, &str)| (Path::parse(from).unwrap(), Path::parse(to).unwrap());
        Operator::Rename(Rename { fields: fields.iter().map(field).collect() })
    }

    #[test]
    fn values_move_with_their_bytes() {
        check(&rename(&[("data.a", "data.b")]), r#"{"a": 1.0,"c":2}"#, Some(r#"{"c":2,"b":1.0}"#));
        check(&rename(&[("data.a", "data.b")]), r#"{"a":1,"b":2}"#, Some(r#"{"b":1}"#));
        check(&rename(&[("data.a", "data.a.b")]), r#"{"a":1}"#, Some(r#"{"a":{"b":1}}"#));
        check(&rename(&[("data.x", "data.y"), ("data.a", "data.a")]), r#"{"a": 1}"#, Some(r#"{"a": 1}"#));
        check(
            &rename(&[("data.a", "data.t"), ("data.b", "data.a"), ("data.t", "data.b")]),
            r#"{"a":1,"b":2}"#,
            Some(r#"{"a":2,"b":1}"#),
        );
    }

    #[test]
    fn a_place_that_cannot_be_is_the_events_error() {
        let message = "data.b.c cannot be set: data.b is a number, not an object";
        check_error(&rename(&[("data.a", "data.b.c")]), r#"{"a":1,"b":2}"#, "RR0302", message);
    }
}
