//! Expressions of the app file: CEL over one event, compiled once, evaluated per event.
//!
//! The language is CEL as the cel crate parses it, with the meaning this project gives it (evaluation is our own, since
//! cel's numbers, nulls and unordered maps do not fit JSON events):
//!
//! - Names: `id`, `source`, `type`, `subject`, `key` (texts, or null), `time` (a timestamp: the event's time, else its accept
//!   time; compare with `timestamp("2013-01-01T00:00:00Z")`), `attributes`, `data`.
//! - Every number is a double in arithmetic, literals too (`227 / 60` is 3.78). What is only copied keeps its bytes; equality
//!   and order of long integers are exact. A whole result is written as an integer, NaN or an infinity is an error.
//! - A missing field, element or attribute reads as null (`has(data.x)` tells them apart). Null counts as false in a
//!   condition; `<`, `in`, `exists`, `contains` and the like are false on null; computing with null is the event's error.
//! - A field whose name is no plain word: `data["odd name"]`. Objects keep the order in which they are written.
//!
//! Where an operator keeps a state of its own (`fold`), its expressions also know `state`.
//!
//! The fields an expression names are known when it is compiled; all are looked up at once before it is evaluated.

mod arithmetic;
mod compile;
mod evaluate;
mod functions;
mod names;
mod node;
mod number;
mod operand;
mod standard;
mod syntax;
mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Event, Key, Time};

use crate::document::{Document, Json, Path, Span};
use crate::draft::{DataError, Draft};

pub use value::Value;

pub(crate) use names::nearest;
pub(crate) use number::{whole, write_number};

use compile::{Compiled, Names, compile};
use evaluate::Evaluation;
use node::Node;
use operand::Operand;

/// A compiled expression; cheap to clone. Two are equal when their sources are.
#[derive(Clone, Debug)]
pub struct Expression {
    program: Arc<Program>,
}

/// What compiling gives, shared by the clones.
#[derive(Debug)]
struct Program {
    source: String,
    root: Node,
    /// The fields it names.
    paths: Vec<Path>,
    /// Whether it names the data as a whole.
    whole_data: bool,
}

impl Eq for Expression {}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.program.source == other.program.source
    }
}

/// What a field reads as that is not there.
const NULL: Bytes = Bytes::from_static(b"null");

/// An expression that does not parse, or names what does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong and what was expected.
    pub message: String,
    /// Where in the source, in bytes from its start.
    pub offset: usize,
}

/// An expression that failed on an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// What happened, with the expression's source.
    pub message: String,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place in the source.
    ///
    /// # Examples
    /// ```
    /// use riverrun_event::{Event, Time};
    /// use riverrun_topology::{Draft, Expression, Value};
    ///
    /// let speed = Expression::parse("data.distance * 1.609344 / (data.air_time / 60)")?;
    /// let mut event = Event::new("1", "/flights", "flight.departed");
    /// event.data = Some(r#"{"distance": 1000, "air_time": 120}"#.into());
    /// let value = speed.evaluate(&mut Draft::new(event, Time::from_unix(0, 0)))?;
    /// assert_eq!(value, Value::Number(804.672));
    ///
    /// let mistake = Expression::parse("dat.distance > 100").unwrap_err();
    /// assert_eq!((mistake.offset, mistake.message.as_str()), (0, "`dat` is not known; did you mean `data`?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(source: &str) -> Result<Self, ExpressionError> {
        Self::compiled(source, &Names { given: &[], event: true })
    }

    /// Compiles an expression that also knows `state`: what an operator keeps, beside the event at hand.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place in the source.
    ///
    /// # Examples
    /// ```
    /// use riverrun_event::{Event, Time};
    /// use riverrun_topology::document::Json;
    /// use riverrun_topology::{Draft, Expression};
    ///
    /// let with = Expression::parse_with_state("{'total': state.total + data.amount}")?;
    /// let mut event = Event::new("1", "/orders", "order");
    /// event.data = Some(r#"{"amount": 5}"#.into());
    /// let state = with.evaluate_over(&mut Draft::new(event, Time::from_unix(0, 0)), &Json::check(r#"{"total":37}"#)?)?;
    /// assert_eq!(state.as_bytes(), br#"{"total":42}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse_with_state(source: &str) -> Result<Self, ExpressionError> {
        Self::compiled(source, &Names { given: &["state"], event: true })
    }

    /// Compiles an expression over values of these names and no event.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place in the source.
    ///
    /// # Examples
    /// ```
    /// use riverrun_topology::document::Json;
    /// use riverrun_topology::{Expression, Value};
    ///
    /// let score = Expression::parse_over("member.rack == 'a' ? 10 : -task", &["task", "member"])?;
    /// let values = [Json::check("7")?, Json::check(r#"{"rack":"b"}"#)?];
    /// assert_eq!(score.evaluate_values(&values)?, Value::Number(-7.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse_over(source: &str, names: &[&str]) -> Result<Self, ExpressionError> {
        Self::compiled(source, &Names { given: names, event: false })
    }

    fn compiled(source: &str, names: &Names<'_>) -> Result<Self, ExpressionError> {
        let Compiled { root, paths, whole_data } = compile(source, names)?;
        Ok(Self { program: Arc::new(Program { source: source.to_owned(), root, paths, whole_data }) })
    }

    /// The source as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.program.source
    }

    /// The fields of the data it names, in the order they are first named.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.program.paths.iter()
    }

    /// Evaluates over an event. What is only copied from the data keeps its bytes, except that text is given unescaped
    /// ([`Self::evaluate_json`] keeps it, too).
    ///
    /// # Errors
    /// [`EvaluationError`] when the event does not fit the expression.
    pub fn evaluate(&self, draft: &mut Draft) -> Result<Value, EvaluationError> {
        self.with(draft, &[], |evaluation, root| value_of(evaluation.evaluate(root)?))
    }

    /// Evaluates an expression of [`Self::parse_over`] over its values, in the order of their names; one that lacks is null.
    ///
    /// # Errors
    /// [`EvaluationError`] when the values do not fit the expression.
    pub fn evaluate_values(&self, values: &[Json]) -> Result<Value, EvaluationError> {
        let mut nothing = Draft::new(Event::new("", "", ""), Time::from_unix(0, 0));
        let values: Vec<&str> = values.iter().map(Json::as_str).collect();
        self.with(&mut nothing, &values, |evaluation, root| value_of(evaluation.evaluate(root)?))
    }

    /// Evaluates to JSON text. An expression that is just a path copies the field's bytes; a field that is not there gives
    /// `null`.
    ///
    /// # Errors
    /// [`EvaluationError`] when the event does not fit the expression, or the result is a number JSON cannot hold.
    pub fn evaluate_json(&self, draft: &mut Draft) -> Result<Bytes, EvaluationError> {
        if let Node::Field(_) | Node::Data = self.program.root {
            let document = draft.document().map_err(|error| self.failed(error))?;
            let copied = document.and_then(|document| {
                let span = self.copied(document)?;
                Some(document.bytes(span))
            });
            return Ok(copied.unwrap_or(NULL));
        }
        let mut json = Vec::new();
        self.write_json(draft, &mut json)?;
        Ok(json.into())
    }

    /// Evaluates to JSON text as [`Self::evaluate_json`] does, and writes it behind what is in `out`.
    ///
    /// # Errors
    /// As [`Self::evaluate_json`]; what was written then is of no use.
    pub(crate) fn write_json(&self, draft: &mut Draft, out: &mut Vec<u8>) -> Result<(), EvaluationError> {
        if let Node::Field(_) | Node::Data = self.program.root {
            let document = draft.document().map_err(|error| self.failed(error))?;
            let text = document.and_then(|document| {
                let span = self.copied(document)?;
                Some(document.text(span))
            });
            out.extend_from_slice(text.map_or(&NULL, str::as_bytes));
            return Ok(());
        }
        self.with(draft, &[], |evaluation, root| evaluation.evaluate(root)?.write_json(out))
    }

    /// Evaluates an expression of [`Self::parse_with_state`] over an event and a state; gives JSON.
    ///
    /// # Errors
    /// [`EvaluationError`] when event and state do not fit the expression, or the result is a number JSON cannot hold.
    pub fn evaluate_over(&self, draft: &mut Draft, state: &Json) -> Result<Json, EvaluationError> {
        self.with(draft, &[state.as_str()], |evaluation, root| {
            let mut json = Vec::new();
            evaluation.evaluate(root)?.write_json(&mut json)?;
            Ok(Json::written(json.into()))
        })
    }

    /// Evaluates to true or false; null counts as false.
    ///
    /// # Errors
    /// [`EvaluationError`] when it fails or gives anything else.
    pub fn evaluate_bool(&self, draft: &mut Draft) -> Result<bool, EvaluationError> {
        self.with(draft, &[], |evaluation, root| evaluation.truth(root))
    }

    /// Evaluates to a key: text as it is, integers in decimal, null as none.
    ///
    /// # Errors
    /// [`EvaluationError`] when it fails or gives anything else.
    pub fn evaluate_key(&self, draft: &mut Draft) -> Result<Option<Key>, EvaluationError> {
        self.with(draft, &[], |evaluation, root| {
            let text = match evaluation.evaluate(root)? {
                Operand::Null => return Ok(None),
                Operand::Text(text) => text,
                Operand::Token(token) => integer_key(token)?,
                Operand::Number(number) => match whole(number) {
                    Some(integer) => Cow::Owned(integer.to_string()),
                    None => return Err(format!("the key is {number}; a key is text or an integer")),
                },
                other => return Err(format!("the key is {}; a key is text or an integer", other.kind())),
            };
            Key::new(text.into_owned().into_bytes()).map(Some).map_err(|error| error.to_string())
        })
    }

    /// Fetches what the expression names, all at once, and runs `evaluate` over it and the values that are given besides.
    fn with<T>(
        &self,
        draft: &mut Draft,
        given: &[&str],
        evaluate: impl for<'a> FnOnce(&mut Evaluation<'a>, &'a Node) -> Result<T, String>,
    ) -> Result<T, EvaluationError> {
        let program = &*self.program;
        let whole = self.fetch(draft).map_err(|error| self.failed(error))?;
        let draft: &Draft = draft;
        let data = whole.and_then(|span| draft.opened().map(|document| document.text(span)));
        let locals = given.iter().copied().map(Operand::from_json).collect();
        let mut evaluation = Evaluation { paths: &program.paths, data, draft, locals };
        evaluate(&mut evaluation, &program.root).map_err(|message| self.failed(message))
    }

    /// Finds the fields that the expression names, and the data as a whole if it names that.
    fn fetch(&self, draft: &mut Draft) -> Result<Option<Span>, DataError> {
        draft.fetch(&self.program.paths)?;
        if !self.program.whole_data {
            return Ok(None);
        }
        Ok(draft.document()?.map(Document::whole))
    }

    /// Where the one field is that the expression is, or the data as a whole.
    fn copied(&self, document: &mut Document) -> Option<Span> {
        match self.program.paths.first() {
            Some(path) => document.find(path),
            None => Some(document.whole()),
        }
    }

    fn failed(&self, message: impl std::fmt::Display) -> EvaluationError {
        EvaluationError { message: format!("{message} (in `{}`)", self.program.source) }
    }
}

fn value_of(operand: Operand<'_>) -> Result<Value, String> {
    Ok(match operand {
        Operand::Null => Value::Null,
        Operand::Bool(truth) => Value::Bool(truth),
        Operand::Number(number) if number.is_finite() => Value::Number(number),
        Operand::Text(text) => Value::Text(text.into_owned()),
        Operand::Time(time) => Value::Text(operand::write_time(&time)),
        Operand::Duration(duration) => Value::Text(operand::write_duration(&duration)),
        other => {
            let mut json = Vec::new();
            other.write_json(&mut json)?;
            Value::Json(json.into())
        }
    })
}

/// A JSON number as a key, if it is an integer and written as one.
fn integer_key(token: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    if token == "-0" {
        return Ok(Cow::Borrowed("0"));
    }
    if token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Ok(token);
    }
    Err(format!("the key is {token}; a number that is a key is written as an integer, without point or exponent"))
}
