//! The example `flights` on two instances, one of which is killed while the flights come in: afterwards every flight that departed has
//! exactly one departure, in the order of its plane.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::outside::Record;
use super::{Site, kafka_settings};
use crate::failure::{Failure, OrEnvironment};
use crate::instances::{Instances, Program};
use crate::position::Position;
use crate::report::say;

/// What the models are made of; they are to be there before the flights.
const MODELS: [&str; 4] = ["planes", "airlines", "airports", "weather"];
/// The tasks of the instance that is killed wait for its session of 6 s, then for its transaction of 20 s.
const CATCH_UP: Duration = Duration::from_secs(90);

pub(super) fn run(site: &Site<'_>, passed: &mut u32) -> Result<(), Failure> {
    let example = site.plan.sources.join("../../examples/flights");
    let file = example.join("riverrun.yaml");
    let file = std::fs::read_to_string(&file).or_environment("cannot read the example")?;
    let app = |name: &str, data_directory: &Path| app_file(&file, site, name, data_directory);
    let program = Program::CommandLine(site.plan.command_line.clone());
    let mut instances = Instances::prepare(&program, &site.plan.directory, &["a", "b"], app, &site.interruption)?;
    let outcome = publish_and_kill(site, &mut instances, &example.join("data"));
    site.judge(&instances, outcome)?;
    *passed += 1;
    Ok(())
}

/// The example's own file, on the cluster.
fn app_file(example: &str, site: &Site<'_>, name: &str, data_directory: &Path) -> String {
    let data_directory = Value::from(data_directory.to_string_lossy());
    let line = |line: &str| match line.split(':').next() {
        Some("log") => kafka_settings(site, name, ""),
        Some("data_dir") => format!("data_dir: {data_directory}\n"),
        Some("listen") => "listen: 127.0.0.1:0\n".to_owned(),
        _ => format!("{line}\n"),
    };
    example.lines().map(line).collect()
}

fn publish_and_kill(site: &Site<'_>, instances: &mut Instances, data: &Path) -> Result<(), Failure> {
    instances.start_all()?;
    for topic in MODELS {
        wait(site, instances, publish(site, instances, data, topic)?)?;
        site.outside.wait_idle(&site.prefix, &site.topic(&format!("{topic}.in")), CATCH_UP)?;
    }
    // The publisher speaks to the other instance, so that it has nothing to do with the kill.
    let publishing = publish(site, instances, data, "flights")?.spawn().or_environment("cannot publish")?;
    let mut publishing = Running(publishing);
    instances.pass(Duration::from_millis(1_500))?;
    instances.kill(1)?;
    publishing.wait(site, instances)?;
    for topic in ["flights.in", "flights"] {
        site.outside.wait_idle(&site.prefix, &site.topic(topic), CATCH_UP)?;
    }
    let (flights, departures) =
        (site.outside.read(&site.topic("flights"))?, site.outside.read(&site.topic("departures"))?);
    check(&flown(&data.join("flights.ndjson.gz"))?, &flights, &departures)?;
    say(format!("  {} flights, {} departures", flights.len(), departures.len()));
    instances.end_all()
}

fn publish(site: &Site<'_>, instances: &Instances, data: &Path, topic: &str) -> Result<Command, Failure> {
    let mut command = instances.command(&site.plan.command_line);
    command.arg("--url").arg(format!("http://{}", instances.address(0)?)).args(["publish", topic]);
    command.arg(data.join(format!("{topic}.ndjson.gz")));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn wait(site: &Site<'_>, instances: &mut Instances, mut command: Command) -> Result<(), Failure> {
    Running(command.spawn().or_environment("cannot publish")?).wait(site, instances)
}

/// A publisher that does not outlive the scenario.
struct Running(std::process::Child);

impl Running {
    fn wait(&mut self, site: &Site<'_>, instances: &mut Instances) -> Result<(), Failure> {
        loop {
            match self.0.try_wait().or_environment("cannot wait for the publisher")? {
                None => instances.pass(Duration::from_millis(50))?,
                Some(status) if status.success() => return site.interruption.check(),
                Some(status) => return Err(Failure::broken(format!("publishing ended with {status}"))),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The ids of the flights that departed.
fn flown(file: &Path) -> Result<BTreeSet<String>, Failure> {
    let cannot = "cannot read the flights";
    let mut flown = BTreeSet::new();
    for line in BufReader::new(GzDecoder::new(File::open(file).or_environment(cannot)?)).lines() {
        let flight: Value = serde_json::from_str(&line.or_environment(cannot)?).or_environment(cannot)?;
        let departs = flight.pointer("/data/dep_time").is_some_and(|time| !time.is_null());
        flown.extend(flight.get("id").and_then(Value::as_str).filter(|_| departs).map(str::to_owned));
    }
    Ok(flown)
}

/// Every flight that departed has one departure, no input two, and a plane's departures have the order of its flights.
fn check(flown: &BTreeSet<String>, flights: &[Record], departures: &[Record]) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    let flight = |flight: &Record| (position(flight), flight.attribute("id").unwrap_or_default().to_owned());
    let mut flights: BTreeMap<Position, String> = flights.iter().map(flight).collect();
    let mut departed = BTreeSet::new();
    let mut last: BTreeMap<(u32, Option<&str>), Position> = BTreeMap::new();
    for departure in departures {
        let place = format!("departures/{}@{}", departure.partition, departure.offset);
        let cause = departure.attribute("rrcause").and_then(Position::parse);
        let Some((cause, id)) = cause.and_then(|cause| flights.remove_entry(&cause)) else {
            wrong.push(format!("{place} is of no flight, or the second one: {:?}", departure.attribute("rrcause")));
            continue;
        };
        if !flown.contains(&id) || !departed.insert(id.clone()) {
            wrong.push(format!("{place} is of flight {id:?}, which has another departure or none"));
        }
        let plane = (departure.partition, departure.key.as_deref());
        if let Some(before) = last.insert(plane, cause.clone()).filter(|before| *before > cause) {
            wrong.push(format!("{place} is of {cause}, after one of {before} of the same plane"));
        }
    }
    wrong.extend(flown.difference(&departed).map(|id| format!("flight {id} has no departure")));
    Failure::unless_empty(wrong)
}

fn position(flight: &Record) -> Position {
    Position { topic: "flights".to_owned(), partition: flight.partition, offset: flight.offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Departures by the offsets of the flights they are of. Flight 2 never departs.
    fn wrong(departures: &[u64]) -> usize {
        let flown = ["f-1", "f-3"].map(str::to_owned).into();
        let flights = [1, 2, 3].map(|offset| Record::sample(0, offset, &format!("f-{offset}"), "", "{}"));
        let departure =
            |(offset, of): (usize, &u64)| Record::sample(0, offset as u64, "d", &format!("flights/0@{of}"), "{}");
        match check(&flown, &flights, &departures.iter().enumerate().map(departure).collect::<Vec<_>>()) {
            Ok(()) => 0,
            Err(Failure::Broken(places)) => places.len(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_departure_too_many_too_few_or_too_early_is_found() {
        assert_eq!(wrong(&[1, 3]), 0);
        assert_eq!(wrong(&[1]), 1);
        assert_eq!(wrong(&[3, 1]), 1);
        assert_eq!(wrong(&[1, 1, 3]), 1);
        assert_eq!(wrong(&[1, 3, 4]), 1);
        assert_eq!(wrong(&[1, 2, 3]), 1);
    }
}
