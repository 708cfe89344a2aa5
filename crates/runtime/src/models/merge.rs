//! JSON Merge Patch (RFC 7396) over raw values: what the patch does not name keeps its bytes, numbers included.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// `known` with `patch` merged in. Where either is no object, the patch replaces it, as the RFC says.
///
/// # Errors
/// When one of them is no JSON.
pub(super) fn merge_patch(known: &[u8], patch: &[u8]) -> Result<Bytes, serde_json::Error> {
    let (known, patch): (&RawValue, &RawValue) = (serde_json::from_slice(known)?, serde_json::from_slice(patch)?);
    let mut merged = String::with_capacity(known.get().len() + patch.get().len());
    write_merged(Some(known.get()), patch.get(), &mut merged)?;
    Ok(merged.into())
}

fn write_merged(known: Option<&str>, patch: &str, merged: &mut String) -> Result<(), serde_json::Error> {
    if !patch.starts_with('{') {
        merged.push_str(patch);
        return Ok(());
    }
    let patch: Members<'_> = serde_json::from_str(patch)?;
    let known = match known.filter(|known| known.starts_with('{')) {
        Some(known) => serde_json::from_str(known)?,
        None => Members(Vec::new()),
    };
    let mut separator = '{';
    let mut write = |name: &str, known: Option<&str>, patch: Option<&str>| -> Result<(), serde_json::Error> {
        if patch == Some("null") {
            return Ok(());
        }
        merged.push(separator);
        separator = ',';
        merged.push_str(&serde_json::to_string(name)?);
        merged.push(':');
        match (known, patch) {
            (known, Some(patch)) => write_merged(known, patch, merged),
            (known, None) => {
                merged.push_str(known.unwrap_or("null"));
                Ok(())
            }
        }
    };
    for (name, value) in &known.0 {
        write(name, Some(value.get()), patch.get(name))?;
    }
    for (name, value) in patch.0.iter().filter(|(name, _)| known.get(name).is_none()) {
        write(name, None, Some(value.get()))?;
    }
    if separator == '{' {
        merged.push('{');
    }
    merged.push('}');
    Ok(())
}

/// The members of an object in order; of two with one name the later counts.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.get())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, &RawValue)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            match members.iter_mut().find(|(known, _)| *known == name) {
                Some((_, held)) => *held = value,
                None => members.push((name, value)),
            }
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(known: &str, patch: &str, expected: &str) {
        assert_eq!(merge_patch(known.as_bytes(), patch.as_bytes()).unwrap(), expected, "{known} + {patch}");
    }

    #[test]
    fn merging_follows_rfc_7396() {
        // The test cases of the RFC's appendix A.
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"a":null}"#, "{}");
        check(r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#);
        check(r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#);
        check(r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#);
        check(r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#);
        check(r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#);
        check(r#"{"a":"foo"}"#, "null", "null");
        check(r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#);
        check("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#);
        check("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#);
    }

    #[test]
    fn what_the_patch_does_not_name_keeps_its_bytes() {
        check(
            r#"{"n":12345678901234567890123,"x":1.50}"#,
            r#"{"y":1e3}"#,
            r#"{"n":12345678901234567890123,"x":1.50,"y":1e3}"#,
        );
    }
}
