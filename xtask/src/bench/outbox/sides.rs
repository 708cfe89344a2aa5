//! The sides as commands: the binary `riverrun` that runs the relay only, on Kafka or on its own log, and Debezium's engine.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use super::Run;
use crate::bench::java_peer::JavaPeer;
use crate::bench::{BARE, Place, SERVER};
use crate::services::kafka::Broker;
use crate::services::postgres::Postgres;
use crate::{Failure, process, tree};

/// What Java is told; bench/peers/debezium says what else was tried.
const JAVA_OPTIONS: [&str; 3] = ["-XX:+UseSerialGC", "-Xmx128m", "-XX:-UsePerfData"];
/// What Debezium reads the log of the database by.
const SLOT: &str = "bench";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Riverrun,
    Debezium,
    /// Riverrun without Kafka.
    Embedded,
}

impl Side {
    pub(super) const ALL: [Self; 3] = [Self::Riverrun, Self::Debezium, Self::Embedded];
    /// Those that write to Kafka.
    pub(super) const RELAYS: [Self; 2] = [Self::Riverrun, Self::Debezium];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Riverrun => "Riverrun",
            Self::Debezium => "Debezium",
            Self::Embedded => "Riverrun, embedded log",
        }
    }

    /// As it is part of names.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::Riverrun => "riverrun",
            Self::Debezium => "debezium",
            Self::Embedded => "embedded",
        }
    }
}

/// What the sides are run with.
pub(super) struct Sides<'s> {
    place: &'s Place,
    broker: &'s Broker,
    postgres: &'s Postgres,
    peer: JavaPeer,
}

impl<'s> Sides<'s> {
    /// Builds what cargo does not, and makes the product's outbox.
    pub(super) fn build(place: &'s Place, broker: &'s Broker, postgres: &'s Postgres) -> Result<Self, Failure> {
        let peer = JavaPeer::build("debezium")?;
        let mut init = Command::new(tree::release_program(SERVER));
        init.args(["outbox", "init", "--database", &postgres.url()]);
        process::run(init)?;
        Ok(Self { place, broker, postgres, peer })
    }

    /// One run of a program of `riverrun-bare outbox` with a side. `name` is that of the run: its topic, its app, its folder.
    pub(super) fn measure(&self, side: Side, name: &str, program: &str, options: &[&str]) -> Result<Run, Failure> {
        let folder = self.place.fresh(name)?;
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = self.bare(name, program, options)?;
        let relay = match side {
            Side::Riverrun => riverrun(&self.app(name, &folder, true), &folder, listen)?,
            Side::Embedded => {
                command.args(["--status", &listen.to_string()]);
                riverrun(&self.app(name, &folder, false), &folder, listen)?
            }
            Side::Debezium => {
                command.args(["--side", "debezium", "--slot", SLOT]);
                self.debezium(&folder)?
            }
        };
        command.arg("--").arg(relay.get_program()).args(relay.get_args());
        let run = figures(command)?;
        fs::remove_dir_all(&folder)?;
        Ok(run)
    }

    /// The same without any relay.
    pub(super) fn measure_alone(&self, name: &str, program: &str, options: &[&str]) -> Result<Run, Failure> {
        figures(self.bare(name, program, options)?)
    }

    fn bare(&self, topic: &str, program: &str, options: &[&str]) -> Result<Command, Failure> {
        self.broker.check_running()?;
        self.postgres.check_running()?;
        let mut command = Command::new(tree::release_program(BARE));
        command.args(["outbox", program, "--topic", topic, "--database", &self.postgres.url()]);
        command.args(["--postmaster", &self.postgres.process_id()?.to_string(), "--brokers", self.broker.address()]);
        command.args(options);
        Ok(command)
    }

    fn app(&self, name: &str, folder: &Path, on_kafka: bool) -> String {
        let (database, folder) = (self.postgres.url(), folder.join("data"));
        let log = format!("log: kafka://{}\nkafka: {{ instance: bench }}\n", self.broker.address());
        format!(
            "app: {name}\n{}data_dir: {}\noutbox: {{ url: \"{database}\" }}\ntopics:\n  {name}: {{ partitions: 4 }}\n",
            if on_kafka { &log } else { "" },
            folder.display()
        )
    }

    fn debezium(&self, folder: &Path) -> Result<Command, Failure> {
        let url = self.postgres.url();
        let [user, host, port, database] = parts(&url).ok_or_else(|| format!("{url} has not all parts"))?;
        let temporary = format!("-Djava.io.tmpdir={}", folder.display());
        let mut command = self.peer.command(&[&JAVA_OPTIONS[..], &[&temporary]].concat());
        command.args([host, port, database, user, self.broker.address()]);
        command.arg(folder.join("offsets")).arg(SLOT);
        Ok(command)
    }
}

fn riverrun(app: &str, folder: &Path, listen: SocketAddr) -> Result<Command, Failure> {
    let file = folder.join("riverrun.yaml");
    fs::write(&file, app)?;
    let mut command = Command::new(tree::release_program(SERVER));
    command.arg("-f").arg(file).args(["run", "--only", "outbox", "--listen", &listen.to_string()]);
    Ok(command)
}

/// User, host, port and database of `postgres://USER@HOST:PORT/DATABASE`.
fn parts(url: &str) -> Option<[&str; 4]> {
    let (user, rest) = url.strip_prefix("postgres://")?.split_once('@')?;
    let (address, database) = rest.split_once('/')?;
    let (host, port) = address.rsplit_once(':')?;
    Some([user, host, port, database])
}

/// Runs a program to its end; its last line of output is its figures.
fn figures(command: Command) -> Result<Run, Failure> {
    Run::parse(process::output(command)?.lines().last().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let found = parts("postgres://riverrun@127.0.0.1:5432/shop");
        assert_eq!(found, Some(["riverrun", "127.0.0.1", "5432", "shop"]));
        assert_eq!(parts("kafka://127.0.0.1:9092"), None);
    }
}
