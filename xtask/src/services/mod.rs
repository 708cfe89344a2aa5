//! `cargo xtask services`: what tests talk to besides the workspace's own programs, started by hand and kept for as long as wanted.
//!
//! `cargo xtask test` starts the same things for itself. Nothing outlives the process that started it.

mod certificate;
mod child;
pub(crate) mod java;
pub(crate) mod kafka;
pub(crate) mod postgres;
mod running;
mod scratch;

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::Failure;
use kafka::{Broker, BrokerCount, Purpose};
use postgres::Postgres;

const USAGE: &str = "\
usage: cargo xtask services start kafka [--brokers N] [--proxy LISTEN:ADVERTISED] [--transactions VERSION]
       cargo xtask services start postgres [--logical] [--pooler]";
/// What standard input may say to restart a broker or the server: `restart 2`, `restart`, `restart fast`.
const RESTART: &str = "restart";
/// How soon it is noticed that a service has ended by itself.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// Starts a service in the foreground, until Ctrl-C, SIGTERM or the end of standard input.
///
/// # Errors
/// An argument is unknown, or the service cannot be had, does not start or ends by itself.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start", "kafka", options @ ..] => stay_kafka(kafka_setup(options)?),
        ["start", "postgres", options @ ..] => stay_postgres(postgres_setup(options)?),
        _ => Err(USAGE.into()),
    }
}

fn kafka_setup(options: &[&str]) -> Result<kafka::Setup, Failure> {
    let mut setup = kafka::Setup::one(Purpose::Tests);
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

fn postgres_setup(options: &[&str]) -> Result<postgres::Setup, Failure> {
    let mut setup = postgres::Setup::default();
    for option in options {
        match *option {
            "--logical" => setup.logical = true,
            "--pooler" => setup.pooler = true,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(setup)
}

fn stay_kafka(setup: kafka::Setup) -> Result<(), Failure> {
    let broker = Broker::start(setup)?;
    let restart = |number: &str| {
        let number = number.parse()?;
        broker.restart(number)?;
        Ok(format!("restarted {number}"))
    };
    stay("kafka", broker.variables(), restart, || broker.check_running())
}

fn stay_postgres(setup: postgres::Setup) -> Result<(), Failure> {
    let postgres = Postgres::start(setup)?;
    let restart = |shutdown: &str| {
        postgres.restart(shutdown.parse()?)?;
        Ok("restarted".to_owned())
    };
    stay("postgres", postgres.variables(), restart, || postgres.check_running())
}

/// Says where the service is, and keeps it. `restart` is given what follows the word, and answers with the line to print.
fn stay(
    name: &str,
    variables: Vec<(&str, String)>,
    restart: impl Fn(&str) -> Result<String, Failure>,
    check_running: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (variable, value) in variables {
        println!("{variable}={value}");
    }
    eprintln!("{name}: Ctrl-C, SIGTERM or the end of standard input stops it");
    let input = lines_of_input();
    loop {
        match input.recv_timeout(CHECK_EVERY) {
            Ok(line) => {
                if let Some(rest) = line.strip_prefix(RESTART) {
                    println!("{}", restart(rest.trim())?);
                }
            }
            Err(RecvTimeoutError::Timeout) => check_running()?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    eprintln!("{name}: stopping");
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
