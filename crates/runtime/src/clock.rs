//! The wall clock of the workers: the system's, or in tests one that is moved by hand.

use std::time::Duration;

use riverrun_event::Time;
use tokio::sync::watch;

/// What says when timers of the wall clock are due while nothing comes in.
#[derive(Clone, Debug, Default)]
pub enum WallClock {
    /// The system's.
    #[default]
    System,
    /// One that somebody moves.
    Manual(watch::Receiver<Time>),
}

/// Timers are set with nanoseconds and sleep is rounded to milliseconds; so that a worker does not wake just too early.
const ROUNDING: Duration = Duration::from_millis(1);

impl WallClock {
    /// What it says.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::System => Time::now(),
            Self::Manual(moved) => *moved.borrow(),
        }
    }

    /// Lets some time pass before something is tried again; a clock that stands still lets others work meanwhile.
    pub(crate) async fn pause(&self, duration: Duration) {
        match self {
            Self::System => tokio::time::sleep(duration).await,
            Self::Manual(_) => tokio::task::yield_now().await,
        }
    }

    /// Resolves when it has come to `time`; never without one.
    pub(crate) async fn reached(&self, time: Option<Time>) {
        let Some(time) = time else { return std::future::pending().await };
        match self {
            Self::System => tokio::time::sleep(time.since(Time::now()) + ROUNDING).await,
            Self::Manual(moved) => {
                // Whoever moved it is gone, so it stands still.
                if moved.clone().wait_for(|now| *now >= time).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}
