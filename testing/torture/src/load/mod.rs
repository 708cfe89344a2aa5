//! The load: several senders, each a thread, that a fault does not stop. They wait out the time without a server.
//!
//! A check needs a still ledger: [`Load::pause`] returns when no request is in flight.

mod invalid;
mod orders;
mod sender;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Interruption};
use crate::ledger::Ledger;

/// How many senders there are: more than cores, so that requests overlap.
const SENDERS: usize = 4;
/// How long requests in flight may take to end when the load pauses: longer than a sender's timeout for a request.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(60);

/// What the senders look at.
#[derive(Debug, Default)]
struct Control {
    /// The server's address and how many there were before; none while it is down.
    server: Mutex<Option<(u64, SocketAddr)>>,
    starts: AtomicUsize,
    is_paused: AtomicBool,
    is_stopped: AtomicBool,
    busy: AtomicUsize,
}

/// The running load; dropping it stops the senders.
#[derive(Debug)]
pub struct Load {
    control: Arc<Control>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the senders; they wait for a server.
    #[must_use]
    pub fn start(seed: u64, ledger: &Arc<Ledger>) -> Self {
        let control = Arc::new(Control::default());
        let threads = (0..SENDERS)
            .map(|number| {
                let sender = sender::Sender::new(number, seed, Arc::clone(ledger), Arc::clone(&control));
                thread::spawn(move || sender.run())
            })
            .collect();
        Self { control, threads }
    }

    /// Tells the senders where the server is.
    pub fn server_is_up(&self, address: SocketAddr) {
        let start = self.control.starts.fetch_add(1, Ordering::SeqCst) as u64;
        *self.control.server.lock().unwrap_or_else(PoisonError::into_inner) = Some((start, address));
    }

    /// Tells the senders that there is no server for now.
    pub fn server_is_down(&self) {
        *self.control.server.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets no new request begin and waits for those in flight. The server must be up.
    ///
    /// # Errors
    /// [`Failure::Broken`] when a request stays without an answer.
    pub fn pause(&self, interruption: &Interruption) -> Result<(), Failure> {
        self.control.is_paused.store(true, Ordering::SeqCst);
        let end = Instant::now() + PAUSE_TIMEOUT;
        while self.control.busy.load(Ordering::SeqCst) > 0 {
            if Instant::now() > end {
                return Err(Failure::broken(format!("requests had no definite answer within {PAUSE_TIMEOUT:?}")));
            }
            interruption.sleep(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// Lets the senders go on.
    pub fn resume(&self) {
        self.control.is_paused.store(false, Ordering::SeqCst);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.control.is_stopped.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A sender that panicked has told so on standard error; its events count as unknown.
            let _ = thread.join();
        }
    }
}

impl Control {
    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::SeqCst)
    }

    /// The server, waiting for one if it is down; `None` when the load stops.
    fn wait_for_server(&self) -> Option<(u64, SocketAddr)> {
        while !self.is_stopped() {
            let server = *self.server.lock().unwrap_or_else(PoisonError::into_inner);
            if server.is_some() {
                return server;
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Begins a piece of work unless the load is paused.
    fn begin(&self) -> bool {
        self.busy.fetch_add(1, Ordering::SeqCst);
        if self.is_paused.load(Ordering::SeqCst) {
            self.busy.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        true
    }

    fn finish(&self) {
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }
}
