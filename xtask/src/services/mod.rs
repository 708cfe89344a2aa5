//! `cargo xtask services`: what tests talk to besides the workspace's own programs, started by hand and kept for as long as wanted.
//!
//! `cargo xtask test` starts the same things for itself. Nothing outlives the process that started it.

pub(crate) mod java;
pub(crate) mod kafka;
mod scratch;

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::Failure;
use kafka::{Broker, BrokerCount, Purpose};

const USAGE: &str = "usage: cargo xtask services start kafka [--brokers N]";
/// How soon it is noticed that a broker has ended by itself.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Starts a service in the foreground, until Ctrl-C, SIGTERM or the end of standard input.
///
/// # Errors
/// An argument is unknown, or the service cannot be had, does not start or ends by itself.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start", "kafka"] => stay(BrokerCount::ONE),
        ["start", "kafka", "--brokers", count] => stay(count.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn stay(count: BrokerCount) -> Result<(), Failure> {
    let broker = Broker::start(count, Purpose::Tests)?;
    println!("{}={}", kafka::VARIABLE, broker.address());
    println!("{}={}", kafka::SECURE_VARIABLE, broker.secure_address());
    eprintln!("kafka: Ctrl-C, SIGTERM or the end of standard input stops it");
    let input = end_of_input();
    while let Err(RecvTimeoutError::Timeout) = input.recv_timeout(CHECK_EVERY) {
        broker.check_running()?;
    }
    eprintln!("kafka: stopping");
    Ok(())
}

/// Hangs up when standard input ends, which is how a script or an editor that is gone shows it.
fn end_of_input() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // An input that cannot be read has ended, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(sender);
    });
    receiver
}
