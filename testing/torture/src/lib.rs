//! Black-box fault tests: a server is loaded, killed, cut off from power, given disks that fill up, fail and decay and clocks that jump,
//! and everything it promised is checked from outside. So are several instances on Kafka ([`kafka`]) and a transactional outbox
//! ([`outbox`]), together with the services they need.
//!
//! Invariants: no code is shared with the product, not even an encoder; the ledger lies where no fault reaches, or in the transactions that
//! the faults hit; all randomness comes
//! from one seed; whatever a run makes (processes, mounts, files) is gone when it ends, also after a failure or SIGINT.
//! One seed gives the same requests and the same planned moments again; threads and disks still take their own time.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod check;
pub mod disk;
pub mod event;
pub mod failure;
mod faked_clock;
pub mod http;
mod instances;
pub mod kafka;
pub mod ledger;
pub mod load;
pub mod media;
pub mod outbox;
pub mod position;
pub mod random;
pub mod reader;
pub mod report;
pub mod round;
mod sabotage;
pub mod scenario;
pub mod scenario_app;
pub mod server;
mod services;
pub mod site;
pub mod storm;
