//! Strict JSON text (RFC 8259): one pass checks syntax and depth and finds where values begin and end.
//!
//! It is the one reader of JSON of doors and of [`crate::document`]. It copies nothing, builds no tree and does not recurse, so
//! no input can exhaust the stack. Numbers are never converted, so a number of any length stays as it is; members of objects
//! may repeat, as the RFC allows.

mod scan;

#[cfg(test)]
mod tests;

pub use scan::{Scanner, StringToken};

/// Deepest nesting of arrays and objects that is read. Doors may allow less (`Limits::json_depth_max`).
pub const DEPTH_MAX: usize = 128;

/// Why a text is not taken as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("byte {offset} is not valid UTF-8; JSON is UTF-8")]
    Utf8 {
        /// Bytes before the fault.
        offset: usize,
    },
    /// The text breaks the grammar.
    #[error("no valid JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Bytes before the fault.
        offset: usize,
        /// What would have fitted there.
        expected: &'static str,
    },
    /// Arrays and objects are nested too deeply.
    #[error("the JSON at byte {offset} is nested deeper than {depth_max} levels")]
    TooDeep {
        /// Bytes before the fault.
        offset: usize,
        /// How deep it may be: what was asked for, at most [`DEPTH_MAX`].
        depth_max: usize,
    },
}

/// Checks that `bytes` are one JSON value, at most `depth_max` levels deep, with nothing but whitespace around it.
///
/// # Errors
/// [`JsonError`] names the place.
///
/// # Examples
/// ```
/// use riverrun_topology::json::{JsonError, check};
///
/// assert_eq!(check(br#" {"seats": [1, 2]} "#, 2), Ok(()));
/// assert_eq!(check(br#"{"seats": [1, 2]}"#, 1), Err(JsonError::TooDeep { offset: 10, depth_max: 1 }));
/// assert_eq!(check(b"[1,]", 2), Err(JsonError::Syntax { offset: 3, expected: "a JSON value" }));
/// ```
pub fn check(bytes: &[u8], depth_max: usize) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(utf8(bytes)?.as_bytes());
    scanner.value(depth_max)?;
    scanner.end()
}

/// The bytes as text.
///
/// # Errors
/// [`JsonError::Utf8`] names the first byte that is none.
pub fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| JsonError::Utf8 { offset: error.valid_up_to() })
}
