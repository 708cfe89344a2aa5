//! Durations as people write them on a command line: `500ms`, `2s`, `5m`, `1h`.

use std::time::Duration;

/// Reads `<number><unit>` with a unit of ms, s, m or h.
///
/// # Errors
/// A sentence that says what was expected.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no duration; write a number and ms, s, m or h, for example 2s");
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| refused())?;
    let milliseconds_each = match text.strip_prefix(digits) {
        Some("ms") => 1,
        Some("s") => 1_000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        _ => return Err(refused()),
    };
    number.checked_mul(milliseconds_each).map(Duration::from_millis).ok_or_else(refused)
}

/// Writes a duration for people: `35 ms`, `2.4 s`.
pub(crate) fn readable(duration: Duration) -> String {
    match duration.as_millis() {
        milliseconds @ ..1_000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_durations_are_not_rounded_away() {
        assert_eq!(readable(Duration::from_micros(35_900)), "35 ms");
        assert_eq!(readable(Duration::from_millis(2_449)), "2.4 s");
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        for bad in ["", "2", "s", "2 s", "-1s", "2d", "99999999999999999999s", "9999999999999999999h"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
