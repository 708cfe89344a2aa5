//! What a function keeps of the values it has come to: a row of state holds one of these for each field.
//!
//! As bytes: a mark of the function, then a number (LEB128) for `count`; a sum; a number and a sum for `avg`; a value or none
//! for `min` and `max`; values with their number before them for `collect`, `distinct` and `top`. Values are JSON as it came.

use bytes::Bytes;

use crate::context::StepError;
use crate::rows::{RowReader, put_bytes, put_number, put_optional, unreadable};

use super::function::{Function, Kind};
use super::number::Sum;
use super::refused::Refused;
use super::values;

/// Most bytes of the values of one field; they are written anew with each event.
const VALUES_BYTES_MAX: usize = 1 << 20;

/// What is kept for one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Accumulator {
    Count(u64),
    Sum(Sum),
    Mean(u64, Sum),
    /// The least or the greatest.
    Extreme(Option<Bytes>),
    Values(Vec<Bytes>),
}

impl Accumulator {
    /// That of a function that has seen nothing.
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Count => Self::Count(0),
            Kind::Sum => Self::Sum(Sum::default()),
            Kind::Avg => Self::Mean(0, Sum::default()),
            Kind::Min | Kind::Max => Self::Extreme(None),
            Kind::Collect | Kind::Distinct | Kind::Top => Self::Values(Vec::new()),
        }
    }

    /// Takes a value in that is not null; `None` is what `count()` counts.
    pub(super) fn add(&mut self, function: &Function, value: Option<&Bytes>) -> Result<(), Refused> {
        let word = function.kind().word();
        match (self, value) {
            (Self::Count(count), _) => *count += 1,
            (Self::Sum(sum), Some(value)) => sum.add(values::number(word, value)?)?,
            (Self::Mean(count, sum), Some(value)) => {
                sum.add(values::number(word, value)?)?;
                *count += 1;
            }
            (Self::Extreme(extreme), Some(value)) => {
                values::ordered(word, value)?;
                choose(extreme, function.kind(), value)?;
            }
            (Self::Values(held), Some(value)) => hold(held, function, value)?,
            (_, None) => {}
        }
        Ok(())
    }

    /// Takes in what was kept for a later window.
    pub(super) fn merge(&mut self, function: &Function, later: &Self) -> Result<(), Refused> {
        match (self, later) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Sum(sum), Self::Sum(more)) => sum.merge(more)?,
            (Self::Mean(count, sum), Self::Mean(more, other)) => {
                sum.merge(other)?;
                *count += more;
            }
            (Self::Extreme(extreme), Self::Extreme(Some(value))) => choose(extreme, function.kind(), value)?,
            (Self::Values(held), Self::Values(more)) => {
                more.iter().try_for_each(|value| hold(held, function, value))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends the result as JSON.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self {
            Self::Count(count) => out.extend_from_slice(count.to_string().as_bytes()),
            Self::Sum(sum) => sum.write_json(out)?,
            Self::Mean(0, _) | Self::Extreme(None) => out.extend_from_slice(b"null"),
            Self::Mean(count, sum) => sum.write_mean(*count, out)?,
            Self::Extreme(Some(value)) => out.extend_from_slice(value),
            Self::Values(held) => {
                out.push(b'[');
                for (index, value) in held.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(value);
                }
                out.push(b']');
            }
        }
        Ok(())
    }

    /// Appends it to a row of state.
    pub(super) fn write(&self, kind: Kind, row: &mut Vec<u8>) {
        row.push(kind.mark());
        match self {
            Self::Count(count) => put_number(row, *count),
            Self::Sum(sum) => sum.write(row),
            Self::Mean(count, sum) => {
                put_number(row, *count);
                sum.write(row);
            }
            Self::Extreme(extreme) => put_optional(row, extreme.as_deref()),
            Self::Values(held) => {
                put_number(row, held.len() as u64);
                held.iter().for_each(|value| put_bytes(row, value));
            }
        }
    }

    /// Reads it back; what another function kept is refused.
    pub(super) fn read(kind: Kind, reader: &mut RowReader) -> Result<Self, StepError> {
        if reader.byte()? != kind.mark() {
            return Err(unreadable());
        }
        Ok(match kind {
            Kind::Count => Self::Count(reader.number()?),
            Kind::Sum => Self::Sum(Sum::read(reader)?),
            Kind::Avg => Self::Mean(reader.number()?, Sum::read(reader)?),
            Kind::Min | Kind::Max => Self::Extreme(reader.optional()?),
            Kind::Collect | Kind::Distinct | Kind::Top => {
                let count = reader.number()?;
                Self::Values((0..count).map(|_| reader.bytes()).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// Keeps the value if it is less or greater than the one before; of two that are equal the first.
fn choose(extreme: &mut Option<Bytes>, kind: Kind, value: &Bytes) -> Result<(), Refused> {
    let better = match extreme {
        None => true,
        Some(held) => {
            let order = values::order(kind.word(), value, held)?;
            if kind == Kind::Min { order.is_lt() } else { order.is_gt() }
        }
    };
    if better {
        *extreme = Some(value.clone());
    }
    Ok(())
}

fn hold(held: &mut Vec<Bytes>, function: &Function, value: &Bytes) -> Result<(), Refused> {
    insert(held, function, value)?;
    let bytes: usize = held.iter().map(Bytes::len).sum();
    if bytes > VALUES_BYTES_MAX {
        let (word, most) = (function.kind().word(), VALUES_BYTES_MAX >> 20);
        return Err(Refused::overflow(format!(
            "the values that {word}() keeps take more than {most} MiB; keep fewer, or less of each"
        )));
    }
    Ok(())
}

fn insert(held: &mut Vec<Bytes>, function: &Function, value: &Bytes) -> Result<(), Refused> {
    match function.kind() {
        Kind::Distinct => {
            if held.iter().any(|known| values::same(known, value)) {
                return Ok(());
            }
            if held.len() >= function.limit() {
                return Err(Refused::overflow(format!(
                    "there are more than {} different values, and distinct() keeps no more; aggregate by a finer key, or in \
                     shorter windows",
                    function.limit()
                )));
            }
            held.push(value.clone());
        }
        Kind::Top => {
            values::ordered("top", value)?;
            let mut place = held.len();
            for (index, known) in held.iter().enumerate() {
                if values::order("top", value, known)?.is_gt() {
                    place = index;
                    break;
                }
            }
            held.insert(place, value.clone());
            held.truncate(function.limit());
        }
        _ if held.len() < function.limit() => held.push(value.clone()),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a function gives over these values, all at once and in two parts that are merged.
    #[track_caller]
    fn check(function: &str, values: &[&'static str], expected: Result<&str, &str>) {
        let function = Function::parse(function).unwrap();
        for split in [0, values.len() / 2, values.len()] {
            let (earlier, later) = values.split_at(split);
            let outcome = gathered(&function, earlier).and_then(|mut kept| {
                kept.merge(&function, &gathered(&function, later)?)?;
                let mut row = Vec::new();
                kept.write(function.kind(), &mut row);
                let mut reader = RowReader::new(row.into());
                assert_eq!(Accumulator::read(function.kind(), &mut reader).unwrap(), kept);
                let mut out = Vec::new();
                kept.write_json(&mut out)?;
                Ok(String::from_utf8(out).unwrap())
            });
            let outcome = outcome.map_err(|refused| format!("{} {}", refused.code, refused.message));
            assert_eq!(outcome, expected.map(str::to_owned).map_err(str::to_owned), "{function:?} over {values:?}");
        }
    }

    fn gathered(function: &Function, values: &[&'static str]) -> Result<Accumulator, Refused> {
        let mut kept = Accumulator::of(function.kind());
        for value in values {
            kept.add(function, Some(&Bytes::from_static(value.as_bytes())))?;
        }
        Ok(kept)
    }

    #[test]
    fn functions_give_what_they_say() {
        let numbers = ["3", "1.50", "10", "-2", "1.5"];
        check("count(data.x)", &numbers, Ok("5"));
        check("sum(data.x)", &numbers, Ok("14"));
        check("avg(data.x)", &numbers, Ok("2.8"));
        check("min(data.x)", &numbers, Ok("-2"));
        check("max(data.x)", &["1.50", "1.5"], Ok("1.50"));
        check("max(data.x)", &["\"a\"", "\"B\""], Ok("\"a\""));
        check("collect(data.x, 3)", &numbers, Ok("[3,1.50,10]"));
        check("distinct(data.x)", &numbers, Ok("[3,1.50,10,-2]"));
        check("top(data.x, 3)", &numbers, Ok("[10,3,1.50]"));
        for (function, nothing) in [
            ("count(data.x)", "0"),
            ("sum(data.x)", "0"),
            ("avg(data.x)", "null"),
            ("min(data.x)", "null"),
            ("top(data.x, 2)", "[]"),
        ] {
            check(function, &[], Ok(nothing));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let kind = "RR0316 sum() takes numbers and has come to text";
        check("sum(data.x)", &["\"1\"", "\"2\""], Err(kind));
        check("avg(data.x)", &["[1]"], Err("RR0316 avg() takes numbers and has come to a list"));
        check("min(data.x)", &["true"], Err("RR0316 min() cannot compare a truth value; it takes numbers or texts"));
        check("top(data.x, 1)", &["{}"], Err("RR0316 top() cannot compare an object; it takes numbers or texts"));
        check("sum(data.x)", &["1e308", "1e308"], Err("RR0317 the sum is larger than a double holds"));
    }

    #[test]
    fn distinct_values_are_bounded() {
        let function = Function::parse("distinct(data.x)").unwrap();
        let mut kept = Accumulator::Values(Vec::new());
        for number in 0..function.limit() {
            kept.add(&function, Some(&number.to_string().into())).unwrap();
        }
        assert_eq!(kept.add(&function, Some(&"7.0".into())), Ok(()));
        assert_eq!(kept.add(&function, Some(&"-1".into())).unwrap_err().code, "RR0317");
        let large = format!("\"{}\"", "x".repeat(VALUES_BYTES_MAX));
        assert_eq!(Accumulator::Values(Vec::new()).add(&function, Some(&large.into())).unwrap_err().code, "RR0317");
    }
}
