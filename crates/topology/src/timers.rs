//! Timers of operators: ordered rows of state, fired by the task when its clock has come to them.
//!
//! A task has two clocks, and both only go ahead. The event clock is the highest event time it has seen. The wall clock is the
//! highest accept time it has seen; when nothing comes in, the runtime moves it on, and journals that as it does an input, so
//! that a replay fires the same timers between the same events.

use std::collections::VecDeque;

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

/// The timers of a task. The rows are the task's state; this remembers the first ones of each clock, so that most events need
/// not look, and those that are due are not looked up one by one.
#[derive(Debug)]
pub struct Timers {
    owner: OperatorName,
    event: Ahead,
    wall: Ahead,
}

/// The first timers of a clock.
#[derive(Debug, Default)]
struct Ahead {
    /// No row stands before this one: those that fired did, and need not be passed over again. Empty before the first look.
    floor: Vec<u8>,
    /// The first rows, in order.
    rows: VecDeque<Bytes>,
    /// When the first of them is due.
    first: Option<Time>,
    /// Whether these are all there are.
    is_all: bool,
    /// The first row that was taken away since changes were undone last; it may come back.
    removed: Option<Vec<u8>>,
    /// Whether timers were set or taken back since changes were undone last: then the rows are wrong when they are undone again.
    changed: bool,
}

/// Timers looked up at once.
const AHEAD_ROWS: usize = 64;
/// Timers remembered at most; windows set new ones among them.
const AHEAD_MAX: usize = 4 * AHEAD_ROWS;

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
        Self { owner: OperatorName::timers(), event: Ahead::default(), wall: Ahead::default() }
    }
}

impl Timers {
    /// Sets a timer; the same once more changes nothing. It fires when its clock has come to `time`: at the next event at the
    /// earliest, before that event is stepped.
    pub fn set(&mut self, state: &mut dyn KeyedState, clock: Clock, time: Time, operator: &OperatorName, key: &[u8]) {
        let row = row_of(clock, time, operator, key);
        state.put(&self.owner, &row, Some(Bytes::new()));
        self.ahead(clock).add(row);
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
        let row = row_of(clock, time, operator, key);
        state.put(&self.owner, &row, None);
        self.ahead(clock).remove(&row);
    }

    /// Says that changes of the state were undone, those of timers maybe among them.
    pub fn undone(&mut self) {
        self.event.undone();
        self.wall.undone();
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
            self.cancel(state, timer.clock, timer.time, &timer.operator, &timer.key);
        }
        Ok(timer)
    }

    /// When the next timer of a clock is due.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the state cannot be read.
    pub fn next(&mut self, state: &mut dyn KeyedState, clock: Clock) -> Result<Option<Time>, StepError> {
        Ok(self.look(state, clock)?.first)
    }

    fn due(&mut self, state: &mut dyn KeyedState, clock: Clock, now: Time) -> Result<Option<Timer>, StepError> {
        let ahead = self.look(state, clock)?;
        if ahead.first.is_none_or(|time| time > now) {
            return Ok(None);
        }
        ahead.rows.front().map(|row| timer_of(clock, row.clone())).transpose()
    }

    /// The first timers of a clock, looked up where none are known.
    fn look(&mut self, state: &mut dyn KeyedState, clock: Clock) -> Result<&Ahead, StepError> {
        let (owner, ahead) = match clock {
            Clock::Event => (&self.owner, &mut self.event),
            Clock::Wall => (&self.owner, &mut self.wall),
        };
        if ahead.rows.is_empty() && !ahead.is_all {
            let from = if ahead.floor.is_empty() { vec![tag(clock)] } else { ahead.floor.clone() };
            let found = state.scan(owner, &from, &[tag(clock) + 1], AHEAD_ROWS)?;
            ahead.is_all = found.len() < AHEAD_ROWS;
            ahead.rows = found.into_iter().map(|(row, _)| row).collect();
            ahead.floor = ahead.rows.front().map_or(from, |row| row.to_vec());
            ahead.first = ahead.rows.front().map(time_of).transpose()?;
        }
        Ok(ahead)
    }

    fn ahead(&mut self, clock: Clock) -> &mut Ahead {
        match clock {
            Clock::Event => &mut self.event,
            Clock::Wall => &mut self.wall,
        }
    }
}

impl Ahead {
    fn add(&mut self, row: Vec<u8>) {
        // Nothing is known before the first look, which will find it.
        if !self.floor.is_empty() && row < self.floor {
            self.floor.clone_from(&row);
        }
        let Err(place) = self.rows.binary_search_by(|known| known[..].cmp(&row)) else { return };
        self.changed = true;
        // What stands behind the last known row may have others before it.
        if place == self.rows.len() && !self.is_all {
            return;
        }
        self.rows.insert(place, row.into());
        self.has_changed(place);
        if self.rows.len() > AHEAD_MAX {
            self.rows.truncate(AHEAD_ROWS);
            self.is_all = false;
        }
    }

    fn remove(&mut self, row: &[u8]) {
        self.changed = true;
        if self.removed.as_deref().is_none_or(|first| row < first) {
            self.removed = Some(row.to_vec());
        }
        if let Ok(place) = self.rows.binary_search_by(|known| known[..].cmp(row)) {
            self.rows.remove(place);
            self.has_changed(place);
        }
    }

    fn has_changed(&mut self, place: usize) {
        if place == 0 {
            // Rows that cannot be read are never among them: they were when they were looked up.
            self.first = self.rows.front().and_then(|row| time_of(row).ok());
        }
    }

    fn undone(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.rows.clear();
            (self.first, self.is_all) = (None, false);
            if let Some(removed) = self.removed.take().filter(|removed| *removed < self.floor) {
                self.floor = removed;
            }
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

fn time_of(row: &Bytes) -> Result<Time, StepError> {
    RowReader::new(row.slice(1..)).time()
}

fn timer_of(clock: Clock, row: Bytes) -> Result<Timer, StepError> {
    let time = time_of(&row)?;
    let rest = row.slice(13..);
    let end = rest.iter().position(|byte| *byte == 0).ok_or_else(unreadable)?;
    let name = rest.get(..end).and_then(|name| std::str::from_utf8(name).ok());
    let operator = name.and_then(|name| OperatorName::internal(name).ok());
    Ok(Timer { clock, time, operator: operator.ok_or_else(unreadable)?, key: rest.slice(end + 1..) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

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

    /// Rows that can be put back as they were.
    #[derive(Clone, Default)]
    struct Rows(BTreeMap<Vec<u8>, Bytes>);

    impl KeyedState for Rows {
        fn get(&mut self, _: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StepError> {
            Ok(self.0.get(key).cloned())
        }

        fn put(&mut self, _: &OperatorName, key: &[u8], value: Option<Bytes>) {
            match value {
                Some(value) => drop(self.0.insert(key.to_vec(), value)),
                None => drop(self.0.remove(key)),
            }
        }

        fn scan(
            &mut self,
            _: &OperatorName,
            from: &[u8],
            to: &[u8],
            limit: usize,
        ) -> Result<Vec<(Bytes, Bytes)>, StepError> {
            let found = self.0.range(from.to_vec()..to.to_vec()).take(limit);
            Ok(found.map(|(key, value)| (key.clone().into(), value.clone())).collect())
        }
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_the_rows_say(
            steps in proptest::collection::vec((0_u8..10, 0_i64..400, any::<bool>()), 1..900),
        ) {
            let operator = OperatorName::new("window").unwrap();
            let (mut rows, mut timers) = (Rows::default(), Timers::default());
            let (mut kept, mut now) = (rows.clone(), 0);
            for (what, time, is_wall) in steps {
                let clock = if is_wall { Clock::Wall } else { Clock::Event };
                match what {
                    0..5 => timers.set(&mut rows, clock, at(time), &operator, b"k"),
                    5 => timers.cancel(&mut rows, clock, at(time), &operator, b"k"),
                    6 => {
                        rows.clone_from(&kept);
                        timers.undone();
                    }
                    _ => {
                        now = now.max(time / 2);
                        let clocks = Clocks { event: at(now), wall: at(now) };
                        let expected = Timers::default().take_due(&mut rows.clone(), &clocks).unwrap();
                        prop_assert_eq!(timers.take_due(&mut rows, &clocks).unwrap(), expected);
                    }
                }
                if what % 2 == 0 {
                    kept.clone_from(&rows);
                }
            }
        }
    }
}
