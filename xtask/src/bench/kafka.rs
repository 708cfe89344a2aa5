//! The product beside Kafka Streams and the bare loop: one broker, the same topics, in turns.
//!
//! Every side is a program that `riverrun-bare kafka measure` runs and follows from outside, so all have the same clock, and a side that
//! writes something else than the others is found out. What each side is stands in `sides.rs`, the tables in `tables.rs`.

mod sides;
mod tables;

use std::process::Command;

use serde_json::Value;

use super::figures::{Figures, median};
use super::{BARE, Place, Plan, in_process, report};
use crate::services::kafka::{Broker, Purpose, Setup};
use crate::{Failure, process, tree};
use sides::{Side, Sides};

/// The section of the report.
pub(crate) const SECTION: &str = "Apache Kafka";

/// What is done to the flights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Snapshot,
    Count,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Count => "count",
        }
    }
}

/// One run of a side, or the medians of several.
#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    figures: Figures,
    first_output_ms: f64,
    /// What the output holds: how many records, and the sum of their hashes.
    outputs: u64,
    digest: String,
}

/// The medians of all sides.
struct Medians {
    part: Part,
    product: Run,
    streams: Run,
    bare: Run,
}

/// Measures both parts and writes the section.
pub(super) fn run(plan: &Plan) -> Result<(), Failure> {
    let place = Place::create()?;
    let sides = Sides::build(&place)?;
    let broker = Broker::start(Setup::one(Purpose::Rates))?;
    load(plan, broker.address())?;
    let mut parts = Vec::new();
    for part in [Part::Snapshot, Part::Count] {
        parts.push(alternate(plan, part, &sides, &broker)?);
    }
    let section = tables::render(plan, &parts);
    println!("{section}");
    if plan.quick {
        return Ok(());
    }
    report::write_section(SECTION, &section)
}

/// Fills the topics that all sides read.
fn load(plan: &Plan, brokers: &str) -> Result<(), Failure> {
    let mut command = Command::new(tree::release_program(BARE));
    command.args(["kafka", "load", "--brokers", brokers, "--events", &plan.events(1_000_000).to_string()]);
    command.arg("--flights").arg(in_process::flights());
    process::run(command)
}

/// Runs all sides in turns; who begins alternates.
fn alternate(plan: &Plan, part: Part, sides: &Sides<'_>, broker: &Broker) -> Result<Medians, Failure> {
    println!("\n== {} on Kafka", part.name());
    let mut runs: [Vec<Run>; 3] = Default::default();
    for round in 0..plan.rounds() {
        let mut order = Side::ALL;
        order.rotate_left(round % Side::ALL.len());
        for side in order {
            broker.check_running()?;
            let run = sides.measure(side, part, round, broker.address())?;
            println!(
                "{:>13}: {:>8.0} events/s, {:.2} CPU s per million, {:.0} MB, first output after {:.0} ms, {} outputs",
                side.name(),
                run.figures.events_per_second,
                run.figures.cpu_seconds_per_million,
                run.figures.peak_memory_mb,
                run.first_output_ms,
                run.outputs
            );
            if let Some(runs) = runs.get_mut(side as usize) {
                runs.push(run);
            }
        }
    }
    let [product, streams, bare] = runs;
    agree(part, &product, &streams, &bare)?;
    Ok(Medians { part, product: Run::median(&product), streams: Run::median(&streams), bare: Run::median(&bare) })
}

/// Refuses figures of sides that did not do the same.
fn agree(part: Part, product: &[Run], streams: &[Run], bare: &[Run]) -> Result<(), Failure> {
    // Kafka Streams writes windows that are over once a second, so what was over in the last one is missing.
    let exact = if part == Part::Count { product.iter().chain(bare).collect() } else { all(product, streams, bare) };
    let digests: Vec<(u64, &str)> = exact.iter().map(|run| (run.outputs, run.digest.as_str())).collect();
    if digests.windows(2).any(|pair| matches!(pair, [one, other] if one != other)) {
        return Err(format!("the sides of {} wrote different outputs: {digests:?}", part.name()).into());
    }
    Ok(())
}

fn all<'r>(product: &'r [Run], streams: &'r [Run], bare: &'r [Run]) -> Vec<&'r Run> {
    product.iter().chain(streams).chain(bare).collect()
}

impl Run {
    /// Reads the line that `measure` printed.
    fn parse(line: &str) -> Result<Self, Failure> {
        let parsed: Value =
            serde_json::from_str(line).map_err(|error| format!("not a line of figures: {line:?}: {error}"))?;
        let missing = |name: &str| format!("no {name} in {line}");
        Ok(Self {
            figures: Figures::parse(line)?,
            first_output_ms: parsed
                .get("first_output_ms")
                .and_then(Value::as_f64)
                .ok_or_else(|| missing("first_output_ms"))?,
            outputs: parsed.get("outputs").and_then(Value::as_u64).ok_or_else(|| missing("outputs"))?,
            digest: parsed.get("digest").and_then(Value::as_str).ok_or_else(|| missing("digest"))?.to_owned(),
        })
    }

    fn median(runs: &[Self]) -> Self {
        let figures: Vec<Figures> = runs.iter().map(|run| run.figures).collect();
        let first_output_ms = median(runs.iter().map(|run| run.first_output_ms).collect()).unwrap_or_default();
        let (outputs, digest) = runs.first().map(|run| (run.outputs, run.digest.clone())).unwrap_or_default();
        Self { figures: Figures::median(&figures), first_output_ms, outputs, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_that_write_something_else_are_found_out() {
        let run = |outputs, digest: &str| Run { outputs, digest: digest.to_owned(), ..Run::default() };
        let (same, other) = ([run(1, "a")], [run(1, "b")]);
        assert!(agree(Part::Snapshot, &same, &same, &same).is_ok());
        assert!(agree(Part::Snapshot, &same, &other, &same).is_err());
        assert!(agree(Part::Count, &same, &other, &same).is_ok());
        assert!(agree(Part::Count, &same, &same, &other).is_err());
    }

    #[test]
    fn a_line_is_read() {
        let line = r#"{"events_per_second":2,"cpu_seconds_per_million":1.5,"peak_rss_mb":80,"first_output_ms":7,"outputs":3,"digest":"ff"}"#;
        let run = Run::parse(line).unwrap();
        assert_eq!((run.first_output_ms, run.outputs, run.digest.as_str()), (7.0, 3, "ff"));
        assert!(Run::parse("{}").is_err());
    }
}
