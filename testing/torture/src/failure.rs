//! How a run can end before its time, and the interruption that every wait looks at.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Why a run ended.
#[derive(Debug)]
pub enum Failure {
    /// The product broke its word. Each text says what and where.
    Broken(Vec<String>),
    /// Something the run needs is not there (the binary, a disk, a free port); nothing is known about the product.
    Environment(String),
    /// SIGINT or SIGTERM.
    Interrupted,
}

impl Failure {
    /// A single broken promise.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::Broken(vec![what.into()])
    }

    /// What a check found; nothing is wrong when that is empty.
    ///
    /// # Errors
    /// [`Failure::Broken`] with all of it.
    pub fn unless_empty(places: Vec<String>) -> Result<(), Self> {
        if places.is_empty() { Ok(()) } else { Err(Self::Broken(places)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(places) => formatter.write_str(&places.join("\n")),
            Self::Environment(what) => formatter.write_str(what),
            Self::Interrupted => formatter.write_str("interrupted"),
        }
    }
}

/// Turns an error of the machine into [`Failure::Environment`], saying what was tried.
pub trait OrEnvironment<T> {
    /// `what` reads like "cannot create the ledger".
    ///
    /// # Errors
    /// [`Failure::Environment`] with `what` and the error.
    fn or_environment(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrEnvironment<T> for Result<T, E> {
    fn or_environment(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Environment(format!("{what}: {error}")))
    }
}

/// Set by SIGINT and SIGTERM. A run then unwinds by [`Failure::Interrupted`], so that everything is cleaned up by drops.
#[derive(Clone, Debug, Default)]
pub struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// Listens for the signals from now on.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the handlers cannot be installed.
    pub fn listen() -> Result<Self, Failure> {
        let interruption = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interruption.0))
                .or_environment("cannot listen for signals")?;
        }
        Ok(interruption)
    }

    /// Goes on only if no signal came.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] when one did.
    pub fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) { Err(Failure::Interrupted) } else { Ok(()) }
    }

    /// Waits, but no longer than until a signal comes.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] when one came.
    pub fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}
