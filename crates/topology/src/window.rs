//! Windows: how time is cut up for aggregates, whatever they aggregate.
//!
//! Windows are half-open, from their start up to their end, and those of fixed length begin at whole multiples since 1970,
//! before it too. Only sliding windows are the other way round: each ends with an event, which belongs to it.

use std::time::Duration;

use riverrun_event::Time;

use crate::draft::Draft;
use crate::timers::{Clock, Clocks};

/// Longest window, step, gap and grace: a century. Longer ones are mistakes in the unit.
const LENGTH_MAX: Duration = Duration::from_secs(36_525 * 86_400);

/// Most windows one event may be in; each costs a row of state and a result.
const WINDOWS_MAX: u128 = 1_000;

/// The least that two times differ in.
const INSTANT: Duration = Duration::from_nanos(1);

/// Windows of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How time is cut up.
    pub shape: Shape,
    /// How much longer than its end a window waits for events that come late.
    pub grace: Duration,
    /// Whether events are placed by their own time or by the time they were accepted.
    pub clock: Clock,
}

/// How time is cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Windows one behind the other; an event is in one.
    Tumbling {
        /// How long they are.
        size: Duration,
    },
    /// Windows that overlap; an event is in several.
    Hopping {
        /// How long they are.
        size: Duration,
        /// How far apart they begin.
        every: Duration,
    },
    /// For each event the time before it, itself included.
    Sliding {
        /// How long they are.
        size: Duration,
    },
    /// Events of a key with less than a gap between each and the next. A session ends a gap after its last event.
    Session {
        /// How long nothing has to come before the next event begins another session.
        gap: Duration,
    },
}

/// One window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Where it starts.
    pub start: Time,
    /// Where it ends.
    pub end: Time,
}

/// A window that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WindowError {
    /// The word of the app file it is about.
    pub field: &'static str,
    /// What is wrong and what to write.
    pub message: String,
}

impl Window {
    /// Windows of this shape, without grace, by event time.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { shape, grace: Duration::ZERO, clock: Clock::Event }
    }

    /// Windows one behind the other.
    #[must_use]
    pub fn tumbling(size: Duration) -> Self {
        Self::new(Shape::Tumbling { size })
    }

    /// Windows that begin `every` so often.
    #[must_use]
    pub fn hopping(size: Duration, every: Duration) -> Self {
        Self::new(Shape::Hopping { size, every })
    }

    /// For each event the time before it.
    #[must_use]
    pub fn sliding(size: Duration) -> Self {
        Self::new(Shape::Sliding { size })
    }

    /// Sessions that end when nothing has come for a `gap`.
    #[must_use]
    pub fn session(gap: Duration) -> Self {
        Self::new(Shape::Session { gap })
    }

    /// Waits longer for events that come late.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Places events by the time they were accepted.
    #[must_use]
    pub fn by_accept_time(self) -> Self {
        Self { clock: Clock::Wall, ..self }
    }

    /// What makes no sense about it.
    ///
    /// # Errors
    /// [`WindowError`] for a length of zero or beyond a century, windows with events between them, or too many at once.
    pub fn check(&self) -> Result<(), WindowError> {
        for (field, length) in self.shape.lengths().into_iter().flatten() {
            if length.is_zero() {
                return Err(WindowError { field, message: format!("{field} of zero length; write for example 1m") });
            }
        }
        for (field, length) in self.shape.lengths().into_iter().flatten().chain([("grace", self.grace)]) {
            if length > LENGTH_MAX {
                return Err(WindowError {
                    field,
                    message: format!("{field} is longer than a century; check the unit"),
                });
            }
        }
        let Shape::Hopping { size, every } = self.shape else { return Ok(()) };
        let windows = size.as_nanos().div_ceil(every.as_nanos().max(1));
        let message = if every > size {
            "a window begins less often than the one before it ends, so events between the two would be in none; make `every` \
             at most as long as `hopping`"
                .to_owned()
        } else if windows > WINDOWS_MAX {
            format!(
                "every event would be in {windows} windows, each with a result of its own; at most {WINDOWS_MAX} are made"
            )
        } else {
            return Ok(());
        };
        Err(WindowError { field: "every", message })
    }

    /// The time of an event that places it.
    #[must_use]
    pub fn time_of(&self, draft: &Draft) -> Time {
        match self.clock {
            Clock::Event => draft.event_time(),
            Clock::Wall => draft.accepted(),
        }
    }

    /// What the clock says that windows go by.
    #[must_use]
    pub fn now(&self, clocks: &Clocks) -> Time {
        clocks.of(self.clock)
    }

    /// When a window takes no more events: as soon as the clock says this time.
    #[must_use]
    pub fn closes(&self, interval: Interval) -> Time {
        match self.shape {
            // Its end belongs to it.
            Shape::Sliding { .. } => interval.end.plus(self.grace).plus(INSTANT),
            _ => interval.end.plus(self.grace),
        }
    }

    /// When what came at the end of a window has no more to do with any window to come.
    #[must_use]
    pub fn passes(&self, interval: Interval) -> Time {
        match self.shape {
            Shape::Sliding { size } => interval.end.plus(size).plus(self.grace),
            _ => self.closes(interval),
        }
    }
}

impl Shape {
    /// The window that a row stands for which was kept under `time`; `last` is the time of a session's last event.
    #[must_use]
    pub fn interval(&self, time: Time, last: Time) -> Interval {
        match self {
            Self::Tumbling { size } | Self::Hopping { size, .. } => Interval { start: time, end: time.plus(*size) },
            Self::Sliding { size } => Interval { start: time.minus(*size), end: time },
            Self::Session { gap } => Interval { start: time, end: last.plus(*gap) },
        }
    }

    /// The windows of fixed length that a time is in, the earliest first. Sliding windows and sessions depend on what else
    /// came, and have none here.
    pub fn fixed(&self, time: Time) -> impl Iterator<Item = Interval> + use<> {
        let (size, every) = match *self {
            Self::Tumbling { size } => (size, size),
            Self::Hopping { size, every } => (size, every),
            Self::Sliding { .. } | Self::Session { .. } => (Duration::ZERO, Duration::ZERO),
        };
        let first = if every.is_zero() { None } else { Some(floor(time.minus(size), every).plus(every)) };
        let later = move |start: &Time| Some(start.plus(every)).filter(|next| next > start);
        let starts = std::iter::successors(first, later).take_while(move |start| *start <= time);
        starts.map(move |start| Interval { start, end: start.plus(size) })
    }

    /// Its lengths with the words of the app file.
    #[must_use]
    pub fn lengths(&self) -> [Option<(&'static str, Duration)>; 2] {
        match *self {
            Self::Tumbling { size } => [Some(("tumbling", size)), None],
            Self::Hopping { size, every } => [Some(("hopping", size)), Some(("every", every))],
            Self::Sliding { size } => [Some(("sliding", size)), None],
            Self::Session { gap } => [Some(("session", gap)), None],
        }
    }
}

impl Interval {
    /// Whether both its ends are times that can be written.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.start >= Time::EARLIEST && self.end <= Time::LATEST
    }

    /// Appends it as JSON: `{"start":"...","end":"..."}`.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"start\":\"");
        self.start.write_rfc3339(out);
        out.extend_from_slice(b"\",\"end\":\"");
        self.end.write_rfc3339(out);
        out.extend_from_slice(b"\"}");
    }
}

/// The last whole multiple of `step` since 1970 that is not after `time`.
fn floor(time: Time, step: Duration) -> Time {
    if step.subsec_nanos() == 0
        && let Ok(step @ 1..) = i64::try_from(step.as_secs())
    {
        let seconds = time.unix_seconds();
        return Time::from_unix(seconds.saturating_sub(seconds.rem_euclid(step)), 0);
    }
    const SECOND: i128 = 1_000_000_000;
    let nanoseconds = i128::from(time.unix_seconds()) * SECOND + i128::from(time.subsecond_nanoseconds());
    let step = i128::try_from(step.as_nanos()).unwrap_or(i128::MAX);
    let floor = nanoseconds - nanoseconds.rem_euclid(step);
    let seconds = i64::try_from(floor.div_euclid(SECOND)).unwrap_or(i64::MIN);
    Time::from_unix(seconds, u32::try_from(floor.rem_euclid(SECOND)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The windows of a time in milliseconds, each as its start and end.
    #[track_caller]
    fn check(shape: Shape, time_ms: i64, expected: &[(i64, i64)]) {
        let windows: Vec<(i64, i64)> = shape
            .fixed(Time::from_unix_ms(time_ms))
            .map(|interval| (interval.start.unix_ms(), interval.end.unix_ms()))
            .collect();
        assert_eq!(windows, expected, "{shape:?} at {time_ms}");
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn windows_begin_at_whole_multiples() {
        let tumbling = Shape::Tumbling { size: ms(10_000) };
        check(tumbling, 0, &[(0, 10_000)]);
        check(tumbling, 9_999, &[(0, 10_000)]);
        check(tumbling, 10_000, &[(10_000, 20_000)]);
        check(tumbling, -1, &[(-10_000, 0)]);
        check(tumbling, -10_000, &[(-10_000, 0)]);
        check(Shape::Tumbling { size: ms(1_500) }, 3_100, &[(3_000, 4_500)]);
        check(Shape::Tumbling { size: ms(1_500) }, -1, &[(-1_500, 0)]);
        let hopping = Shape::Hopping { size: ms(10_000), every: ms(4_000) };
        check(hopping, 0, &[(-8_000, 2_000), (-4_000, 6_000), (0, 10_000)]);
        check(hopping, 10_000, &[(4_000, 14_000), (8_000, 18_000)]);
        check(Shape::Sliding { size: ms(5) }, 7, &[]);
    }

    proptest! {
        #[test]
        fn an_event_is_in_every_window_that_holds_it(
            time_ms in -100_000_i64..100_000, size in 1_u64..9_000, every in 1_u64..9_000,
        ) {
            let every = every.min(size).max(size / 500 + 1);
            let shape = Shape::Hopping { size: ms(size), every: ms(every) };
            let (size, step) = (i64::try_from(size).unwrap(), i64::try_from(every).unwrap());
            let near = (time_ms - size).div_euclid(step) - 1..=time_ms.div_euclid(step) + 1;
            let holds = |start: &i64| *start <= time_ms && time_ms < start + size;
            let expected: Vec<i64> = near.map(|number| number * step).filter(holds).collect();
            let found: Vec<i64> =
                shape.fixed(Time::from_unix_ms(time_ms)).map(|interval| interval.start.unix_ms()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn windows_that_make_no_sense_are_refused() {
        let refused = |window: Window| window.check().map_err(|error| (error.field, error.message));
        let minute = ms(60_000);
        assert_eq!(refused(Window::hopping(minute, minute)), Ok(()));
        for (window, field, part) in [
            (Window::tumbling(Duration::ZERO), "tumbling", "zero length"),
            (Window::session(Duration::ZERO), "session", "zero length"),
            (Window::sliding(Duration::ZERO), "sliding", "zero length"),
            (Window::hopping(minute, Duration::ZERO), "every", "zero length"),
            (Window::hopping(minute, minute * 2), "every", "would be in none"),
            (Window::hopping(minute, ms(1)), "every", "60000 windows"),
            (Window::tumbling(LENGTH_MAX * 2), "tumbling", "century"),
            (Window::tumbling(minute).grace(Duration::MAX), "grace", "century"),
        ] {
            let (at, message) = refused(window).unwrap_err();
            assert!(at == field && message.contains(part), "{at}: {message}");
        }
    }

    #[test]
    fn a_window_closes_behind_its_grace() {
        let at = |seconds| Time::from_unix(seconds, 0);
        let interval = Interval { start: at(0), end: at(10) };
        let tumbling = Window::tumbling(ms(10_000)).grace(ms(5_000));
        assert_eq!((tumbling.closes(interval), tumbling.passes(interval)), (at(15), at(15)));
        let sliding = Window::sliding(ms(10_000)).grace(ms(5_000));
        assert_eq!((sliding.closes(interval), sliding.passes(interval)), (Time::from_unix(15, 1), at(25)));
        assert!(interval.is_writable());
        assert!(!Interval { start: at(0), end: Time::LATEST.plus(INSTANT) }.is_writable());
    }
}
