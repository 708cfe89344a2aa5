//! Each query gives what a batch computation gives over the same events.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by failing")]

mod batch;
mod harness;

use harness::{Result, check};
use serde_json::Value;

/// The data of every result.
fn data(results: Vec<Result>) -> Vec<Value> {
    results.into_iter().map(|result| result.data).collect()
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
