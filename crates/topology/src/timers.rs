//! Timers of operators: ordered rows of state, fired by the task when its clock has come to them.
//!
//! A task has two clocks, and both only go ahead. The event clock is the highest event time it has seen. The wall clock is the
//! highest accept time it has seen; when nothing comes in, the runtime moves it on, and journals that as it does an input, so
//! that a replay fires the same timers between the same events.

use bytes::Bytes;
use riverrun_event::{OperatorName, Time};

use crate::context::{KeyedState, StepError};
use crate::rows::{RowReader, put_time, unreadable};

/// Which clock a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// The highest event time seen.
    Event,
    /// The highest accept time seen, or what the wall clock said while nothing came in.
    Wall,
}

/// What a task's clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Highest event time seen, that of the present event included.
    pub event: Time,
    /// Highest accept time seen, or later.
    pub wall: Time,
}

/// A timer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Which clock it waited for.
    pub clock: Clock,
    /// When it was due.
    pub time: Time,
    /// Whose it is.
    pub operator: OperatorName,
    /// What the operator set it for.
    pub key: Bytes,
}

/// The timers of a task. The rows are the task's state; this remembers the earliest of each clock, so that most events need
/// not look.
#[derive(Debug)]
pub struct Timers {
    owner: OperatorName,
    event: Earliest,
    wall: Earliest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Earliest {
    /// Not looked up yet.
    Unknown,
    /// There is none.
    Never,
    /// No timer is due before, nor has a row before this: those that fired stand there, and need not be passed over again.
    At(Time, Vec<u8>),
}

impl Clocks {
    /// Clocks that have seen nothing.
    pub const START: Self = Self { event: Time::from_unix(i64::MIN, 0), wall: Time::from_unix(i64::MIN, 0) };

    /// What a clock says.
    #[must_use]
    pub fn of(&self, clock: Clock) -> Time {
        match clock {
            Clock::Event => self.event,
            Clock::Wall => self.wall,
        }
    }

    /// Moves both on; neither goes back.
    pub fn advance(&mut self, event: Time, wall: Time) {
        self.event = self.event.max(event);
        self.wall = self.wall.max(wall);
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self { owner: OperatorName::timers(), event: Earliest::Unknown, wall: Earliest::Unknown }
    }
}

impl Timers {
    /// Sets a timer; the same once more changes nothing. It fires when its clock has come to `time`: at the next event at the
    /// earliest, before that event is stepped.
    pub fn set(&mut self, state: &mut dyn KeyedState, clock: Clock, time: Time, operator: &OperatorName, key: &[u8]) {
        let row = row_of(clock, time, operator, key);
        state.put(&self.owner, &row, Some(Bytes::new()));
        let earliest = self.earliest(clock);
        match earliest {
            Earliest::Never => *earliest = Earliest::At(time, row),
            Earliest::At(_, known) if row < *known => *earliest = Earliest::At(time, row),
            Earliest::Unknown | Earliest::At(..) => {}
        }
    }

    /// Takes a timer back that was set for this time.
    pub fn cancel(
        &mut self,
        state: &mut dyn KeyedState,
        clock: Clock,
        time: Time,
        operator: &OperatorName,
        key: &[u8],
    ) {
        state.put(&self.owner, &row_of(clock, time, operator, key), None);
    }

    /// Takes the earliest timer that is due; between two of the same time, that of the event clock comes first.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the state cannot be read.
    pub fn take_due(&mut self, state: &mut dyn KeyedState, clocks: &Clocks) -> Result<Option<Timer>, StepError> {
        let event = self.due(state, Clock::Event, clocks.event)?;
        let wall = self.due(state, Clock::Wall, clocks.wall)?;
        let timer = match (event, wall) {
            (Some(event), Some(wall)) => Some(if event.time <= wall.time { event } else { wall }),
            (event, wall) => event.or(wall),
        };
        if let Some(timer) = &timer {
            state.put(&self.owner, &row_of(timer.clock, timer.time, &timer.operator, &timer.key), None);
        }
        Ok(timer)
    }

    /// When the next timer of a clock is due.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the state cannot be read.
    pub fn next(&mut self, state: &mut dyn KeyedState, clock: Clock) -> Result<Option<Time>, StepError> {
        let first = self.first(state, clock)?;
        Ok(first.map(|timer| timer.time))
    }

    fn due(&mut self, state: &mut dyn KeyedState, clock: Clock, now: Time) -> Result<Option<Timer>, StepError> {
        match self.earliest(clock) {
            Earliest::Never => return Ok(None),
            Earliest::At(time, _) if *time > now => return Ok(None),
            Earliest::At(..) | Earliest::Unknown => {}
        }
        Ok(self.first(state, clock)?.filter(|timer| timer.time <= now))
    }

    fn first(&mut self, state: &mut dyn KeyedState, clock: Clock) -> Result<Option<Timer>, StepError> {
        let from = match self.earliest(clock) {
            Earliest::At(_, row) => std::mem::take(row),
            Earliest::Unknown | Earliest::Never => vec![tag(clock)],
        };
        // Until it is known again: a read may fail.
        *self.earliest(clock) = Earliest::Unknown;
        let Some((row, _)) = state.scan(&self.owner, &from, &[tag(clock) + 1], 1)?.into_iter().next() else {
            *self.earliest(clock) = Earliest::Never;
            return Ok(None);
        };
        let timer = timer_of(clock, row.clone())?;
        *self.earliest(clock) = Earliest::At(timer.time, row.to_vec());
        Ok(Some(timer))
    }

    fn earliest(&mut self, clock: Clock) -> &mut Earliest {
        match clock {
            Clock::Event => &mut self.event,
            Clock::Wall => &mut self.wall,
        }
    }
}

fn tag(clock: Clock) -> u8 {
    match clock {
        Clock::Event => 0,
        Clock::Wall => 1,
    }
}

fn row_of(clock: Clock, time: Time, operator: &OperatorName, key: &[u8]) -> Vec<u8> {
    let mut row = vec![tag(clock)];
    put_time(&mut row, time);
    row.extend_from_slice(operator.as_str().as_bytes());
    row.push(0);
    row.extend_from_slice(key);
    row
}

fn timer_of(clock: Clock, row: Bytes) -> Result<Timer, StepError> {
    let mut reader = RowReader::new(row.slice(1..));
    let time = reader.time()?;
    let rest = row.slice(13..);
    let end = rest.iter().position(|byte| *byte == 0).ok_or_else(unreadable)?;
    let name = rest.get(..end).and_then(|name| std::str::from_utf8(name).ok());
    let operator = name.and_then(|name| OperatorName::internal(name).ok());
    Ok(Timer { clock, time, operator: operator.ok_or_else(unreadable)?, key: rest.slice(end + 1..) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::testing::World;

    fn at(seconds: i64) -> Time {
        Time::from_unix(seconds, 0)
    }

    #[test]
    fn timers_fire_in_the_order_of_their_times() {
        let mut world = World::default();
        let mut timers = Timers::default();
        let operator = OperatorName::new("window").unwrap();
        let state = &mut world.state;
        assert_eq!(timers.take_due(state, &Clocks::START).unwrap(), None);
        for (clock, time) in [(Clock::Event, 30), (Clock::Wall, 20), (Clock::Event, -5), (Clock::Event, 99)] {
            timers.set(state, clock, at(time), &operator, b"k\0");
        }
        timers.cancel(state, Clock::Event, at(99), &operator, b"k\0");
        let clocks = Clocks { event: at(100), wall: at(20) };
        let mut fired = Vec::new();
        while let Some(timer) = timers.take_due(state, &clocks).unwrap() {
            assert_eq!((&timer.operator, &timer.key[..]), (&operator, &b"k\0"[..]));
            fired.push((timer.clock, timer.time.unix_seconds()));
        }
        assert_eq!(fired, [(Clock::Event, -5), (Clock::Wall, 20), (Clock::Event, 30)]);
        timers.set(state, Clock::Wall, at(50), &operator, b"");
        assert_eq!(timers.take_due(state, &clocks).unwrap(), None);
        assert_eq!(timers.next(state, Clock::Wall).unwrap(), Some(at(50)));
        assert_eq!(timers.next(state, Clock::Event).unwrap(), None);
    }

    #[test]
    fn a_timer_set_before_those_that_are_left_fires_first() {
        let mut world = World::default();
        let mut timers = Timers::default();
        let operator = OperatorName::new("window").unwrap();
        let state = &mut world.state;
        ["k", "m"].iter().for_each(|key| timers.set(state, Clock::Event, at(30), &operator, key.as_bytes()));
        let clocks = Clocks { event: at(30), wall: at(0) };
        let mut fired = vec![timers.take_due(state, &clocks).unwrap().unwrap().key];
        timers.set(state, Clock::Event, at(30), &operator, b"a");
        while let Some(timer) = timers.take_due(state, &clocks).unwrap() {
            fired.push(timer.key);
        }
        assert_eq!(fired, ["k", "a", "m"]);
    }
}
