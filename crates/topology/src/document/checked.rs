//! JSON text that was checked once and can be put into documents any number of times.

use bytes::Bytes;

use crate::json::{DEPTH_MAX, Scanner, utf8};

use super::DocumentError;

/// One JSON value, without whitespace around it; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// What an unknown entity reads as.
    pub const NULL: Self = Self(Bytes::from_static(b"null"));

    /// Checks JSON text.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] or [`DocumentError::Encoding`] with the place.
    pub fn check(text: impl Into<Bytes>) -> Result<Self, DocumentError> {
        let text = text.into();
        let value = text.slice_ref(checked(&text)?);
        Ok(Self(value))
    }

    /// JSON that this crate wrote, or copied from a document that was checked.
    pub(crate) fn written(text: Bytes) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// One JSON value without the whitespace around it.
pub(super) fn checked(json: &[u8]) -> Result<&[u8], DocumentError> {
    utf8(json)?;
    let mut scanner = Scanner::new(json);
    scanner.space();
    let start = scanner.at();
    scanner.value(DEPTH_MAX)?;
    let end = scanner.at();
    scanner.end()?;
    Ok(json.get(start..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_gets_in_and_without_whitespace() {
        assert_eq!(Json::check(" {\"a\": 1}\n").map(|json| json.0), Ok("{\"a\": 1}".into()));
        assert_eq!(Json::check("null"), Ok(Json::NULL));
        assert_eq!(
            Json::check("{").unwrap_err().to_string(),
            "the data is not valid JSON: expected a member name in double quotes at byte 1"
        );
    }
}
