//! Instants as CloudEvents writes them: RFC 3339, kept as nanoseconds of UTC.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant in UTC with nanosecond precision, for the years 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time {
    seconds: i64,
    nanoseconds: u32,
}

/// The text is no RFC 3339 timestamp with an offset, or its year is not in 0000 to 9999.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no RFC 3339 time with an offset; write for example 2013-01-01T10:15:00Z")]
pub struct TimeError {
    /// The refused text.
    pub text: String,
}

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { seconds: 0, nanoseconds: 0 };

    /// The earliest that RFC 3339 can write: the year 0000 begins.
    pub const EARLIEST: Self = Self::from_unix(-62_167_219_200, 0);
    /// The latest that RFC 3339 can write: the year 9999 ends.
    pub const LATEST: Self = Self::from_unix(253_402_300_799, 999_999_999);

    /// Parses RFC 3339. Any offset is taken and brought to UTC.
    ///
    /// # Errors
    /// [`TimeError`] when the text is not RFC 3339.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let refused = || TimeError { text: text.chars().take(64).collect() };
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| refused())?.with_timezone(&Utc);
        let time = Self { seconds: parsed.timestamp(), nanoseconds: parsed.timestamp_subsec_nanos().min(999_999_999) };
        // What cannot be written again as RFC 3339 must not be let in: an offset can push a time past the year 9999.
        if time < Self::EARLIEST || time > Self::LATEST {
            return Err(refused());
        }
        Ok(time)
    }

    /// Seconds since 1970 and nanoseconds within the second (more than 999,999,999 count as that).
    #[must_use]
    pub const fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds: if nanoseconds > 999_999_999 { 999_999_999 } else { nanoseconds } }
    }

    /// Milliseconds since 1970.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is 0 to 999")]
    pub const fn from_unix_ms(milliseconds: i64) -> Self {
        Self { seconds: milliseconds.div_euclid(1_000), nanoseconds: milliseconds.rem_euclid(1_000) as u32 * 1_000_000 }
    }

    /// The wall clock. Only doors and logs ask for it; a step never does.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn subsecond_nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Whole milliseconds since 1970, rounded down.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.seconds.saturating_mul(1_000).saturating_add(i64::from(self.nanoseconds / 1_000_000))
    }

    /// The time this much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let nanoseconds = self.nanoseconds + duration.subsec_nanos();
        let carry = i64::from(nanoseconds / 1_000_000_000);
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self {
            seconds: self.seconds.saturating_add(seconds).saturating_add(carry),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }

    /// The time this much earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let borrow = self.nanoseconds < duration.subsec_nanos();
        let nanoseconds = self.nanoseconds + if borrow { 1_000_000_000 } else { 0 } - duration.subsec_nanos();
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        Self { seconds: self.seconds.saturating_sub(seconds).saturating_sub(i64::from(borrow)), nanoseconds }
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        if self <= earlier {
            return Duration::ZERO;
        }
        let seconds = u64::try_from(self.seconds.saturating_sub(earlier.seconds)).unwrap_or(0);
        (Duration::from_secs(seconds) + Duration::from_nanos(u64::from(self.nanoseconds)))
            .saturating_sub(Duration::from_nanos(u64::from(earlier.nanoseconds)))
    }

    /// Appends the time as it is displayed; for those who write many.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        if !(Self::EARLIEST..=Self::LATEST).contains(&self) {
            return out.extend_from_slice(self.to_string().as_bytes());
        }
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let parts = [year / 100, year % 100, month, day, second / 3_600, second / 60 % 60, second % 60];
        let [[a, b], [c, d], [e, f], [g, h], [i, j], [k, l], [m, n]] = parts.map(digits);
        out.extend_from_slice(&[a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n]);
        match self.nanoseconds {
            0 => {}
            nanoseconds if nanoseconds % 1_000_000 == 0 => put_fraction(out, nanoseconds / 1_000_000, 3),
            nanoseconds if nanoseconds % 1_000 == 0 => put_fraction(out, nanoseconds / 1_000, 6),
            nanoseconds => put_fraction(out, nanoseconds, 9),
        }
        out.push(b'Z');
    }
}

/// A number below 100.
fn digits(number: i64) -> [u8; 2] {
    let number = u8::try_from(number).unwrap_or(0);
    [b'0' + number / 10 % 10, b'0' + number % 10]
}

fn put_fraction(out: &mut Vec<u8>, fraction: u32, digits: u32) {
    out.push(b'.');
    for place in (0..digits).rev() {
        out.push(b'0' + u8::try_from(fraction / 10_u32.pow(place) % 10).unwrap_or(0));
    }
}

/// Year, month and day of a day since 1970; Hinnant's `civil_from_days`, which counts years from March so that the leap day
/// is the last of them.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with as many fraction digits as needed (0, 3, 6 or 9).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp(self.seconds, self.nanoseconds) {
            Some(time) => formatter.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(formatter, "{}.{:09}s", self.seconds, self.nanoseconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Time::parse(text).map(|time| time.to_string()), Ok(expected.to_owned()), "{text}");
    }

    #[test]
    fn rfc_3339_is_read_and_written_in_utc() {
        check("2013-01-01T10:15:00Z", "2013-01-01T10:15:00Z");
        check("2013-01-01T10:15:00.250+02:00", "2013-01-01T08:15:00.250Z");
        check("2013-01-01T10:15:00.123456789Z", "2013-01-01T10:15:00.123456789Z");
        check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
        check("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z");
        for bad in ["", "2013-01-01", "2013-01-01T10:15:00", "2013-13-01T00:00:00Z", "9999-12-31T23:59:59-23:00"] {
            assert!(Time::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_appended_is_what_is_displayed() {
        let check = |time: Time| {
            let mut out = Vec::new();
            time.write_rfc3339(&mut out);
            assert_eq!(out, time.to_string().into_bytes(), "{time}");
        };
        // Steps of 83 days and some hours come to every month and to leap days; 400 years are a whole cycle.
        for step in -900..1_100 {
            check(Time::from_unix(step * 7_187_654, 0));
            check(Time::from_unix_ms(step * 7_187_654_321));
        }
        for time in [Time::EARLIEST, Time::LATEST, Time::EPOCH, Time::from_unix(1, 1_500), Time::from_unix(i64::MAX, 0)]
        {
            check(time);
        }
        for day in ["2000-02-29", "2024-02-29", "1900-02-28", "1900-03-01", "2100-03-01", "2023-12-31"] {
            assert!(Time::parse(&format!("{day}T23:59:59Z")).map(check).is_ok(), "{day}");
        }
    }

    #[test]
    fn times_are_added_across_seconds() {
        let time = Time::from_unix(10, 900_000_000);
        assert_eq!(time.plus(Duration::from_millis(200)), Time::from_unix(11, 100_000_000));
        assert_eq!(time.plus(Duration::from_millis(200)).minus(Duration::from_millis(200)), time);
        assert_eq!(Time::from_unix(11, 100_000_000).since(time), Duration::from_millis(200));
        assert_eq!(Time::from_unix_ms(-1), Time::from_unix(-1, 999_000_000));
    }
}
