//! What runs in this process, whatever it is: a signal ends all of it, one service beside another.
//!
//! It is kept here and not by who started it, so that a signal can end it whatever the main thread is doing.

use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::Failure;

/// A start takes 5 s for one broker of Kafka and 13 s for three on 2 cores, 2 s for PostgreSQL, and twice that beside a build.
const START_MAX: Duration = Duration::from_secs(60);
const SAY_EVERY: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

type Kept = BTreeMap<u64, Box<dyn Any + Send>>;
static RUNNING: Mutex<Kept> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Starts something that listens on ports it chose. Between choosing a port and listening on it another program may take it: once is bad luck.
///
/// # Errors
/// What starting fails with, the second time where a port was taken.
pub(super) fn start_twice_at_most<T>(start: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    match start() {
        Err(failure) if failure.to_string().contains("Address already in use") => start(),
        outcome => outcome,
    }
}

/// Processes and what they write. Dropping it ends and removes them.
pub(super) trait Service: Send + 'static {
    /// What messages begin with.
    const NAME: &'static str;

    /// What to say when it does not serve in time.
    fn late(&self, limit: Duration) -> Failure;
}

/// A service that is kept here. Dropping this drops the service.
pub(super) struct Running<S> {
    id: u64,
    service: PhantomData<fn() -> S>,
}

impl<S: Service> Running<S> {
    /// Keeps a service. From now on a signal that ends this process ends all services first.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub(super) fn keep(service: S) -> Result<Self, Failure> {
        end_with_signals()?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        running().insert(id, Box::new(service));
        Ok(Self { id, service: PhantomData })
    }

    /// Does something with the service; a signal waits until it is done.
    ///
    /// # Errors
    /// What `act` says.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut S) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut running = running();
        let service = running.get_mut(&self.id).and_then(|kept| kept.downcast_mut());
        service.map_or_else(|| Err(format!("{} has been stopped", S::NAME).into()), act)
    }

    /// Waits until `is_done`, and says every few seconds that it does.
    ///
    /// # Errors
    /// What `is_done` says, or that it takes too long.
    pub(super) fn wait(
        &self,
        begun: Instant,
        is_done: impl Fn(&mut S) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let mut said = Instant::now();
        while !self.with(&is_done)? {
            if begun.elapsed() > START_MAX {
                return Err(self.with(|service| Ok(service.late(START_MAX)))?);
            }
            if said.elapsed() >= SAY_EVERY {
                eprintln!("{}: not ready yet after {:.0} s", S::NAME, begun.elapsed().as_secs_f64());
                said = Instant::now();
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        // The lock is kept meanwhile, so that a signal does not end the process half-way.
        let mut running = running();
        drop(running.remove(&self.id));
    }
}

/// What a thread that panicked left is still there to be ended.
fn running() -> MutexGuard<'static, Kept> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_with_signals() -> Result<(), Failure> {
    static LISTENS: OnceLock<()> = OnceLock::new();
    if LISTENS.set(()).is_err() {
        return Ok(());
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            // Never given back: nothing may be started any more.
            let mut running = running();
            if !running.is_empty() {
                eprintln!("services: interrupted, stopping");
            }
            running.clear();
            // What the signal does to a program that does not listen, so that a shell sees why this one ended.
            if signal_hook::low_level::emulate_default_handler(signal).is_err() {
                std::process::exit(1);
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct Said(&'static str, Sender<&'static str>);

    impl Service for Said {
        const NAME: &'static str = "said";

        fn late(&self, _: Duration) -> Failure {
            self.0.into()
        }
    }

    impl Drop for Said {
        fn drop(&mut self) {
            self.1.send(self.0).unwrap();
        }
    }

    #[test]
    fn each_ends_with_its_own_handle() {
        let (sender, ended) = channel();
        let first = Running::keep(Said("first", sender.clone())).unwrap();
        let second = Running::keep(Said("second", sender)).unwrap();
        drop(first);
        assert_eq!(ended.try_iter().collect::<Vec<_>>(), ["first"]);
        assert_eq!(second.with(|service| Ok(service.0)).unwrap(), "second");
        drop(second);
        assert_eq!(ended.try_iter().collect::<Vec<_>>(), ["second"]);
    }
}
