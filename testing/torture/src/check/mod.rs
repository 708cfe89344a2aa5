//! Everything that has to hold after any fault, computed from the ledger and what readers see, with nothing of the product.
//!
//! Checks add texts to a list of [`Findings`] and go on, so one report shows all that is wrong. The load is paused meanwhile.

mod count;
mod frontier;
mod inputs;
mod outputs;
mod replay;
mod totals;

use std::net::SocketAddr;

use crate::failure::{Failure, Interruption};
use crate::ledger::Ledger;
use crate::reader::{Reader, Record};
use crate::scenario_app::{ACCOUNT_PARTITIONS, ACCOUNTS, ORDER_PARTITIONS, ORDERS, SCORED, TOTALS};

/// How many findings a report shows; one fault often breaks thousands of events in the same way.
const FINDINGS_SHOWN: usize = 12;

/// What the checks found wrong.
#[derive(Debug, Default)]
pub struct Findings(Vec<String>);

impl Findings {
    /// Adds one. Each says where, what is there and what was expected.
    pub fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    /// Fails if there are any.
    ///
    /// # Errors
    /// [`Failure::Broken`] with the first of them and how many more there are.
    pub fn settle(mut self) -> Result<(), Failure> {
        let more = self.0.len().saturating_sub(FINDINGS_SHOWN);
        self.0.truncate(FINDINGS_SHOWN);
        if more > 0 {
            self.0.push(format!("and {more} more"));
        }
        if self.0.is_empty() { Ok(()) } else { Err(Failure::Broken(self.0)) }
    }
}

/// How thorough a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The log and the outputs.
    Log,
    /// Also a replay, which takes as long as all inputs take again.
    LogAndReplay {
        /// Numbers the topics that replays write.
        replay: u32,
    },
}

/// What readers see of a run.
struct Seen {
    orders: Vec<Record>,
    accounts: Vec<Record>,
    scored: Vec<Record>,
    dead_letters: Vec<Record>,
    totals: Vec<Record>,
}

/// Waits until the server has done everything and checks all of it. The load must be paused.
///
/// # Errors
/// [`Failure::Broken`] with what is wrong.
pub fn check(ledger: &Ledger, server: SocketAddr, depth: Depth, interruption: &Interruption) -> Result<(), Failure> {
    let mut findings = Findings::default();
    let mut reader = Reader::new(server);
    let outcome = read_all(&mut reader, interruption).and_then(|seen| {
        let entries = ledger.entries();
        inputs::check(&entries, ORDERS, &seen.orders, &mut findings);
        inputs::check(&entries, ACCOUNTS, &seen.accounts, &mut findings);
        outputs::check(&seen.orders, &seen.scored, &seen.dead_letters, &mut findings);
        totals::check(&seen.scored, &seen.totals, &mut findings);
        frontier::check(&entries, &seen.orders, &seen.accounts, &seen.scored, &mut findings);
        match depth {
            Depth::Log => Ok(()),
            Depth::LogAndReplay { replay } => replay::check(&mut reader, replay, &seen.scored, &mut findings),
        }
    });
    match outcome {
        Ok(()) => {}
        // What was found before belongs into the report as well.
        Err(Failure::Broken(places)) => places.into_iter().for_each(|place| findings.add(place)),
        Err(failure) => return Err(failure),
    }
    ledger.broken_promises().into_iter().for_each(|broken| findings.add(broken));
    findings.settle()
}

/// Checks what can be read of a log that had been worked off before it was stopped: nothing is waited for.
///
/// # Errors
/// [`Failure::Broken`] with what is wrong, or with what a read answered instead.
pub fn check_read(ledger: &Ledger, server: SocketAddr) -> Result<(), Failure> {
    let seen = read_topics(&mut Reader::new(server))?;
    let mut findings = Findings::default();
    let entries = ledger.entries();
    inputs::check(&entries, ORDERS, &seen.orders, &mut findings);
    inputs::check(&entries, ACCOUNTS, &seen.accounts, &mut findings);
    outputs::check(&seen.orders, &seen.scored, &seen.dead_letters, &mut findings);
    totals::check(&seen.scored, &seen.totals, &mut findings);
    findings.settle()
}

fn read_all(reader: &mut Reader, interruption: &Interruption) -> Result<Seen, Failure> {
    reader.wait_idle(interruption)?;
    read_topics(reader)
}

fn read_topics(reader: &mut Reader) -> Result<Seen, Failure> {
    Ok(Seen {
        orders: reader.read_topic(ORDERS, ORDER_PARTITIONS)?,
        accounts: reader.read_topic(ACCOUNTS, ACCOUNT_PARTITIONS)?,
        scored: reader.read_topic(SCORED, ORDER_PARTITIONS)?,
        dead_letters: reader.read_dead_letters()?,
        totals: reader.read_topic(TOTALS, ORDER_PARTITIONS)?,
    })
}
