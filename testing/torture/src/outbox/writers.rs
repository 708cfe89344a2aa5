//! Writers at one database: each runs one transaction after the other, as many as are let go, and tries again what failed or is not known.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_postgres::Config;

use super::database::{Database, said};
use super::transaction::{Connection, Outcome, Planned, aggregates, is_of_connection};
use crate::failure::{Failure, Interruption};

/// Writers at once.
const WRITERS: usize = 32;
/// Before a failed connection or transaction is tried again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long transactions that were let go may take: seconds, but for a PostgreSQL that recovers.
const DONE_WITHIN: Duration = Duration::from_secs(60);

/// Running writers. They end with this.
pub(super) struct Writers {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    let_go: u64,
}

struct Shared {
    config: Config,
    seed: u64,
    /// How many transactions may still begin.
    tickets: Semaphore,
    number: AtomicI64,
    done: AtomicU64,
    /// How often one had to be tried again.
    again: AtomicU64,
    /// What PostgreSQL refused.
    refused: Mutex<Vec<String>>,
}

impl Writers {
    /// Starts writers, without letting any transaction go.
    pub(super) fn start(database: &Database, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            config: database.config().clone(),
            seed,
            tickets: Semaphore::new(0),
            number: AtomicI64::new(1),
            done: AtomicU64::new(0),
            again: AtomicU64::new(0),
            refused: Mutex::default(),
        });
        let tasks = (0..WRITERS).map(|_| database.runtime().spawn(write(Arc::clone(&shared)))).collect();
        Self { shared, tasks, let_go: 0 }
    }

    /// Lets so many transactions go.
    pub(super) fn let_go(&mut self, many: usize) {
        self.let_go += many as u64;
        self.shared.tickets.add_permits(many);
    }

    /// Waits until all that were let go have come to their ends.
    ///
    /// # Errors
    /// [`Failure::Broken`] when PostgreSQL refused one, or it takes too long.
    pub(super) fn wait(&self, interruption: &Interruption) -> Result<(), Failure> {
        let end = Instant::now() + DONE_WITHIN;
        loop {
            let done = self.shared.done.load(Ordering::SeqCst);
            Failure::unless_empty(self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).clone())?;
            if done >= self.let_go {
                return Ok(());
            }
            if Instant::now() > end {
                let late = self.let_go - done;
                return Err(Failure::broken(format!("{late} transactions had not ended after {DONE_WITHIN:?}")));
            }
            interruption.sleep(Duration::from_millis(10))?;
        }
    }

    /// How often a transaction had to be tried again.
    pub(super) fn again(&self) -> u64 {
        self.shared.again.load(Ordering::SeqCst)
    }

    /// Commits one more transaction for each aggregate, after all others.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(super) fn close_aggregates(
        &mut self,
        database: &Database,
        interruption: &Interruption,
    ) -> Result<Vec<i64>, Failure> {
        self.wait(interruption)?;
        let (mut last, mut tasks) = (Vec::new(), Vec::new());
        for aggregate in aggregates() {
            let number = self.shared.number.fetch_add(1, Ordering::SeqCst);
            last.push(number);
            tasks.push(Planned::last(number, aggregate));
        }
        self.let_go += tasks.len() as u64;
        let shared = Arc::clone(&self.shared);
        let closing = database.runtime().spawn(async move {
            let mut connection = None;
            for planned in tasks {
                shared.settle(&mut connection, &planned).await;
            }
        });
        self.tasks.push(closing);
        self.wait(interruption)?;
        Ok(last)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn write(shared: Arc<Shared>) {
    let mut connection = None;
    // The semaphore is never closed.
    while let Ok(ticket) = shared.tickets.acquire().await {
        ticket.forget();
        let planned = Planned::draw(shared.seed, shared.number.fetch_add(1, Ordering::SeqCst));
        shared.settle(&mut connection, &planned).await;
    }
}

impl Shared {
    /// Tries one transaction until its outcome is known.
    async fn settle(&self, held: &mut Option<Connection>, planned: &Planned) {
        let mut is_unknown = false;
        while !self.is_settled(held, planned, is_unknown).await {
            is_unknown = true;
            self.again.fetch_add(1, Ordering::SeqCst);
            *held = None;
            tokio::time::sleep(PAUSE).await;
        }
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    async fn is_settled(&self, held: &mut Option<Connection>, planned: &Planned, is_unknown: bool) -> bool {
        let connection = match held {
            Some(connection) => connection,
            None => match Connection::open(&self.config).await {
                Ok(connection) => held.insert(connection),
                Err(error) => return self.is_refused(planned, &error),
            },
        };
        if is_unknown {
            match connection.has(planned.number).await {
                Ok(false) => {}
                Ok(true) => return true,
                Err(error) => return self.is_refused(planned, &error),
            }
        }
        match connection.run(planned).await {
            Outcome::Done => true,
            Outcome::Lost => {
                *held = None;
                true
            }
            Outcome::Again => false,
            Outcome::Failed(error) => self.is_refused(planned, &error),
        }
    }

    /// Whether there is no use in trying again, which is noted.
    fn is_refused(&self, planned: &Planned, error: &tokio_postgres::Error) -> bool {
        if is_of_connection(error) {
            return false;
        }
        let Planned { number, aggregate, .. } = planned;
        let place = format!("transaction {number} of {aggregate} was refused: {}", said(error));
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        true
    }
}
