//! What the flights pipeline does to one event, written by hand: filter, four lookups as of the event's time, speed, three fields removed.

use std::fmt::{self, Write};

use riverrun_bare::Outcome;
use riverrun_bare::flights::{Models, Versions};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::Record;

/// Fields that the pipeline removes.
const REMOVED: [&str; 3] = ["year", "month", "day"];

/// The members of a JSON object in order, the values as received.
pub(crate) struct Members<'a>(pub(crate) Vec<(&'a str, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The text of a member, `null` where there is none.
    pub(crate) fn get(&self, name: &str) -> &'a str {
        self.0.iter().find(|(known, _)| *known == name).map_or("null", |(_, value)| value.get())
    }

    fn text(&self, name: &str) -> &'a str {
        self.get(name).trim_matches('"')
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(24);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The data and attributes of an output; kept between events for their memory.
#[derive(Default)]
pub(crate) struct Output {
    /// The enriched data.
    pub(crate) data: String,
    /// `rrcause`, `rrsnapshot` and the causation attributes.
    pub(crate) attributes: String,
}

/// Enriches `input`, read at `position`, into `output`; false when the filter drops it.
pub(crate) fn enrich(input: &Record<'_>, position: &str, models: &Models, output: &mut Output) -> Outcome<bool> {
    let members: Members<'_> = serde_json::from_slice(input.data)?;
    if members.get("dep_time") == "null" {
        return Ok(false);
    }
    output.data.clear();
    output.attributes.clear();
    let id = std::str::from_utf8(input.id)?;
    let source = std::str::from_utf8(input.source)?;
    write!(
        output.attributes,
        "rrcause={position}\0causationid={id}\0causationsource={source}\0correlationid={id}\0rrsnapshot="
    )?;
    output.data.push('{');
    for (name, value) in members.0.iter().filter(|(name, _)| !REMOVED.contains(name)) {
        write!(output.data, "\"{name}\":{},", value.get())?;
    }
    output.data.push_str("\"snapshot\":{");
    let lookups = [
        ("plane", &models.planes, "tailnum"),
        ("airline", &models.airlines, "carrier"),
        ("weather", &models.weather, "origin"),
        ("airport", &models.airports, "dest"),
    ];
    for (index, (model, versions, key)) in lookups.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write_version(output, comma, model, version_at(versions, members.text(key), input.time))?;
    }
    write_speed(output, &members)?;
    Ok(true)
}

/// The newest version of `entity` with a time not after `time`.
fn version_at<'a>(versions: &'a Versions, entity: &str, time: i64) -> Option<&'a (String, String)> {
    versions.get(entity)?.range(..=time).next_back().map(|(_, version)| version)
}

fn write_version(output: &mut Output, comma: &str, model: &str, version: Option<&(String, String)>) -> fmt::Result {
    let (position, data) = version.map_or(("-", "null"), |(position, data)| (position, data));
    write!(output.data, "{comma}\"{model}\":{data}")?;
    write!(output.attributes, "{comma}{model}={position}")
}

/// Kilometres an hour; null where the time in the air is unknown.
fn write_speed(output: &mut Output, members: &Members<'_>) -> Outcome<()> {
    let air_time = members.get("air_time");
    if air_time == "null" {
        output.data.push_str("},\"speed_kmh\":null}");
    } else {
        let speed = members.get("distance").parse::<f64>()? * 1.609_344 / (air_time.parse::<f64>()? / 60.0);
        write!(output.data, "}},\"speed_kmh\":{speed}}}")?;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    fn check(data: &str, time: i64, expected: Option<&str>) {
        let version = |time, data: &str| (time, ("w/0@1".to_owned(), data.to_owned()));
        let weather = HashMap::from([("EWR".to_owned(), BTreeMap::from([version(10, "1"), version(20, "2")]))]);
        let none = HashMap::new;
        let models = Models { planes: none(), airlines: none(), weather, airports: none() };
        let input =
            Record { id: b"1", source: b"/s", kind: b"t", key: b"k", time, attributes: b"", data: data.as_bytes() };
        let mut output = Output::default();
        let passed = enrich(&input, "flights/0@1", &models, &mut output).unwrap();
        assert_eq!(passed.then_some(output.data.as_str()), expected);
    }

    #[test]
    fn a_flight_is_enriched_as_of_its_time() {
        check(r#"{"dep_time":null}"#, 10, None);
        check(
            r#"{"year":1,"dep_time":5,"origin":"EWR","air_time":60,"distance":100}"#,
            19,
            Some(
                r#"{"dep_time":5,"origin":"EWR","air_time":60,"distance":100,"snapshot":{"plane":null,"airline":null,"weather":1,"airport":null},"speed_kmh":160.9344}"#,
            ),
        );
        check(
            r#"{"dep_time":5,"origin":"EWR","air_time":null}"#,
            20,
            Some(
                r#"{"dep_time":5,"origin":"EWR","air_time":null,"snapshot":{"plane":null,"airline":null,"weather":2,"airport":null},"speed_kmh":null}"#,
            ),
        );
    }
}
