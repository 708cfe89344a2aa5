//! Extension attributes of an event: ordered (name, value) pairs, as CloudEvents 1.0 names them.

use crate::Text;
use crate::limits::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX};

/// The attribute names CloudEvents keeps for itself; they are fields of [`crate::Event`], never extensions.
pub const CONTEXT_ATTRIBUTES: [&str; 9] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];

/// Why attributes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// Not `[a-z0-9]+`, as CloudEvents requires.
    #[error("attribute {0:?}: a name has only a-z and 0-9 (CloudEvents 1.0)")]
    Name(String),
    /// The name is a context attribute or stated twice.
    #[error("attribute {0:?} is stated twice or is no extension")]
    Duplicate(String),
    /// The value has a character that CloudEvents forbids.
    #[error("attribute {0:?}: control characters are not allowed in a value (CloudEvents 1.0)")]
    Value(String),
    /// More than [`ATTRIBUTES_MAX`].
    #[error("more than {ATTRIBUTES_MAX} extension attributes")]
    TooMany,
    /// More than [`ATTRIBUTES_BYTES_MAX`] together.
    #[error("the extension attributes have more than {ATTRIBUTES_BYTES_MAX} bytes together")]
    TooLarge,
}

/// Extension attributes in the order they were received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(Text, Text)>);

impl Attributes {
    /// Adds an attribute a sender gave, checking CloudEvents' rules and the limits.
    ///
    /// # Errors
    /// [`AttributeError`] names the attribute and the rule it breaks; nothing is added then.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), AttributeError> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(AttributeError::Name(name.chars().take(64).collect()));
        }
        if CONTEXT_ATTRIBUTES.contains(&name) || self.get(name).is_some() {
            return Err(AttributeError::Duplicate(name.to_owned()));
        }
        if value.chars().any(is_forbidden) {
            return Err(AttributeError::Value(name.to_owned()));
        }
        if self.0.len() >= ATTRIBUTES_MAX {
            return Err(AttributeError::TooMany);
        }
        if self.bytes() + name.len() + value.len() > ATTRIBUTES_BYTES_MAX {
            return Err(AttributeError::TooLarge);
        }
        self.0.push((name.into(), value.into()));
        Ok(())
    }

    /// Makes room for this many more, in one allocation.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Sets an attribute that Riverrun itself writes (`rrcause`, ...), replacing an earlier value in place.
    pub fn set(&mut self, name: &str, value: impl Into<Text>) {
        match self.0.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, held)) => *held = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }

    /// Removes an attribute that Riverrun itself wrote.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| &**known != name);
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| &**known == name).map(|(_, value)| &**value)
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all names and values together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// Whether CloudEvents 1.0 forbids the character in a String: C0 and C1 controls and Unicode noncharacters.
#[must_use]
pub fn is_forbidden(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_follow_cloudevents() {
        let mut attributes = Attributes::default();
        assert_eq!(attributes.add("tenant", "blue"), Ok(()));
        assert_eq!(attributes.add("tenant", "red"), Err(AttributeError::Duplicate("tenant".into())));
        assert_eq!(attributes.add("id", "1"), Err(AttributeError::Duplicate("id".into())));
        assert_eq!(attributes.add("Tenant", "x"), Err(AttributeError::Name("Tenant".into())));
        assert_eq!(attributes.add("note", "a\nb"), Err(AttributeError::Value("note".into())));
        assert_eq!(attributes.add("big", &"x".repeat(ATTRIBUTES_BYTES_MAX)), Err(AttributeError::TooLarge));
        for index in attributes.len()..ATTRIBUTES_MAX {
            assert_eq!(attributes.add(&format!("a{index}"), ""), Ok(()));
        }
        assert_eq!(attributes.add("more", ""), Err(AttributeError::TooMany));
        assert_eq!(attributes.get("tenant"), Some("blue"));
    }
}
