//! From starting the process to the first event accepted, over a log with events in it: after a clean stop and after kill -9.
//!
//! The bare server starts with nothing to recover, so it shows what a process and a socket cost by themselves.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::door::Load;
use super::figures::median;
use super::server::{Server, Side};
use super::{Place, Plan};
use crate::Failure;

/// Long enough for every connection to have requests answered, short enough for most events to be still to come.
const LOAD_BEFORE_KILL: Duration = Duration::from_millis(500);

/// One line of the report.
pub(crate) struct Start {
    pub(crate) what: String,
    pub(crate) product_ms: f64,
    pub(crate) bare_ms: f64,
}

/// How the server before ended.
#[derive(Clone, Copy)]
enum End {
    Stopped,
    Killed,
}

/// Both kinds of start.
pub(crate) fn starts(plan: &Plan, place: &Place) -> Result<Vec<Start>, Failure> {
    println!("\n== start to first event");
    let fill = Load { events: plan.events(1_000_000), batch: 100 };
    let bare_ms = bare(plan, place)?;
    let mut rows = Vec::new();
    for (what, end) in [("after a clean stop", End::Stopped), ("after kill -9 under load", End::Killed)] {
        let product_ms = product(plan, place, &fill, end)?;
        println!("{what}: product {product_ms:.0} ms, bare {bare_ms:.0} ms");
        rows.push(Start { what: format!("{what}, {} events in the log", fill.events), product_ms, bare_ms });
    }
    Ok(rows)
}

fn bare(plan: &Plan, place: &Place) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for _ in 0..plan.rounds() {
        let folder = place.fresh("server")?;
        let begun = Instant::now();
        let mut server = Server::spawn(Side::Bare, &folder)?;
        server.accept_one("first")?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        server.stop()?;
    }
    Ok(median(times).unwrap_or_default())
}

fn product(plan: &Plan, place: &Place, fill: &Load, end: End) -> Result<f64, Failure> {
    let folder = place.fresh("server")?;
    let mut server = Server::spawn(Side::Product, &folder)?;
    server.accept_one("first")?;
    fill.send(&server)?;
    let mut times = Vec::new();
    for round in 0..plan.rounds() {
        match end {
            End::Stopped => server.stop()?,
            End::Killed => kill_under_load(server, plan.events(1_000_000))?,
        }
        let begun = Instant::now();
        server = Server::spawn(Side::Product, &folder)?;
        server.accept_one(&format!("after-{round}"))?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    server.stop()?;
    Ok(median(times).unwrap_or_default())
}

/// Kills the server while events are on their way to it.
fn kill_under_load(server: Server, events: u64) -> Result<(), Failure> {
    let mut load = Load { events, batch: 100 }.command(&server).stderr(Stdio::null()).stdout(Stdio::null()).spawn()?;
    std::thread::sleep(LOAD_BEFORE_KILL);
    server.kill()?;
    // It ends by itself, with an error: its connections are gone.
    load.wait()?;
    Ok(())
}
