//! `map`: gives the data a whole new shape, made of named expressions. All of them see the data as it was before.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::map::Map;
//! use riverrun_topology::{Draft, Expression};
//!
//! let fields = [("total", "data.price * data.count"), ("customer.name", "data.who")];
//! let fields = fields.map(|(name, source)| (name.to_owned(), Expression::parse(source).expect("an expression")));
//! let map = Map::new(fields.into())?;
//! let mut event = Event::new("1", "/orders", "order");
//! event.data = Some(r#"{"price": 2.5, "count": 2, "who": "Ada"}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! map.apply(&OperatorName::new("map-1")?, &mut draft)?;
//! assert_eq!(draft.into_event().data.unwrap(), r#"{"total":5,"customer":{"name":"Ada"}}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::OperatorName;

use crate::context::{Flow, StepError};
use crate::document::{Name, ObjectWriter, Path, PathError};
use crate::draft::Draft;
use crate::expression::{EvaluationError, Expression};

use super::evaluation_failed;

/// The operator. Two are equal when their fields are.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    fields: Vec<(String, Expression)>,
    members: Vec<(Name, Shape)>,
}

/// Room for a name and its value: most are short.
const FIELD_BYTES: usize = 32;

/// Fields that make no object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// There are none.
    #[error("a map names no field, so nothing of the data would be left")]
    Empty,
    /// A name is none.
    #[error("{0:?} is no name of a field in the new data; write name, or part.name")]
    Name(String),
    /// A field is given twice, or is given itself and has fields within it.
    #[error("{0} is a field of its own and an object with fields in it, or is given twice")]
    Twice(String),
}

/// A value of the new data: what a field gets, or an object that holds fields in the order they are first named.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Value(Expression),
    Object(Vec<(Name, Shape)>),
}

impl Map {
    /// New data with these fields, in order; dots in a name lead into objects.
    ///
    /// # Errors
    /// [`MapError`] when they make no object.
    pub fn new(fields: Vec<(String, Expression)>) -> Result<Self, MapError> {
        if fields.is_empty() {
            return Err(MapError::Empty);
        }
        let mut members = Vec::new();
        for (name, expression) in &fields {
            // What begins with `data.` is meant for the data as `set` writes it, and would become data.data.
            let path = if name.starts_with("data.") {
                Err(PathError(name.clone()))
            } else {
                Path::parse(&format!("data.{name}"))
            };
            let path = path.map_err(|_| MapError::Name(name.clone()))?;
            let segments: Vec<&str> = path.segments().collect();
            place(&mut members, &segments, expression).ok_or_else(|| MapError::Twice(name.clone()))?;
        }
        Ok(Self { fields, members })
    }

    /// The names and what they get, as they were given.
    #[must_use]
    pub fn fields(&self) -> &[(String, Expression)] {
        &self.fields
    }

    /// Gives one event its new data. An event without data (a deletion) stays one.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0301) when an expression fails.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        if draft.header().data.is_none() {
            return Ok(Flow::Pass);
        }
        let mut data = ObjectWriter::with_capacity(self.fields.len() * FIELD_BYTES);
        for (field, shape) in &self.members {
            let written = data.member(field, |out| shape.write(draft, out));
            written.map_err(|error| evaluation_failed(name, error))?;
        }
        draft.replace_document(data.finish());
        Ok(Flow::Pass)
    }
}

/// Puts a field where its name says; `None` when something else is there.
fn place(members: &mut Vec<(Name, Shape)>, segments: &[&str], expression: &Expression) -> Option<()> {
    let (name, deeper) = segments.split_first()?;
    let known = members.iter_mut().find(|(known, _)| known.text() == *name);
    match (known, deeper.is_empty()) {
        (Some((_, Shape::Object(inner))), false) => place(inner, deeper, expression),
        (Some(_), _) => None,
        (None, true) => {
            members.push((Name::new(name), Shape::Value(expression.clone())));
            Some(())
        }
        (None, false) => {
            let mut inner = Vec::new();
            place(&mut inner, deeper, expression)?;
            members.push((Name::new(name), Shape::Object(inner)));
            Some(())
        }
    }
}

impl Shape {
    /// Writes the value as JSON.
    fn write(&self, draft: &mut Draft, out: &mut Vec<u8>) -> Result<(), EvaluationError> {
        let members = match self {
            Self::Value(expression) => return expression.write_json(draft, out),
            Self::Object(members) => members,
        };
        for (index, (name, shape)) in members.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            out.extend_from_slice(name.lead());
            shape.write(draft, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, check_error};
    use super::*;
    use crate::operators::Operator;

    fn made(fields: &[(&str, &str)]) -> Result<Map, MapError> {
        let field = |(name, source): &(&str, &str)| ((*name).to_owned(), Expression::parse(source).unwrap());
        Map::new(fields.iter().map(field).collect())
    }

    fn map(fields: &[(&str, &str)]) -> Operator {
        Operator::Map(made(fields).unwrap())
    }

    #[test]
    fn the_data_is_what_the_fields_say() {
        check(&map(&[("b", "data.a"), ("a", "data.b")]), r#"{"a": 1.0, "b" : "x"}"#, Some(r#"{"b":1.0,"a":"x"}"#));
        check(&map(&[("x", "data.none"), ("all", "data")]), r#"{"a":1}"#, Some(r#"{"x":null,"all":{"a":1}}"#));
        check(
            &map(&[("a.b", "1"), ("c", "2"), ("a.d.e", "3"), ("a.d.f", "4")]),
            "[]",
            Some(r#"{"a":{"b":1,"d":{"e":3,"f":4}},"c":2}"#),
        );
        check(&map(&[("\"", "id")]), "{}", Some(r#"{"\"":"1"}"#));
    }

    #[test]
    fn an_expression_that_fails_is_the_events_error() {
        let message = "data.a is null or missing; + cannot compute with it (in `data.a + 1`)";
        check_error(&map(&[("b", "data.a + 1")]), "{}", "RR0301", message);
    }

    #[test]
    fn fields_make_one_object() {
        assert_eq!(made(&[]), Err(MapError::Empty));
        for name in ["", "a..b", "data.a", "a b"] {
            assert_eq!(made(&[(name, "1")]), Err(MapError::Name(name.to_owned())));
        }
        for (first, second) in [("a", "a"), ("a", "a.b"), ("a.b", "a")] {
            assert_eq!(made(&[(first, "1"), (second, "2")]), Err(MapError::Twice(second.to_owned())));
        }
    }
}
