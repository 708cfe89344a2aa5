//! The functions expressions can call: which there are, how they are called, and what those do that are done here.

use std::borrow::Cow;

use chrono::DateTime;
use regex::Regex;

use super::names::nearest;
use super::node::Node;
use super::number::write_number;
use super::operand::{Operand, write_duration, write_time};
use super::standard;

/// A call whose function exists and takes that many arguments.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    function: Function,
    receiver: bool,
    /// Its arguments, the receiver first.
    pub(super) arguments: Vec<Node>,
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `f(x)`
    Global,
    /// `x.f()`
    Method,
    Either,
}

#[derive(Clone, Debug)]
enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    /// With the expression where it is known beforehand.
    Matches(Option<Regex>),
    Double,
    Int,
    Text,
    Bool,
    Same,
    Timestamp,
    Math(fn(f64) -> f64),
    /// `math.greatest` and `math.least`: one number of many.
    Choose(fn(f64, f64) -> f64),
    /// Of CEL's standard library and its strings extension.
    Standard,
}

struct Signature {
    name: &'static str,
    style: Style,
    /// Fewest and most arguments, the receiver included.
    arguments: (usize, usize),
    function: Function,
}

const fn signature(name: &'static str, style: Style, least: usize, most: usize, function: Function) -> Signature {
    Signature { name, style, arguments: (least, most), function }
}

/// Every function there is.
static FUNCTIONS: [Signature; 44] = [
    signature("size", Style::Either, 1, 1, Function::Size),
    signature("contains", Style::Method, 2, 2, Function::Contains),
    signature("startsWith", Style::Method, 2, 2, Function::StartsWith),
    signature("endsWith", Style::Method, 2, 2, Function::EndsWith),
    signature("matches", Style::Either, 2, 2, Function::Matches(None)),
    signature("double", Style::Global, 1, 1, Function::Double),
    signature("int", Style::Global, 1, 1, Function::Int),
    signature("string", Style::Global, 1, 1, Function::Text),
    signature("bool", Style::Global, 1, 1, Function::Bool),
    signature("dyn", Style::Global, 1, 1, Function::Same),
    signature("timestamp", Style::Global, 1, 1, Function::Timestamp),
    signature("duration", Style::Global, 1, 1, Function::Standard),
    signature("getFullYear", Style::Method, 1, 2, Function::Standard),
    signature("getMonth", Style::Method, 1, 2, Function::Standard),
    signature("getDate", Style::Method, 1, 2, Function::Standard),
    signature("getDayOfMonth", Style::Method, 1, 2, Function::Standard),
    signature("getDayOfWeek", Style::Method, 1, 2, Function::Standard),
    signature("getDayOfYear", Style::Method, 1, 2, Function::Standard),
    signature("getHours", Style::Method, 1, 2, Function::Standard),
    signature("getMinutes", Style::Method, 1, 2, Function::Standard),
    signature("getSeconds", Style::Method, 1, 2, Function::Standard),
    signature("getMilliseconds", Style::Method, 1, 2, Function::Standard),
    signature("charAt", Style::Method, 2, 2, Function::Standard),
    signature("format", Style::Method, 2, 2, Function::Standard),
    signature("indexOf", Style::Method, 2, 3, Function::Standard),
    signature("join", Style::Method, 1, 2, Function::Standard),
    signature("lastIndexOf", Style::Method, 2, 3, Function::Standard),
    signature("lowerAscii", Style::Method, 1, 1, Function::Standard),
    signature("replace", Style::Method, 3, 4, Function::Standard),
    signature("reverse", Style::Method, 1, 1, Function::Standard),
    signature("split", Style::Method, 2, 3, Function::Standard),
    signature("substring", Style::Method, 2, 3, Function::Standard),
    signature("trim", Style::Method, 1, 1, Function::Standard),
    signature("upperAscii", Style::Method, 1, 1, Function::Standard),
    signature("math.abs", Style::Global, 1, 1, Function::Math(f64::abs)),
    signature("math.ceil", Style::Global, 1, 1, Function::Math(f64::ceil)),
    signature("math.floor", Style::Global, 1, 1, Function::Math(f64::floor)),
    signature("math.round", Style::Global, 1, 1, Function::Math(f64::round)),
    signature("math.sqrt", Style::Global, 1, 1, Function::Math(f64::sqrt)),
    signature("math.trunc", Style::Global, 1, 1, Function::Math(f64::trunc)),
    signature("math.greatest", Style::Global, 1, usize::MAX, Function::Choose(f64::max)),
    signature("math.least", Style::Global, 1, usize::MAX, Function::Choose(f64::min)),
    // Not functions of their own, but macros; listed so that a misspelt one is recognised.
    signature("exists", Style::Method, usize::MAX, usize::MAX, Function::Same),
    signature("exists_one", Style::Method, usize::MAX, usize::MAX, Function::Same),
];

impl Call {
    /// Settles a call; `receiver` when it is written `x.name()`, and then the first argument is the receiver.
    ///
    /// # Errors
    /// A message, when there is no such function or it is not called so.
    pub(super) fn resolve(name: &str, receiver: bool, arguments: Vec<Node>) -> Result<Self, String> {
        let Some(signature) = FUNCTIONS.iter().find(|signature| signature.name == name) else {
            let near = nearest(name, FUNCTIONS.iter().map(|signature| signature.name));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}()?"));
            return Err(format!("there is no function {name}(){hint}"));
        };
        let (least, most) = signature.arguments;
        match signature.style {
            Style::Global if receiver => {
                return Err(format!("{name}() is called with its value in brackets: {name}(x)"));
            }
            Style::Method if !receiver => return Err(format!("{name}() is called on a value: x.{name}(...)")),
            _ => {}
        }
        if arguments.len() < least || arguments.len() > most {
            let own = usize::from(receiver);
            let expected = match (least.saturating_sub(own), most.saturating_sub(own)) {
                (least, most) if least == most => format!("{least}"),
                (least, most) if most > 99 => format!("at least {least}"),
                (least, most) => format!("{least} or {most}"),
            };
            let plural = if expected == "1" { "" } else { "s" };
            return Err(format!("{name}() takes {expected} argument{plural}, not {}", arguments.len() - own));
        }
        let mut function = signature.function.clone();
        if let (Function::Matches(known), Some(Node::Literal(Operand::Text(pattern)))) =
            (&mut function, arguments.get(1))
        {
            *known = Some(regular_expression(pattern)?);
        }
        Ok(Self { name: signature.name, function, receiver, arguments })
    }

    /// Whether it asks a question of its receiver; of null the answer is false then, not an error.
    pub(super) fn is_predicate(&self) -> bool {
        matches!(self.function, Function::Contains | Function::StartsWith | Function::EndsWith | Function::Matches(_))
    }

    /// Applies the function; no argument is null.
    pub(super) fn apply<'a>(&self, arguments: Vec<Operand<'a>>) -> Result<Operand<'a>, String> {
        let given = || arguments.iter().map(Operand::kind).collect::<Vec<_>>().join(", ");
        let refused = |expected: &str| format!("{}() takes {expected}, not {}", self.name, given());
        match (&self.function, arguments.as_slice()) {
            (Function::Size, [value]) => size(value).ok_or_else(|| refused("text, a list or an object")),
            (Function::Contains, [Operand::Text(text), Operand::Text(part)]) => {
                Ok(Operand::Bool(text.contains(&**part)))
            }
            (Function::StartsWith, [Operand::Text(text), Operand::Text(part)]) => {
                Ok(Operand::Bool(text.starts_with(&**part)))
            }
            (Function::EndsWith, [Operand::Text(text), Operand::Text(part)]) => {
                Ok(Operand::Bool(text.ends_with(&**part)))
            }
            (Function::Matches(Some(pattern)), [Operand::Text(text), _]) => Ok(Operand::Bool(pattern.is_match(text))),
            (Function::Matches(None), [Operand::Text(text), Operand::Text(pattern)]) => {
                Ok(Operand::Bool(regular_expression(pattern)?.is_match(text)))
            }
            (Function::Contains | Function::StartsWith | Function::EndsWith | Function::Matches(_), _) => {
                Err(refused("text"))
            }
            (Function::Double, [value]) => {
                double(value).map(Operand::Number).ok_or_else(|| refused("a number or a number as text"))
            }
            (Function::Int, [value]) => int(value).ok_or_else(|| refused("a number, a number as text or a time")),
            (Function::Text, [value]) => text(value)?.ok_or_else(|| refused("a number, a truth value, a time or text")),
            (Function::Bool, [value]) => {
                truth(value).map(Operand::Bool).ok_or_else(|| refused("a truth value, 'true' or 'false'"))
            }
            (Function::Timestamp, [value]) => {
                timestamp(value).ok_or_else(|| refused("an RFC 3339 time as text, or seconds since 1970"))
            }
            (Function::Math(function), [value]) => {
                value.number().map(|number| Operand::Number(function(number))).ok_or_else(|| refused("a number"))
            }
            (Function::Choose(choose), values) => values
                .iter()
                .map(Operand::number)
                .reduce(|one, two| Some(choose(one?, two?)))
                .flatten()
                .map(Operand::Number)
                .ok_or_else(|| refused("numbers")),
            (Function::Standard, _) => standard::call(self.name, self.receiver, &arguments),
            _ => Ok(arguments.into_iter().next().unwrap_or(Operand::Null)),
        }
    }
}

fn regular_expression(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        let last = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        format!("{pattern:?} is no regular expression: {last}")
    })
}

#[expect(clippy::cast_precision_loss, reason = "no text or list has 2^53 elements")]
fn size<'a>(value: &Operand<'a>) -> Option<Operand<'a>> {
    let size = match value {
        Operand::Text(text) => text.chars().count(),
        value => value.elements()?.len(),
    };
    Some(Operand::Number(size as f64))
}

fn double(value: &Operand<'_>) -> Option<f64> {
    value.number().or_else(|| value.text()?.trim().parse().ok().filter(|number: &f64| number.is_finite()))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
fn int<'a>(value: &Operand<'a>) -> Option<Operand<'a>> {
    match value {
        // An integer that is text or a token keeps all its digits.
        Operand::Token(digits) | Operand::Text(digits) if digits.parse::<i128>().is_ok() => {
            Some(Operand::Token(Cow::Owned(digits.parse::<i128>().ok()?.to_string())))
        }
        Operand::Time(time) => Some(Operand::Number(time.timestamp() as f64)),
        value => Some(Operand::Number(double(value)?.trunc())),
    }
}

fn text<'a>(value: &Operand<'a>) -> Result<Option<Operand<'a>>, String> {
    Ok(Some(Operand::Text(match value {
        Operand::Text(text) => text.clone(),
        Operand::Token(token) => token.clone(),
        Operand::Bool(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
        Operand::Number(number) => {
            let mut out = Vec::new();
            write_number(*number, &mut out)?;
            Cow::Owned(String::from_utf8_lossy(&out).into_owned())
        }
        Operand::Time(time) => Cow::Owned(write_time(time)),
        Operand::Duration(duration) => Cow::Owned(write_duration(duration)),
        _ => return Ok(None),
    })))
}

fn truth(value: &Operand<'_>) -> Option<bool> {
    match value {
        Operand::Bool(truth) => Some(*truth),
        Operand::Text(text) if text == "true" => Some(true),
        Operand::Text(text) if text == "false" => Some(false),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a time out of range is refused by chrono")]
fn timestamp<'a>(value: &Operand<'a>) -> Option<Operand<'a>> {
    match value {
        Operand::Time(time) => Some(Operand::Time(*time)),
        Operand::Text(text) => DateTime::parse_from_rfc3339(text).ok().map(Operand::Time),
        value => DateTime::from_timestamp(value.number()? as i64, 0).map(|time| Operand::Time(time.fixed_offset())),
    }
}
