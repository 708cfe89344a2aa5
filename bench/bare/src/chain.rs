//! The limit of a stateless pipeline: five closures in a plain loop over decoded events, as the log gives them out.
//!
//! Each event's data is parsed once, goes through filter, set, map, rename and filter, and is written once, with the lineage
//! that an output carries. Outputs are kept for as long as a commit would keep them.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::PathBuf;

use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_bare::flights::{Flight, load_flights};
use serde_json::json;

use crate::enrich::Members;

/// Outputs that are kept before they are let go.
const BATCH: usize = 1_000;

/// What is processed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many events; the flights are repeated
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Taken as the other parts take it; nothing is kept
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// An event that left the loop.
#[expect(dead_code, reason = "whoever would write it reads it")]
struct Output {
    id: String,
    kind: String,
    key: String,
    time: i64,
    attributes: String,
    data: String,
}

/// The members of an event's data between two closures.
type Fields<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Processes all and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let flights = load_flights(&arguments.flights)?;
    let mut outputs = Vec::with_capacity(BATCH);
    let mut emitted = 0_u64;
    let measurement = Measurement::begin()?;
    for (number, flight) in (0..arguments.events).zip(flights.iter().cycle()) {
        if let Some(data) = chain(&flight.data)? {
            outputs.push(output(flight, &format!("flights/0@{number}"), data));
            emitted += 1;
        }
        if outputs.len() == BATCH {
            std::hint::black_box(&outputs);
            outputs.clear();
        }
    }
    measurement.report(("limit", "chain"), arguments.events, measurement.elapsed(), &[("emitted", json!(emitted))])
}

/// The five closures; none where a filter drops the event.
fn chain(data: &str) -> Outcome<Option<String>> {
    let flew = |members: &Members<'_>| members.get("air_time") != "null" && members.get("arr_delay") != "null";
    let with_speed = |members: &Members<'_>| -> Outcome<f64> {
        Ok(members.get("distance").parse::<f64>()? * 1.609_344 / (members.get("air_time").parse::<f64>()? / 60.0))
    };
    let late = |fields: &Fields<'_>| -> Outcome<bool> {
        let minutes = fields.iter().find(|(name, _)| *name == "minutes_late");
        Ok(minutes.map_or("0", |(_, value)| value).parse::<f64>()? > 0.0)
    };
    let members: Members<'_> = serde_json::from_slice(data.as_bytes())?;
    if !flew(&members) {
        return Ok(None);
    }
    let mut fields: Fields<'_> = ["carrier", "flight", "tailnum", "origin", "dest", "arr_delay"]
        .map(|name| (name, Cow::Borrowed(members.get(name))))
        .into();
    fields.push(("speed_kmh", Cow::Owned(with_speed(&members)?.to_string())));
    if let Some(place) = fields.iter().position(|(name, _)| *name == "arr_delay") {
        let (_, value) = fields.remove(place);
        fields.push(("minutes_late", value));
    }
    if late(&fields)? { written(&fields).map(Some) } else { Ok(None) }
}

fn written(fields: &Fields<'_>) -> Outcome<String> {
    let mut data = String::with_capacity(192);
    for (name, value) in fields {
        let before = if data.is_empty() { '{' } else { ',' };
        write!(data, "{before}\"{name}\":{value}")?;
    }
    data.push('}');
    Ok(data)
}

fn output(flight: &Flight, position: &str, data: String) -> Output {
    let Flight { id, source, .. } = flight;
    let attributes = format!("rrcause={position}\0causationid={id}\0causationsource={source}\0correlationid={id}");
    let id = format!("{position}/to.0");
    Output { id, kind: flight.kind.clone(), key: flight.key.clone(), time: flight.time, attributes, data }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn check(data: &str, expected: Option<&str>) {
        assert_eq!(chain(data).unwrap().as_deref(), expected, "{data}");
    }

    #[test]
    fn flights_that_came_late_leave_with_their_speed() {
        let data = |air_time: &str, delay: i32| {
            format!(
                r#"{{"carrier":"UA","flight":1,"tailnum":"N1","origin":"EWR","dest":"IAH","arr_delay":{delay},"air_time":{air_time},"distance":100}}"#
            )
        };
        check(&data("null", 5), None);
        check(&data("60", -5), None);
        check(
            &data("60", 5),
            Some(
                r#"{"carrier":"UA","flight":1,"tailnum":"N1","origin":"EWR","dest":"IAH","speed_kmh":160.9344,"minutes_late":5}"#,
            ),
        );
    }
}
