//! What an expression gives, and how it becomes JSON or a key.

use bytes::Bytes;

use crate::document::write_string;

use super::EvaluationError;
use super::number::write_number;

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON null, or a field that is missing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number that was computed, as a double.
    Number(f64),
    /// Text; also a time (RFC 3339) or a duration (`5400s`).
    Text(String),
    /// JSON text: a number, list or object copied from the event byte for byte, or a list or object the expression built.
    Json(Bytes),
}

impl Value {
    /// The value as JSON text.
    ///
    /// # Errors
    /// [`EvaluationError`] for a number that JSON cannot write (NaN, infinite).
    ///
    /// # Examples
    /// ```
    /// use riverrun_topology::Value;
    ///
    /// assert_eq!(Value::Number(3.0).to_json()?, "3");
    /// assert_eq!(Value::Text("a\"b".to_owned()).to_json()?, "\"a\\\"b\"");
    /// # Ok::<(), riverrun_topology::EvaluationError>(())
    /// ```
    pub fn to_json(&self) -> Result<Bytes, EvaluationError> {
        let mut out = Vec::new();
        match self {
            Self::Null => return Ok(Bytes::from_static(b"null")),
            Self::Bool(true) => return Ok(Bytes::from_static(b"true")),
            Self::Bool(false) => return Ok(Bytes::from_static(b"false")),
            Self::Json(json) => return Ok(json.clone()),
            Self::Number(number) => write_number(*number, &mut out).map_err(|message| EvaluationError { message })?,
            Self::Text(text) => write_string(text, &mut out),
        }
        Ok(out.into())
    }
}
