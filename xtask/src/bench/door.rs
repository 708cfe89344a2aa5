//! The HTTP door: single events at 64 connections and batches, each against the same handler over a bare group-commit file; and
//! point reads of a view, against a fixed answer.
//!
//! The same load generator drives both servers and shares the machine with them. CPU and memory are the server's alone.

use std::process::Command;

use super::figures::Figures;
use super::rounds::{self, Row};
use super::server::{Server, Side};
use super::{BARE, Place, Plan, in_process, nats};
use crate::{Failure, tree};

/// Requests in flight; over HTTP a connection each.
const IN_FLIGHT: &str = "64";

/// What ids begin with that are to be known.
const RUN: &str = "k";

/// Single events, then batches.
pub(crate) fn http(plan: &Plan, place: &Place) -> Result<Vec<Row>, Failure> {
    let loads = [
        ("HTTP, single events, 64 connections", Load { events: plan.events(200_000), batch: 1 }),
        ("HTTP, batches of 100, 64 connections", Load { events: plan.events(1_000_000), batch: 100 }),
    ];
    let mut rows = Vec::new();
    for (what, load) in &loads {
        let run = |side| load.run(side, place);
        rows.push(rounds::alternate(what, plan.rounds(), || run(Side::Product), || run(Side::Bare))?);
    }
    Ok(rows)
}

/// The app whose view is read: the newest event of each id.
const NEWEST: &str = "\
app: bench
data_dir: ./data
topics:
  flights: { partitions: 4, key: id }
pipelines:
  newest:
    from: flights
    steps:
      - table: { view: newest }
    to: passed
";

/// Point reads of a view with 100,000 rows. The servers stand side by side, and only the one whose turn it is has work.
pub(crate) fn views(plan: &Plan, place: &Place) -> Result<Row, Failure> {
    let rows = 100_000;
    let mut product = Server::spawn_app(NEWEST, &place.fresh("view")?)?;
    product.accept_one("first")?;
    let fill = Load { events: rows, batch: 100 };
    in_process::figures(fill.named(&product))?;
    product.settle("newest")?;
    let mut bare = Server::spawn(Side::Bare, &place.fresh("server")?)?;
    bare.accept_one("first")?;
    let reads = plan.events(200_000);
    let what = "view, point reads over HTTP, 64 connections";
    let row = rounds::alternate(what, plan.rounds(), || read(&product, rows, reads), || read(&bare, rows, reads))?;
    product.stop()?;
    bare.stop()?;
    Ok(row)
}

/// Reads rows and gives the figures, CPU and memory those of the server.
fn read(server: &Server, rows: u64, reads: u64) -> Result<Figures, Failure> {
    let mut command = Command::new(tree::release_program(BARE));
    command.args(["load", "--connections", IN_FLIGHT, "--url", &server.view_url("newest"), "--run", RUN]);
    command.args(["--rows", &rows.to_string(), "--events", &reads.to_string()]);
    command.arg("--flights").arg(in_process::flights());
    let before = server.cpu_seconds()?;
    let read = in_process::figures(command)?;
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let millions = reads as f64 / 1e6;
    let cpu_seconds_per_million = (server.cpu_seconds()? - before) / millions;
    Ok(Figures { cpu_seconds_per_million, peak_memory_mb: server.peak_memory_mb()?, ..read })
}

/// What is sent to a server.
pub(crate) struct Load {
    pub(crate) events: u64,
    /// Events a request.
    pub(crate) batch: u64,
}

impl Load {
    /// Starts a server, sends all to it, and gives its figures.
    pub(crate) fn run(&self, side: Side, place: &Place) -> Result<Figures, Failure> {
        let folder = place.fresh("server")?;
        let mut server = Server::spawn(side, &folder)?;
        server.accept_one("first")?;
        let before = server.cpu_seconds()?;
        let sent = self.send(&server)?;
        let cpu_seconds = server.cpu_seconds()? - before;
        let peak_memory_mb = server.peak_memory_mb()?;
        server.stop()?;
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let millions = self.events as f64 / 1e6;
        Ok(Figures { cpu_seconds_per_million: cpu_seconds / millions, peak_memory_mb, ..sent })
    }

    /// Sends all to a server; the figures are the sender's.
    pub(crate) fn send(&self, server: &Server) -> Result<Figures, Failure> {
        in_process::figures(self.command(server))
    }

    /// The sender, with ids that are known: a word and a number each.
    pub(crate) fn named(&self, server: &Server) -> Command {
        let mut command = self.command(server);
        command.args(["--run", RUN]);
        command
    }

    /// The sender.
    pub(crate) fn command(&self, server: &Server) -> Command {
        let mut command = match server.side() {
            Side::Nats => {
                let mut command = Command::new(nats::program());
                command.args(["load", "--in-flight", IN_FLIGHT, "--port", &server.port().to_string()]);
                command
            }
            Side::Product | Side::Bare => {
                let mut command = Command::new(tree::release_program(BARE));
                command.args(["load", "--connections", IN_FLIGHT, "--url", &server.events_url()]);
                command.args(["--batch", &self.batch.to_string()]);
                command
            }
        };
        command.args(["--events", &self.events.to_string(), "--flights"]).arg(in_process::flights());
        command
    }
}
