//! `remove`: removes fields of the data; a field that is not there is no error.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::Draft;
//! use riverrun_topology::document::Path;
//! use riverrun_topology::operators::remove::Remove;
//!
//! let remove = Remove { fields: vec![Path::parse("data.card.number")?] };
//! let mut event = Event::new("1", "/orders", "order");
//! event.data = Some(r#"{"card": {"brand": "V", "number": "4111"}}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! remove.apply(&OperatorName::new("remove-1")?, &mut draft)?;
//! assert_eq!(draft.into_event().data.unwrap(), r#"{"card": {"brand": "V"}}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::document::Path;
use crate::draft::Draft;

use super::data_failed;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Remove {
    /// The fields.
    pub fields: Vec<Path>,
}

impl Remove {
    /// Removes the fields of one event.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0302) when the data is not JSON.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        if let Some(document) = draft.document().map_err(|error| data_failed(name, error))? {
            for path in &self.fields {
                document.remove(path);
            }
        }
        Ok(Flow::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_error};
    use super::*;
    use crate::operators::Operator;

    fn remove(fields: &[&str]) -> Operator {
        Operator::Remove(Remove { fields: fields.iter().map(|path| Path::parse(path).unwrap()).collect() })
    }

    #[test]
    fn fields_that_are_there_go() {
        check(&remove(&["data.a", "data.b.c", "data.x.y"]), r#"{"a":1, "b":{"c":2}}"#, Some(r#"{ "b":{}}"#));
        check(&remove(&["data.x"]), r#"{ "a":1 }"#, Some(r#"{ "a":1 }"#));
        check(&remove(&["data.x"]), "[1]", Some("[1]"));
    }

    #[test]
    fn data_that_is_no_json_is_the_events_error() {
        let message = "the data is not valid JSON: expected a JSON value at byte 5";
        check_error(&remove(&["data.x"]), r#"{"a":"#, "RR0302", message);
    }
}
