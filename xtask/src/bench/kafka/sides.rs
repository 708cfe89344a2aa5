//! The three sides as commands: the binary `riverrun` with an app file, Kafka Streams, the bare loop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Part, Run};
use crate::bench::java_peer::JavaPeer;
use crate::bench::{BARE, Place, SERVER};
use crate::{Failure, process, tree};

/// What Java is told. Of the collectors and sizes tried the one with the least CPU time and memory; two threads on two cores leave none
/// for a collector beside them.
const JAVA_OPTIONS: [&str; 4] = ["-XX:+UseSerialGC", "-Xms256m", "-Xmx256m", "-XX:-UsePerfData"];

/// The three models and where they come from.
const SNAPSHOT: &str = "\
topics:
  flights: { partitions: 4, key: data.tailnum }
  planes: { partitions: 1, key: data.tailnum }
  airlines: { partitions: 1, key: data.carrier }
  weather: { partitions: 1, key: data.origin }
models:
  plane: { from: planes }
  airline: { from: airlines }
  weather: { from: weather }
pipelines:
  bench:
    from: flights
    steps:
      - snapshot: { plane: { key: data.tailnum }, airline: { key: data.carrier }, weather: { key: data.origin } }
";

/// A result for each window, when it is over.
const COUNT: &str = "\
topics:
  flights: { partitions: 4, key: data.tailnum }
pipelines:
  bench:
    from: flights
    steps:
      - count: { window: { tumbling: 1h }, emit: close }
";

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Product,
    Streams,
    Bare,
}

impl Side {
    pub(super) const ALL: [Self; 3] = [Self::Product, Self::Streams, Self::Bare];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Streams => "Kafka Streams",
            Self::Bare => "bare",
        }
    }

    /// As it is part of names.
    fn short(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Streams => "streams",
            Self::Bare => "bare",
        }
    }
}

/// What the sides are run with.
pub(super) struct Sides<'p> {
    place: &'p Place,
    peer: JavaPeer,
}

/// One run: what it is called on the cluster, and where it keeps its files.
struct Names {
    group: String,
    output: String,
    changelog: String,
    folder: PathBuf,
}

impl<'p> Sides<'p> {
    /// Builds what cargo does not.
    pub(super) fn build(place: &'p Place) -> Result<Self, Failure> {
        Ok(Self { place, peer: JavaPeer::build("kafka-streams")? })
    }

    /// One run of a side. Every run has its own group, output and files.
    pub(super) fn measure(&self, side: Side, part: Part, round: usize, brokers: &str) -> Result<Run, Failure> {
        let name = format!("{}-{}-{round}", part.name(), side.short());
        let names = Names {
            // The product's group is that of its app and pipeline.
            group: if side == Side::Product { format!("{name}.bench") } else { name.clone() },
            output: format!("{name}-output"),
            changelog: format!("{name}-changes"),
            folder: self.place.fresh(&name)?,
        };
        let program = match side {
            Side::Product => product(&name, part, &names, brokers)?,
            Side::Streams => self.streams(part, &names, brokers),
            Side::Bare => bare(part, &names, brokers),
        };
        let mut measured = Command::new(tree::release_program(BARE));
        measured.args(["kafka", "measure", "--brokers", brokers, "--group", &names.group, "--output", &names.output]);
        if side == Side::Bare {
            measured.args(["--changelog", &names.changelog]);
        }
        measured.arg("--").arg(program.get_program()).args(program.get_args());
        let output = process::output(measured);
        fs::remove_dir_all(&names.folder)?;
        Run::parse(output?.lines().last().unwrap_or_default())
    }

    fn streams(&self, part: Part, names: &Names, brokers: &str) -> Command {
        let mut command = self.peer.command(&JAVA_OPTIONS);
        command.args([part.name(), brokers, &names.group, &names.output]).arg(&names.folder);
        command
    }
}

fn product(app: &str, part: Part, names: &Names, brokers: &str) -> Result<Command, Failure> {
    let file = names.folder.join("riverrun.yaml");
    fs::write(&file, app_file(app, part, names, brokers, &names.folder))?;
    let mut command = Command::new(tree::release_program(SERVER));
    // Kafka Streams has no doors either.
    command.arg("-f").arg(file).args(["run", "--workers", "2", "--only", "pipelines", "--listen", "127.0.0.1:0"]);
    Ok(command)
}

fn app_file(app: &str, part: Part, names: &Names, brokers: &str, folder: &Path) -> String {
    let pipeline = match part {
        Part::Snapshot => SNAPSHOT,
        Part::Count => COUNT,
    };
    let (output, folder) = (&names.output, folder.join("data"));
    format!(
        "app: {app}\nlog: kafka://{brokers}\nkafka: {{ instance: bench }}\ndata_dir: {}\n{pipeline}    to: {output}\n",
        folder.display()
    )
}

fn bare(part: Part, names: &Names, brokers: &str) -> Command {
    let mut command = Command::new(tree::release_program(BARE));
    command.args(["kafka", part.name(), "--brokers", brokers, "--group", &names.group, "--output", &names.output]);
    command.args(["--changelog", &names.changelog]);
    command
}
