//! Awaiting answers without an async runtime: park the thread until the answer's waker unparks it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Longer than any log needs for one answer, so a case that waits for it has found a bug.
const ANSWER_MAX: Duration = Duration::from_secs(30);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The answer, however long it takes up to a limit.
///
/// # Panics
/// When it takes longer.
pub(super) fn wait<T>(answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + ANSWER_MAX;
    loop {
        if let Poll::Ready(value) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no answer within {} s", ANSWER_MAX.as_secs());
        thread::park_timeout(left);
    }
}

/// The answers of calls made one after the other, none of them awaited before all are made.
pub(super) fn wait_all<T>(answers: impl IntoIterator<Item = Pin<Box<dyn Future<Output = T> + Send>>>) -> Vec<T> {
    let mut answers: Vec<_> = answers.into_iter().map(|answer| (answer, None)).collect();
    wait(std::future::poll_fn(|context| {
        for (answer, value) in answers.iter_mut().filter(|(_, value)| value.is_none()) {
            if let Poll::Ready(ready) = answer.as_mut().poll(context) {
                *value = Some(ready);
            }
        }
        if answers.iter().all(|(_, value)| value.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    }));
    answers.into_iter().filter_map(|(_, value)| value).collect()
}

/// Whether the answer pends for this long. The answer is dropped then.
pub(super) fn pends<T>(answer: impl Future<Output = T>, time: Duration) -> bool {
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + time;
    loop {
        if answer.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return false;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::park_timeout(left);
    }
}
