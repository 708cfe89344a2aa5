//! Each query gives what a batch computation gives over the same events.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by failing")]

mod batch;
mod harness;

use std::collections::HashMap;

use harness::{Result, check, closing, compare, run};
use riverrun_nexmark::events::{Entry, Options, generate};
use riverrun_nexmark::running;
use serde_json::Value;

/// The data of every result.
fn data(results: Vec<Result>) -> Vec<Value> {
    results.into_iter().map(|result| result.data).collect()
}

/// The data of the last result of each key.
fn last_data(results: Vec<Result>) -> Vec<Value> {
    let last = results.into_iter().map(|result| (result.key().cloned(), result.data));
    last.collect::<HashMap<_, _>>().into_values().collect()
}

#[test]
fn q0_passes_every_bid_on() {
    check("q0", batch::q0, data);
}

#[test]
fn q1_converts_prices() {
    check("q1", batch::q1, data);
}

#[test]
fn q2_selects_auctions() {
    check("q2", batch::q2, data);
}

#[test]
fn q3_joins_sellers_with_what_they_sell() {
    check("q3", batch::q3, data);
}

#[test]
fn q4_averages_closing_prices_by_category() {
    check("q4", batch::q4, last_data);
}

#[test]
fn q5_finds_the_auctions_with_the_most_bids() {
    check("q5", batch::q5, sorted_auctions);
}

/// Auctions with as many bids are in the order in which their partitions had counted them.
fn sorted_auctions(results: Vec<Result>) -> Vec<Value> {
    let mut results = data(results);
    for result in &mut results {
        result["auctions"].as_array_mut().unwrap().sort_by_key(|auction| auction.to_string());
    }
    results
}

#[test]
fn q6_averages_the_last_ten_closing_prices_by_seller() {
    check("q6", batch::q6, last_data);
}

#[test]
fn q7_finds_the_highest_bid() {
    check("q7", batch::q7, data);
}

#[test]
fn q7_gives_what_came_too_late_to_its_place() {
    let entries: Vec<Entry> = generate(Options { disorder: 400, ..Options::default() }).collect();
    let (expected, late) = batch::q7_in_time(&entries);
    assert!(late.len() > 10 && late.len() < entries.len() / 2, "{} of these are late", late.len());
    let ran = run("q7", &entries, 83);
    compare("q7", expected, data(ran.results));
    compare("q7-late", late, data(ran.late));
}

#[test]
fn q8_finds_who_sells_at_once() {
    check("q8", batch::q8, data);
}

#[test]
fn q11_counts_bids_in_sessions() {
    check("q11", batch::q11, data);
}

#[test]
fn q12_counts_bids_by_the_clock_of_whoever_accepted_them() {
    check("q12", batch::q12, data);
}

/// A server reads from two topics what has gathered there, and works on all partitions at once. The auctions and the bids for them still
/// come in the order of their times, so that every auction is closed with the bids it got.
#[tokio::test(flavor = "multi_thread")]
async fn q4_gives_the_same_on_a_server() {
    let entries: Vec<Entry> = generate(Options::default()).collect();
    let published = entries.iter().cloned().chain(closing(&entries, 1));
    let mut lines = Vec::new();
    running::run("q4", published, &mut lines).await.unwrap();
    let events = std::str::from_utf8(&lines).unwrap().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let last: HashMap<String, Value> =
        events.map(|event| (event["partitionkey"].to_string(), event["data"].clone())).collect();
    compare("q4", batch::q4(&entries), last.into_values().collect());
}
