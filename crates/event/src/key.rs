//! The key of an event: what makes events related. Same key, same partition, same order.

use std::fmt;

use bytes::Bytes;

use crate::limits::KEY_BYTES_MAX;

/// Key bytes, at most [`KEY_BYTES_MAX`]. Text keys are their UTF-8 bytes, integers their decimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Bytes);

/// The key has more than [`KEY_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed")]
pub struct KeyTooLong {
    /// How many bytes it has.
    pub bytes: usize,
}

impl Key {
    /// Takes bytes as a key.
    ///
    /// # Errors
    /// [`KeyTooLong`] when there are more than [`KEY_BYTES_MAX`] bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, KeyTooLong> {
        let bytes = bytes.into();
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key's bytes, sharing the same allocation.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The key as text, if it is valid UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}
