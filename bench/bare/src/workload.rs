//! What both sides must do alike beyond reading the same flights: when repeated flights happen, and which rows are read.

/// The flights are those of one month; repeated, they are those of the months after, each of this many seconds.
const MONTH_SECONDS: i64 = 31 * 86_400;

/// How many seconds later the event of this number happens than the flight it repeats, where there are so many flights.
#[must_use]
pub fn later_seconds(number: u64, flights: usize) -> i64 {
    let repetition = number / u64::try_from(flights).unwrap_or(u64::MAX).max(1);
    i64::try_from(repetition).unwrap_or_default() * MONTH_SECONDS
}

/// The key of a row that is read by its number.
#[must_use]
pub fn row_key(number: u64) -> String {
    format!("flight-{number:08}")
}

/// Numbers below `rows` in an order that is the same each time and looks like none: Knuth's linear congruential generator
/// (MMIX), of which the upper bits are taken.
pub fn scattered(rows: u64) -> impl Iterator<Item = u64> {
    let mut state = 1_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) % rows.max(1)
    })
}
