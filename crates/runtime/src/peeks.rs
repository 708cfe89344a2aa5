//! What `peek` steps saw, on its way to the log of the process: gathered while a task steps, written once its commit is durable.
//!
//! At most [`LINES_MAX`] lines a second and pipeline, so that a pipeline under load neither floods its log nor waits for it; all
//! are counted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use riverrun_event::Position;
use riverrun_topology::Peeked;

/// Most lines a second: more nobody reads while they pass.
pub const LINES_MAX: usize = 20;

const WINDOW: Duration = Duration::from_secs(1);

/// What the steps of one task saw since its last commit.
#[derive(Default)]
pub(crate) struct Peeks {
    lines: Vec<(Position, Peeked)>,
    count: u64,
}

impl Peeks {
    /// Adds what one event showed; beyond what can be logged at once it is only counted.
    pub(crate) fn add(&mut self, position: &Position, peeked: Vec<Peeked>) {
        self.count += u64::try_from(peeked.len()).unwrap_or(u64::MAX);
        let room = LINES_MAX.saturating_sub(self.lines.len());
        self.lines.extend(peeked.into_iter().take(room).map(|peeked| (position.clone(), peeked)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Writes what the tasks of one pipeline saw.
pub(crate) struct PeekLog {
    window: Mutex<Window>,
}

/// The current second.
struct Window {
    since: Instant,
    lines: usize,
}

impl PeekLog {
    pub(crate) fn new() -> Self {
        Self { window: Mutex::new(Window { since: Instant::now(), lines: 0 }) }
    }

    /// Writes as many lines as this second has room for, and says when some are left out.
    pub(crate) fn write(&self, pipeline: &str, peeks: Peeks) {
        if peeks.is_empty() {
            return;
        }
        let room = self.room(Instant::now(), peeks.lines.len());
        for (position, peeked) in peeks.lines.iter().take(room) {
            tracing::info!(
                target: "riverrun::peek",
                pipeline,
                step = %peeked.operator,
                %position,
                value = %peeked.value,
                "peek"
            );
        }
        if room > 0 && u64::try_from(room).is_ok_and(|room| room < peeks.count) {
            tracing::info!(target: "riverrun::peek", pipeline, "more events were peeked than {LINES_MAX} a second; they are only counted");
        }
    }

    /// How many of `wanted` lines may be written now.
    fn room(&self, now: Instant, wanted: usize) -> usize {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(window.since) >= WINDOW {
            *window = Window { since: now, lines: 0 };
        }
        let room = wanted.min(LINES_MAX.saturating_sub(window.lines));
        window.lines += room;
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_room_for_so_many_lines() {
        let log = PeekLog::new();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let rooms =
            [(1, 5), (2, 10), (900, 9), (950, 1), (1_100, 30), (2_200, 1)].map(|(ms, wanted)| log.room(at(ms), wanted));
        assert_eq!(rooms, [5, 10, 5, 0, LINES_MAX, 1]);
    }
}
