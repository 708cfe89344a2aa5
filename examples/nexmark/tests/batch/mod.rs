//! What the queries must give, computed in one go from all events: plain loops over vectors and maps, no code of the product.
//!
//! Times are milliseconds since 1970 throughout. A window is its start and end, as the results show them.

mod closing;
mod joining;
mod windows;

use riverrun_nexmark::events::{Auction, Bid, Data, Entry, Person};
use serde_json::{Value, json};

pub(crate) use closing::{q4, q6};
pub(crate) use joining::{q3, q8};
pub(crate) use windows::{q5, q7, q7_in_time, q11, q12};

/// Every bid, as it is.
pub(crate) fn q0(entries: &[Entry]) -> Vec<Value> {
    bids(entries).map(|bid| serde_json::to_value(bid).unwrap()).collect()
}

/// Every bid, in euro.
pub(crate) fn q1(entries: &[Entry]) -> Vec<Value> {
    let in_euro = |bid: &Bid| {
        let mut data = serde_json::to_value(bid).unwrap();
        data["price"] = json!(bid.price as f64 * 0.908);
        data
    };
    bids(entries).map(in_euro).collect()
}

/// The bids for every 123rd auction.
pub(crate) fn q2(entries: &[Entry]) -> Vec<Value> {
    let selected = bids(entries).filter(|bid| bid.auction % 123 == 0);
    selected.map(|bid| json!({ "auction": bid.auction, "price": bid.price })).collect()
}

fn bids(entries: &[Entry]) -> impl Iterator<Item = &Bid> {
    entries.iter().filter_map(|entry| match &entry.data {
        Data::Bid(bid) => Some(bid),
        _ => None,
    })
}

fn auctions(entries: &[Entry]) -> impl Iterator<Item = &Auction> {
    entries.iter().filter_map(|entry| match &entry.data {
        Data::Auction(auction) => Some(auction),
        _ => None,
    })
}

fn persons(entries: &[Entry]) -> impl Iterator<Item = &Person> {
    entries.iter().filter_map(|entry| match &entry.data {
        Data::Person(person) => Some(person),
        _ => None,
    })
}
