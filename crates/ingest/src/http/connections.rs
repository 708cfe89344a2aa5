//! The places for connections. When all are taken, the connections that have been idle longest give theirs up, so that those
//! who only hold connections open never keep out those who send requests.
//!
//! A connection is idle until its first request is complete in its headers, and between two requests. One that is served, a
//! reader that follows included, keeps its place.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Connections that are closed at once when there is no place: enough that a flood does not look through all for each.
const CLOSED_AT_ONCE: usize = 64;
/// In [`Slot::idle_since`]: it is being served, or has been told to close.
const NOT_IDLE: u64 = u64::MAX;

/// The places of one server.
pub(super) struct Connections {
    max: usize,
    began: Instant,
    taken: Mutex<HashMap<u64, Arc<Slot>>>,
    next: AtomicU64,
    /// Whether a new connection waits for a place.
    is_waited_for: AtomicBool,
    changed: Notify,
}

/// What is known of one connection.
struct Slot {
    /// Microseconds since the server began, or [`NOT_IDLE`].
    idle_since: AtomicU64,
    closing: Notify,
}

/// A connection's place; given back when dropped.
pub(super) struct Place {
    number: u64,
    slot: Arc<Slot>,
    connections: Arc<Connections>,
}

/// Marks that a connection is being served; dropped with the end of the answer.
pub(super) struct Serving {
    slot: Arc<Slot>,
    connections: Arc<Connections>,
}

impl Connections {
    /// At most `max` connections, at least one.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: max.max(1),
            began: Instant::now(),
            taken: Mutex::default(),
            next: AtomicU64::new(0),
            is_waited_for: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// A place for a new connection, as soon as there is one. Only one may wait at a time.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        loop {
            if let Some(place) = self.free_place() {
                self.is_waited_for.store(false, Ordering::SeqCst);
                return place;
            }
            // Said before looking, so that whoever becomes idle after the look says so.
            self.is_waited_for.store(true, Ordering::SeqCst);
            self.close_longest_idle();
            self.changed.notified().await;
        }
    }

    /// Resolves when no connection is left; meanwhile no new one is let in.
    pub(super) async fn ended(&self) {
        self.is_waited_for.store(true, Ordering::SeqCst);
        while !self.taken().is_empty() {
            self.changed.notified().await;
        }
    }

    fn free_place(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.len() >= self.max {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = Arc::new(Slot { idle_since: AtomicU64::new(self.now()), closing: Notify::new() });
        taken.insert(number, Arc::clone(&slot));
        Some(Place { number, slot, connections: Arc::clone(self) })
    }

    fn close_longest_idle(&self) {
        let taken = self.taken();
        let mut idle: Vec<(u64, &Slot)> = taken
            .values()
            .map(|slot| (slot.idle_since.load(Ordering::SeqCst), &**slot))
            .filter(|(since, _)| *since != NOT_IDLE)
            .collect();
        idle.sort_unstable_by_key(|(since, _)| *since);
        // Not all that are idle where places are few: a client that only pauses should find its connection again.
        let closed = CLOSED_AT_ONCE.min(self.max.div_ceil(2));
        for (since, slot) in idle.into_iter().take(closed) {
            // One that began a request meanwhile keeps its place.
            let is_still_idle =
                slot.idle_since.compare_exchange(since, NOT_IDLE, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if is_still_idle {
                slot.closing.notify_one();
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(NOT_IDLE - 1)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Slot>>> {
        // Nothing panics while it holds the lock; if something did, the map would still be whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn says_changed(&self) {
        if self.is_waited_for.load(Ordering::SeqCst) {
            self.changed.notify_one();
        }
    }
}

impl Place {
    /// Marks that a request is being served.
    pub(super) fn serving(&self) -> Serving {
        self.slot.idle_since.store(NOT_IDLE, Ordering::SeqCst);
        Serving { slot: Arc::clone(&self.slot), connections: Arc::clone(&self.connections) }
    }

    /// Resolves when the connection is to give up its place.
    pub(super) async fn closing(&self) {
        self.slot.closing.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.taken().remove(&self.number);
        self.connections.says_changed();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.slot.idle_since.store(self.connections.now(), Ordering::SeqCst);
        self.connections.says_changed();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_longest_idle_gives_its_place_up() {
        let connections = Connections::new(2);
        let first = connections.place().await;
        let second = connections.place().await;
        let serving = first.serving();
        let mut third = Box::pin(connections.place());
        assert!((&mut third).now_or_never().is_none());
        assert!(first.closing().now_or_never().is_none(), "it is being served");
        assert!(second.closing().now_or_never().is_some());
        drop(second);
        let third = third.await;
        let mut fourth = Box::pin(connections.place());
        assert!((&mut fourth).now_or_never().is_none());
        assert!(third.closing().now_or_never().is_some());
        drop((third, serving));
        let _fourth = fourth.await;
    }

    #[tokio::test]
    async fn whoever_waits_learns_that_a_connection_became_idle() {
        let connections = Connections::new(1);
        let only = connections.place().await;
        let serving = only.serving();
        let waiting = tokio::spawn({
            let connections = Arc::clone(&connections);
            async move { connections.place().await }
        });
        tokio::task::yield_now().await;
        drop(serving);
        only.closing().await;
        drop(only);
        assert!(tokio::time::timeout(Duration::from_secs(10), waiting).await.is_ok());
    }
}
