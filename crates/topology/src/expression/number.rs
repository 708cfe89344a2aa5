//! How a number an expression computed is written.

use super::operand::INTEGER_EXACT_MAX;

/// Writes a double as JSON: whole numbers that a double holds exactly as integers, others in the shortest form that reads
/// back as the same double.
///
/// # Errors
/// A message, for NaN and infinities.
pub(crate) fn write_number(number: f64, out: &mut Vec<u8>) -> Result<(), String> {
    if let Some(integer) = whole(number) {
        out.extend_from_slice(integer.to_string().as_bytes());
        return Ok(());
    }
    if !number.is_finite() {
        return Err(format!("the result is {number}, which JSON cannot hold (a division by zero?)"));
    }
    serde_json::to_writer(out, &number).map_err(|error| error.to_string())
}

/// The integer a double is, where doubles hold integers exactly.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
pub(crate) fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < INTEGER_EXACT_MAX).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(number: f64) -> Result<String, String> {
        let mut out = Vec::new();
        write_number(number, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn whole_numbers_are_integers() {
        for (number, expected) in [
            (3.0, "3"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e300, "1e300"),
            (9_007_199_254_740_991.0, "9007199254740991"),
        ] {
            assert_eq!(written(number).as_deref().map(|text| text.replace("e+", "e")), Ok(expected.to_owned()));
        }
        assert!(written(f64::NAN).unwrap_err().contains("NaN"));
        assert!(written(f64::INFINITY).unwrap_err().contains("inf"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
            prop_assert_eq!(written(number).unwrap().parse::<f64>().unwrap(), number);
        }
    }
}
