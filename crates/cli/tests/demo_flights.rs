//! `riverrun demo flights`, recounted from the data by a program that shares nothing with it: how many depart, and that each
//! carries the plane, the airline, the airport and the weather of its hour.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod binary;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use binary::Place;
use flate2::read::GzDecoder;
use serde_json::Value;

fn table(name: &str) -> Vec<Value> {
    let path = format!("{}/../../examples/flights/data/{name}.ndjson.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The latest data per key; in these tables every key is there once.
fn by_key(table: &[Value], key: &str) -> HashMap<String, Value> {
    table.iter().map(|event| (event["data"][key].as_str().unwrap().to_owned(), event["data"].clone())).collect()
}

/// The world as the data files tell it.
struct World {
    planes: HashMap<String, Value>,
    airlines: HashMap<String, Value>,
    airports: HashMap<String, Value>,
    /// Per origin, by time. The times are all UTC in one notation, so they sort as text.
    weather: HashMap<String, BTreeMap<String, Value>>,
}

impl World {
    fn read() -> Self {
        let mut weather = HashMap::<String, BTreeMap<String, Value>>::new();
        for event in table("weather") {
            let (origin, time) = (event["data"]["origin"].as_str().unwrap(), event["time"].as_str().unwrap());
            weather.entry(origin.to_owned()).or_default().insert(time.to_owned(), event["data"].clone());
        }
        Self {
            planes: by_key(&table("planes"), "tailnum"),
            airlines: by_key(&table("airlines"), "carrier"),
            airports: by_key(&table("airports"), "faa"),
            weather,
        }
    }

    /// What the snapshot of a flight has to be; null where the world does not know.
    fn snapshot(&self, flight: &Value) -> [(&'static str, Value); 4] {
        let data = &flight["data"];
        let look_up = |table: &HashMap<String, Value>, key: &str| {
            data[key].as_str().and_then(|key| table.get(key)).cloned().unwrap_or(Value::Null)
        };
        let time = flight["time"].as_str().unwrap().to_owned();
        let hours = data["origin"].as_str().and_then(|origin| self.weather.get(origin));
        let weather = hours.and_then(|hours| hours.range(..=time).next_back()).map(|(_, weather)| weather.clone());
        [
            ("plane", look_up(&self.planes, "tailnum")),
            ("airline", look_up(&self.airlines, "carrier")),
            ("airport", look_up(&self.airports, "dest")),
            ("weather", weather.unwrap_or(Value::Null)),
        ]
    }
}

#[test]
fn every_departure_carries_the_world_of_its_hour() {
    let place = Place::new();
    let mut demo = place.start(&["demo", "flights", "--keep"]);
    demo.out_line_with("27,004 flights in");
    demo.out_line_with("26,483 departures out");
    demo.out_line_with("521 dropped");
    demo.out_line_with("0 dead letters");
    let line = demo.out_line_with("still running at");
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches(';');

    let out = place.succeed(&["--url", url, "tail", "departures", "--from", "beginning"]);
    let departures: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let letters = place.succeed(&["--url", url, "dead-letters", "list"]);
    assert_eq!(letters.trim(), "no dead letters");
    recount(&departures);
    assert_eq!(demo.terminate(), 0);
}

fn recount(departures: &[Value]) {
    let flights = table("flights");
    assert_eq!(flights.len(), 27_004);
    let departed: HashMap<&str, &Value> = flights
        .iter()
        .filter(|flight| !flight["data"]["dep_time"].is_null())
        .map(|flight| (flight["id"].as_str().unwrap(), flight))
        .collect();
    assert_eq!(departed.len(), 26_483);
    assert_eq!(departures.len(), departed.len());

    let world = World::read();
    let mut diverted = 0;
    let mut seen = std::collections::HashSet::new();
    for departure in departures {
        let cause = departure["causationid"].as_str().unwrap();
        assert!(seen.insert(cause), "{cause} departed twice");
        let flight = departed[cause];
        check(departure, flight, &world);
        diverted += usize::from(flight["data"]["air_time"].is_null());
    }
    assert_eq!(diverted, 85, "diverted flights have no air time and are departures all the same");
}

fn check(departure: &Value, flight: &Value, world: &World) {
    let id = &flight["id"];
    assert_eq!(departure["time"], flight["time"], "{id}");
    let mut expected = flight["data"].as_object().unwrap().clone();
    ["year", "month", "day"].iter().for_each(|field| drop(expected.remove(*field)));
    let mut data = departure["data"].as_object().unwrap().clone();

    let snapshot = data.remove("snapshot").unwrap();
    for (model, state) in world.snapshot(flight) {
        // What is not known may be null or not be there.
        assert_eq!(snapshot.get(model).unwrap_or(&Value::Null), &state, "{model} of {id}");
    }
    let speed = data.remove("speed_kmh").unwrap();
    match flight["data"]["air_time"].as_f64() {
        None => assert!(speed.is_null(), "{id}"),
        Some(minutes) => {
            let kmh = flight["data"]["distance"].as_f64().unwrap() * 1.609_344 / (minutes / 60.0);
            assert!((speed.as_f64().unwrap() - kmh).abs() < 1e-6, "{id}: {speed} for {kmh}");
        }
    }
    assert_eq!(Value::from(data), Value::from(expected), "{id}");
}
