//! Numbers as aggregates count with them: integers exactly, everything else as doubles.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::expression::{whole, write_number};
use crate::rows::{RowReader, put_bytes, put_number};

use super::refused::Refused;
use crate::context::StepError;

/// A number of JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i128),
    Double(f64),
}

/// A sum: its integers exactly, beside the sum of what is no integer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    integers: i128,
    /// `None` as long as all were integers.
    doubles: Option<f64>,
}

/// Integers beyond these bounds are written as bytes, not as one number.
const WIDE: u8 = 1;
const DOUBLES: u8 = 2;

impl Number {
    /// Reads a number as it is written in JSON. Whole doubles (`2.0`, `1e3`) are integers as far as doubles are exact.
    pub(super) fn parse(token: &str) -> Result<Self, Refused> {
        if let Ok(integer) = token.parse() {
            return Ok(Self::Integer(integer));
        }
        if token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(Refused::overflow(format!("{token} is larger than 128 bits hold")));
        }
        match token.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                Ok(whole(number).map_or(Self::Double(number), |integer| Self::Integer(integer.into())))
            }
            _ => Err(Refused::overflow(format!("{token} is larger than a double holds"))),
        }
    }

    /// Their order by value; integers are compared exactly.
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^126")]
    pub(super) fn order(self, other: Self) -> Ordering {
        // A double that is whole and in this range is an i128.
        let integral = |number: f64| number.fract() == 0.0 && number.abs() < 2_f64.powi(126);
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => one.cmp(&two),
            (Self::Double(one), Self::Double(two)) => one.total_cmp(&two),
            (Self::Integer(one), Self::Double(two)) if integral(two) => one.cmp(&(two as i128)),
            (Self::Integer(one), Self::Double(two)) => double(one).total_cmp(&two),
            (Self::Double(_), Self::Integer(_)) => other.order(self).reverse(),
        }
    }
}

impl Sum {
    pub(super) fn add(&mut self, number: Number) -> Result<(), Refused> {
        match number {
            Number::Integer(integer) => self.add_integer(integer),
            Number::Double(number) => self.add_double(number),
        }
    }

    pub(super) fn merge(&mut self, later: &Self) -> Result<(), Refused> {
        self.add_integer(later.integers)?;
        later.doubles.map_or(Ok(()), |doubles| self.add_double(doubles))
    }

    fn add_integer(&mut self, integer: i128) -> Result<(), Refused> {
        let sum = self.integers.checked_add(integer);
        self.integers = sum.ok_or_else(|| Refused::overflow("the sum is larger than 128 bits hold".to_owned()))?;
        Ok(())
    }

    fn add_double(&mut self, number: f64) -> Result<(), Refused> {
        let sum = self.doubles.unwrap_or_default() + number;
        if !sum.is_finite() {
            return Err(Refused::overflow("the sum is larger than a double holds".to_owned()));
        }
        self.doubles = Some(sum);
        Ok(())
    }

    /// Appends the sum as JSON.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) -> Result<(), Refused> {
        match self.doubles {
            None => out.extend_from_slice(self.integers.to_string().as_bytes()),
            Some(doubles) => write_number(double(self.integers) + doubles, out).map_err(Refused::overflow)?,
        }
        Ok(())
    }

    /// Appends the mean of so many numbers as JSON.
    pub(super) fn write_mean(&self, count: u64, out: &mut Vec<u8>) -> Result<(), Refused> {
        let mean = (double(self.integers) + self.doubles.unwrap_or_default()) / double(count.into());
        write_number(mean, out).map_err(Refused::overflow)
    }

    pub(super) fn write(&self, row: &mut Vec<u8>) {
        let narrow = i64::try_from(self.integers);
        let wide = if narrow.is_err() { WIDE } else { 0 };
        row.push(wide | if self.doubles.is_some() { DOUBLES } else { 0 });
        match narrow {
            // Zigzag: small numbers of either sign are short.
            Ok(integer) => put_number(row, u64::from_ne_bytes(((integer << 1) ^ (integer >> 63)).to_ne_bytes())),
            Err(_) => put_bytes(row, &self.integers.to_be_bytes()),
        }
        if let Some(doubles) = self.doubles {
            put_bytes(row, &doubles.to_be_bytes());
        }
    }

    pub(super) fn read(reader: &mut RowReader) -> Result<Self, StepError> {
        let form = reader.byte()?;
        let integers = if form & WIDE == 0 {
            let zigzag = reader.number()?;
            let integer = i64::from_ne_bytes((zigzag >> 1).to_ne_bytes());
            i128::from(if zigzag & 1 == 0 { integer } else { !integer })
        } else {
            i128::from_be_bytes(fixed(&reader.bytes()?)?)
        };
        let doubles = if form & DOUBLES == 0 { None } else { Some(f64::from_be_bytes(fixed(&reader.bytes()?)?)) };
        Ok(Self { integers, doubles })
    }
}

fn fixed<const N: usize>(bytes: &Bytes) -> Result<[u8; N], StepError> {
    <[u8; N]>::try_from(&**bytes).map_err(|_| crate::rows::unreadable())
}

#[expect(clippy::cast_precision_loss, reason = "a result that is no integer is a double, and close is all it can be")]
fn double(integer: i128) -> f64 {
    integer as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(tokens: &[&str]) -> Result<String, String> {
        let mut sum = Sum::default();
        for token in tokens {
            let added = Number::parse(token).and_then(|number| sum.add(number));
            added.map_err(|refused| refused.message)?;
        }
        let mut row = Vec::new();
        sum.write(&mut row);
        let mut reader = RowReader::new(row.into());
        assert_eq!((Sum::read(&mut reader).unwrap(), reader.is_at_end()), (sum, true));
        let mut out = Vec::new();
        sum.write_json(&mut out).map_err(|refused| refused.message)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn sums_are_exact_where_they_are_whole() {
        for (tokens, expected) in [
            (&[][..], "0"),
            (&["9007199254740993", "1"], "9007199254740994"),
            (&["9223372036854775807", "9223372036854775807"], "18446744073709551614"),
            (&["-9223372036854775808", "-1"], "-9223372036854775809"),
            (&["1", "2.0", "3e2"], "303"),
            (&["1", "0.5", "-0.25"], "1.25"),
            (&["0.5", "0.5"], "1"),
            (&["170141183460469231731687303715884105727", "-1"], "170141183460469231731687303715884105726"),
        ] {
            assert_eq!(sum(tokens).as_deref(), Ok(expected), "{tokens:?}");
        }
        let large = "170141183460469231731687303715884105727";
        assert_eq!(sum(&[large, "1"]), Err("the sum is larger than 128 bits hold".to_owned()));
        assert_eq!(sum(&[&format!("{large}0")]), Err(format!("{large}0 is larger than 128 bits hold")));
        assert_eq!(sum(&["1.7e308", "1.7e308"]), Err("the sum is larger than a double holds".to_owned()));
        assert_eq!(sum(&["1e999"]), Err("1e999 is larger than a double holds".to_owned()));
    }

    #[test]
    fn numbers_have_one_order() {
        let rising = [
            "-1e300",
            "-9007199254740993",
            "-9007199254740992.0",
            "-0.5",
            "0",
            "0.5",
            "1",
            "9007199254740993",
            "1e16",
            "1e300",
        ];
        let numbers: Vec<Number> = rising.iter().map(|token| Number::parse(token).unwrap()).collect();
        for (place, one) in numbers.iter().enumerate() {
            for (other_place, other) in numbers.iter().enumerate() {
                assert_eq!(one.order(*other), place.cmp(&other_place), "{one:?} {other:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn sums_come_back_as_they_went(integers: i128, narrow: i64, doubles: Option<i32>) {
            for integers in [integers, narrow.into()] {
                let sum = Sum { integers, doubles: doubles.map(f64::from) };
                let mut row = Vec::new();
                sum.write(&mut row);
                prop_assert_eq!(Sum::read(&mut RowReader::new(row.into())).unwrap(), sum);
            }
        }
    }
}
