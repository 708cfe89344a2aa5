//! The events of the auction house: persons register, open auctions and bid. Made by the crate `nexmark`, the same ones each time.

use std::fmt;

use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
pub use nexmark::event::{Auction, Bid, Person};
use riverrun::{Event, Time};
use serde::Serialize;

/// When the first event happens: 2026-01-01T00:00:00Z.
pub const BEGINNING_MS: u64 = 1_767_225_600_000;
/// The topics they go to.
pub const TOPICS: [&str; 3] = ["persons", "auctions", "bids"];
const SOURCE: &str = "/nexmark";

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many events; of 50, one is a person, three are auctions and the others bids.
    pub events: usize,
    /// How many happen in a second of event time.
    pub events_per_second: usize,
    /// Within groups of so many, events come in another order than they happened; 1 keeps the order.
    pub disorder: usize,
}

/// One event, in the order in which the events are to be published.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Unique among all entries.
    pub id: String,
    /// What happened.
    pub data: Data,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// Somebody registers.
    Person(Person),
    /// Somebody opens an auction.
    Auction(Auction),
    /// Somebody bids.
    Bid(Bid),
}

impl Default for Options {
    /// 100 events in a second, so that a window of ten seconds has a thousand.
    fn default() -> Self {
        Self { events: 10_000, events_per_second: 100, disorder: 1 }
    }
}

/// Makes the events; the same ones for the same options.
pub fn generate(options: Options) -> impl Iterator<Item = Entry> {
    let config = NexmarkConfig {
        base_time: BEGINNING_MS,
        first_rate: options.events_per_second.max(1),
        next_rate: options.events_per_second.max(1),
        out_of_order_group_size: options.disorder.max(1),
        ..NexmarkConfig::default()
    };
    (1..=options.events).zip(EventGenerator::new(config)).map(|(number, event)| Entry {
        id: number.to_string(),
        data: match event {
            nexmark::event::Event::Person(person) => Data::Person(person),
            nexmark::event::Event::Auction(auction) => Data::Auction(auction),
            nexmark::event::Event::Bid(bid) => Data::Bid(bid),
        },
    })
}

impl Entry {
    /// The topic it is for.
    #[must_use]
    pub fn topic(&self) -> &'static str {
        match &self.data {
            Data::Person(_) => "persons",
            Data::Auction(_) => "auctions",
            Data::Bid(_) => "bids",
        }
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Person(_) => "nexmark.person",
            Data::Auction(_) => "nexmark.auction",
            Data::Bid(_) => "nexmark.bid",
        }
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Time {
        let milliseconds = match &self.data {
            Data::Person(person) => person.date_time,
            Data::Auction(auction) => auction.date_time,
            Data::Bid(bid) => bid.date_time,
        };
        Time::from_unix_ms(i64::try_from(milliseconds).unwrap_or(i64::MAX))
    }

    /// As an event to publish.
    #[must_use]
    pub fn event(&self) -> Event<&Data> {
        Event::new(self.kind(), &self.data).with_id(&self.id).with_source(SOURCE).at(self.time())
    }
}

/// A CloudEvent in structured mode.
#[derive(Serialize)]
struct Structured<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    time: String,
    data: &'a Data,
}

/// As a CloudEvent in structured mode, which is a line of NDJSON.
impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Structured {
            specversion: "1.0",
            id: &self.id,
            source: SOURCE,
            r#type: self.kind(),
            time: self.time().to_string(),
            data: &self.data,
        };
        formatter.write_str(&serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}
