//! `cargo xtask services`: what tests talk to besides the workspace's own programs, started by hand and kept for as long as wanted.
//!
//! `cargo xtask test` starts the same things for itself. Nothing outlives the process that started it.

mod certificate;
mod child;
pub(crate) mod java;
pub(crate) mod kafka;
mod running;
mod scratch;

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::Failure;
use kafka::{Broker, BrokerCount, Purpose, Setup};

const USAGE: &str =
    "usage: cargo xtask services start kafka [--brokers N] [--proxy LISTEN:ADVERTISED] [--transactions VERSION]";
/// What standard input may say to restart a broker: `restart 2`.
const RESTART: &str = "restart ";
/// How soon it is noticed that a broker has ended by itself.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Starts a service in the foreground, until Ctrl-C, SIGTERM or the end of standard input.
///
/// # Errors
/// An argument is unknown, or the service cannot be had, does not start or ends by itself.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start", "kafka", options @ ..] => stay(setup(options)?),
        _ => Err(USAGE.into()),
    }
}

fn setup(options: &[&str]) -> Result<Setup, Failure> {
    let mut setup = Setup::one(Purpose::Tests);
    for option in options.chunks(2) {
        match option {
            ["--brokers", count] => setup.count = count.parse()?,
            ["--proxy", ports] => setup.proxied = Some(ports.parse()?),
            ["--transactions", version] => setup.transactions = Some(version.parse()?),
            _ => return Err(USAGE.into()),
        }
    }
    if setup.proxied.is_some() && setup.count != BrokerCount::ONE {
        return Err("--proxy: a proxy is in front of one broker, so there can be one only".into());
    }
    Ok(setup)
}

fn stay(setup: Setup) -> Result<(), Failure> {
    let broker = Broker::start(setup)?;
    println!("{}={}", kafka::VARIABLE, broker.address());
    println!("{}={}", kafka::SECURE_VARIABLE, broker.secure_address());
    eprintln!("kafka: Ctrl-C, SIGTERM or the end of standard input stops it");
    let input = lines_of_input();
    loop {
        match input.recv_timeout(CHECK_EVERY) {
            Ok(line) => {
                if let Some(number) = line.strip_prefix(RESTART) {
                    let number = number.trim().parse()?;
                    broker.restart(number)?;
                    println!("restarted {number}");
                }
            }
            Err(RecvTimeoutError::Timeout) => broker.check_running()?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    eprintln!("kafka: stopping");
    Ok(())
}

/// Hangs up when standard input ends, which is how a script or an editor that is gone shows it.
fn lines_of_input() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // An input that cannot be read has ended, too.
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
