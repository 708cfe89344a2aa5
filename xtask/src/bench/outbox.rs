//! The product's outbox beside Debezium's engine: one PostgreSQL, one broker, in turns.
//!
//! Every side is a program that `riverrun-bare outbox` runs and sees from outside, so all have the same clock. What each side is stands in
//! `sides.rs`, the tables in `tables.rs`.

mod sides;
mod tables;

use std::collections::BTreeMap;

use serde_json::Value;

use super::figures::median;
use super::{Place, Plan, report};
use crate::Failure;
use crate::services::kafka::{self, Broker, Purpose};
use crate::services::postgres::{self, Postgres};
use sides::{Side, Sides};

/// The section of the report.
pub(crate) const SECTION: &str = "Transactional outbox";

/// The figures of one run by their names, or the medians of several.
#[derive(Clone, Debug, Default, PartialEq)]
struct Run(BTreeMap<String, f64>);

/// The medians of a part.
type Medians = Vec<(Side, Run)>;

/// All that was measured.
struct Measured {
    drain: Medians,
    latency: Medians,
    idle: Medians,
    /// Beside a busy relay, and without one.
    writers: [Run; 2],
    steady: Run,
}

/// Measures all parts and writes the section.
pub(super) fn run(plan: &Plan) -> Result<(), Failure> {
    let place = Place::create()?;
    let broker = Broker::start(kafka::Setup::one(Purpose::Rates))?;
    let postgres = Postgres::start(postgres::Setup { logical: true, ..postgres::Setup::default() })?;
    let sides = Sides::build(&place, &broker, &postgres)?;
    let measured = Measured {
        drain: drain(plan, &sides)?,
        latency: latency(plan, &sides)?,
        writers: writers(plan, &sides)?,
        idle: alternate(plan, "idle", &Side::RELAYS, |side, name| sides.measure(side, name, "idle", &[]))?,
        steady: steady(plan, &sides)?,
    };
    let section = tables::render(plan, &measured)?;
    println!("{section}");
    if plan.quick { Ok(()) } else { report::write_section(SECTION, &section) }
}

fn drain(plan: &Plan, sides: &Sides<'_>) -> Result<Medians, Failure> {
    let rows = plan.events(200_000).to_string();
    alternate(plan, "drain", &Side::ALL, |side, name| sides.measure(side, name, "drain", &["--rows", &rows]))
}

fn latency(plan: &Plan, sides: &Sides<'_>) -> Result<Medians, Failure> {
    let (seconds, warm) = if plan.quick { ("5", "5") } else { ("30", "10") };
    let options = ["--rate", "500", "--seconds", seconds, "--warm-seconds", warm];
    alternate(plan, "latency", &Side::RELAYS, |side, name| sides.measure(side, name, "latency", &options))
}

fn writers(plan: &Plan, sides: &Sides<'_>) -> Result<[Run; 2], Failure> {
    println!("\n== writers");
    let options = ["--pairs", if plan.quick { "2" } else { "10" }];
    let busy = sides.measure(Side::Riverrun, "writers-busy", "writers", &options)?.shown("busy relay");
    let alone = sides.measure_alone("writers-alone", "writers", &options)?.shown("no relay");
    Ok([busy, alone])
}

fn steady(plan: &Plan, sides: &Sides<'_>) -> Result<Run, Failure> {
    println!("\n== steady");
    let [seconds, look, skip] = if plan.quick { ["20", "1", "4"] } else { ["300", "10", "60"] };
    let options = ["--rate", "3000", "--seconds", seconds, "--look-seconds", look, "--skip-seconds", skip];
    Ok(sides.measure(Side::Riverrun, "steady", "steady", &options)?.shown("Riverrun"))
}

/// Runs the sides in turns; who begins alternates. `measure` is given a name for the run.
fn alternate(
    plan: &Plan,
    part: &str,
    sides: &[Side],
    measure: impl Fn(Side, &str) -> Result<Run, Failure>,
) -> Result<Medians, Failure> {
    println!("\n== {part}");
    let mut runs: Vec<(Side, Vec<Run>)> = sides.iter().map(|side| (*side, Vec::new())).collect();
    for round in 0..plan.rounds() {
        let mut order = sides.to_vec();
        order.rotate_left(round % sides.len());
        for side in order {
            let run = measure(side, &format!("{part}-{}-{round}", side.short()))?.shown(side.name());
            if let Some((_, runs)) = runs.iter_mut().find(|(of, _)| *of == side) {
                runs.push(run);
            }
        }
    }
    Ok(runs.into_iter().map(|(side, runs)| (side, Run::median(&runs))).collect())
}

/// The medians of a side.
fn of(medians: &Medians, side: Side) -> Result<&Run, Failure> {
    let found = medians.iter().find(|(of, _)| *of == side).map(|(_, run)| run);
    found.ok_or_else(|| format!("{} was not measured", side.name()).into())
}

impl Run {
    /// Reads the line that a program printed; what is no number is left out.
    fn parse(line: &str) -> Result<Self, Failure> {
        let parsed: BTreeMap<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("not a line of figures: {line:?}: {error}"))?;
        Ok(Self(parsed.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect()))
    }

    fn figure(&self, name: &str) -> Result<f64, Failure> {
        self.0.get(name).copied().ok_or_else(|| format!("no {name} among the figures").into())
    }

    fn median(runs: &[Self]) -> Self {
        let names = runs.first().into_iter().flat_map(|run| run.0.keys());
        let of = |name: &String| median(runs.iter().filter_map(|run| run.0.get(name).copied()).collect());
        Self(names.filter_map(|name| Some((name.clone(), of(name)?))).collect())
    }

    fn shown(self, side: &str) -> Self {
        let figures: Vec<String> = self.0.iter().map(|(name, figure)| format!("{name} {figure:.2}")).collect();
        println!("{side:>13}: {}", figures.join(", "));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let run = |rate: u32, p99: u32| {
            Run::parse(&format!(r#"{{"rate":{rate},"p99_ms":{p99},"kinds":["select 1"]}}"#)).unwrap()
        };
        let median = Run::median(&[run(300, 1), run(100, 3), run(200, 2)]);
        assert_eq!((median.figure("rate").unwrap(), median.figure("p99_ms").unwrap()), (200.0, 2.0));
        assert!(median.figure("kinds").is_err());
        assert!(Run::parse("").is_err());
    }
}
