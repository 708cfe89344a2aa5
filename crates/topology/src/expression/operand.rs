//! Values while an expression is evaluated: borrowed from the event where they can be, converted only when a use asks for it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta};

use crate::document::{elements, members, unescape, write_string};

use super::number::write_number;

/// A value. JSON numbers stay tokens until arithmetic, so that what is only copied keeps its digits; JSON lists and objects
/// stay text.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Null,
    Bool(bool),
    Number(f64),
    /// A JSON number as it is written.
    Token(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// A JSON list or object as it is written.
    Json(&'a str),
    List(Arc<Vec<Self>>),
    Object(Arc<Vec<(Cow<'a, str>, Self)>>),
    Time(DateTime<FixedOffset>),
    Duration(TimeDelta),
}

/// From here on a double cannot tell an integer from its neighbours.
pub(super) const INTEGER_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl<'a> Operand<'a> {
    /// The value a JSON text stands for.
    pub(super) fn from_json(text: &'a str) -> Self {
        match text.as_bytes().first() {
            Some(b'"') => Self::Text(unescape(text.get(1..text.len() - 1).unwrap_or_default())),
            Some(b'{' | b'[') => Self::Json(text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Token(Cow::Borrowed(text)),
        }
    }

    /// The same value without a copy of its text.
    pub(super) fn borrowed(&'a self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::Token(token) => Self::Token(Cow::Borrowed(token)),
            other => other.clone(),
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) | Self::Token(_) => "a number",
            Self::Text(_) => "text",
            Self::Json(text) if text.starts_with('{') => "an object",
            Self::Json(_) | Self::List(_) => "a list",
            Self::Object(_) => "an object",
            Self::Time(_) => "a time",
            Self::Duration(_) => "a duration",
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Token(token) => token.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a macro or `in` goes through: the elements of a list, the names of an object.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        match self {
            Self::Json(text) if text.starts_with('{') => {
                Some(distinct_members(text).into_iter().map(|(name, _)| Self::Text(name)).collect())
            }
            Self::Json(text) => Some(elements(text).map(Self::from_json).collect()),
            Self::List(list) => Some(list.to_vec()),
            Self::Object(object) => Some(object.iter().map(|(name, _)| Self::Text(name.clone())).collect()),
            _ => None,
        }
    }

    /// The element at `index` of a list, from 0.
    pub(super) fn element(&self, index: usize) -> Option<Self> {
        match self {
            Self::Json(text) => elements(text).nth(index).map(Self::from_json),
            Self::List(list) => list.get(index).cloned(),
            _ => None,
        }
    }

    /// The member `name` of an object; of a repeated name the last counts.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        match self {
            Self::Json(text) => members(text)
                .filter(|(token, escaped, _)| if *escaped { unescape(token) == name } else { *token == name })
                .last()
                .map(|(_, _, value)| Self::from_json(value)),
            Self::Object(object) => object.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_)) || matches!(self, Self::Json(text) if text.starts_with('['))
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_)) || matches!(self, Self::Json(text) if text.starts_with('{'))
    }

    fn pairs(&self) -> Option<Vec<(Cow<'a, str>, Self)>> {
        match self {
            Self::Json(text) if text.starts_with('{') => Some(distinct_members(text)),
            Self::Object(object) => Some(object.to_vec()),
            _ => None,
        }
    }

    /// Equality as in CEL: values of different kinds are different, numbers compare by value, objects without order.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Time(one), Self::Time(two)) => one == two,
            (Self::Duration(one), Self::Duration(two)) => one == two,
            (Self::Json(one), Self::Json(two)) if one == two => true,
            (one, two) if one.is_list() && two.is_list() => {
                let (one, two) = (one.elements().unwrap_or_default(), two.elements().unwrap_or_default());
                one.len() == two.len() && one.iter().zip(&two).all(|(one, two)| one.equals(two))
            }
            (one, two) if one.is_object() && two.is_object() => {
                let (one, two) = (one.pairs().unwrap_or_default(), two.pairs().unwrap_or_default());
                let same = |(name, value): &(Cow<'_, str>, Self)| {
                    two.iter().any(|(other_name, other)| name == other_name && value.equals(other))
                };
                one.len() == two.len() && one.iter().all(same)
            }
            (one, two) => compare_numbers(one, two) == Some(Ordering::Equal),
        }
    }

    /// The order of two values of one kind that has an order; `None` for others (and for NaN).
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => Some(one.cmp(two)),
            (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
            (Self::Time(one), Self::Time(two)) => Some(one.cmp(two)),
            (Self::Duration(one), Self::Duration(two)) => Some(one.cmp(two)),
            (one, two) => compare_numbers(one, two),
        }
    }

    /// Writes the value as JSON.
    ///
    /// # Errors
    /// A message, for a number JSON cannot write.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Self::Number(number) => write_number(*number, out)?,
            Self::Token(token) => out.extend_from_slice(token.as_bytes()),
            Self::Text(text) => write_string(text, out),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
            Self::List(list) => {
                for (index, element) in list.iter().enumerate() {
                    out.push(if index == 0 { b'[' } else { b',' });
                    element.write_json(out)?;
                }
                out.extend_from_slice(if list.is_empty() { b"[]" } else { b"]" });
            }
            Self::Object(object) => {
                for (index, (name, value)) in object.iter().enumerate() {
                    out.push(if index == 0 { b'{' } else { b',' });
                    write_string(name, out);
                    out.push(b':');
                    value.write_json(out)?;
                }
                out.extend_from_slice(if object.is_empty() { b"{}" } else { b"}" });
            }
            Self::Time(time) => write_string(&write_time(time), out),
            Self::Duration(duration) => write_string(&write_duration(duration), out),
        }
        Ok(())
    }
}

/// A time as it is written in data: RFC 3339.
pub(super) fn write_time(time: &DateTime<FixedOffset>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A duration as CEL and protobuf's JSON write it: decimal seconds with `s`.
pub(super) fn write_duration(duration: &TimeDelta) -> String {
    let seconds = duration.num_seconds();
    let nanoseconds = duration.subsec_nanos();
    if nanoseconds == 0 {
        return format!("{seconds}s");
    }
    let sign = if seconds < 0 || nanoseconds < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanoseconds.unsigned_abs());
    format!("{sign}{}.{}s", seconds.unsigned_abs(), fraction.trim_end_matches('0'))
}

/// The members of an object; of a repeated name only the last.
fn distinct_members(text: &str) -> Vec<(Cow<'_, str>, Operand<'_>)> {
    let mut pairs: Vec<(Cow<'_, str>, Operand<'_>)> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for (token, _, value) in members(text) {
        let name = unescape(token);
        let value = Operand::from_json(value);
        let index = *seen.entry(name.clone()).or_insert(pairs.len());
        match pairs.get_mut(index) {
            Some(pair) => pair.1 = value,
            None => pairs.push((name, value)),
        }
    }
    pairs
}

/// Numbers by value: as doubles, but integers as they are written exactly, so that two long ids are not taken for one.
fn compare_numbers(one: &Operand<'_>, two: &Operand<'_>) -> Option<Ordering> {
    if let (Operand::Token(one), Operand::Token(two)) = (one, two)
        && one.len().max(two.len()) > 15
        && let (Ok(one), Ok(two)) = (one.parse::<i128>(), two.parse::<i128>())
    {
        return Some(one.cmp(&two));
    }
    one.number()?.partial_cmp(&two.number()?)
}
