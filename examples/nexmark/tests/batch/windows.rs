//! Queries 5, 7, 11 and 12: what happened in windows of time.

use std::collections::BTreeMap;

use riverrun_nexmark::events::{Bid, Data, Entry};
use serde_json::{Value, json};

use super::bids;
use crate::harness::accepted_ms;

const WINDOW_MS: u64 = 10_000;
const HOP_MS: u64 = 2_000;
const GAP_MS: u64 = 10_000;
const GRACE_MS: u64 = 1_000;

/// Of each ten seconds, every two seconds: the auctions with the most bids.
pub(crate) fn q5(entries: &[Entry]) -> Vec<Value> {
    let mut counts: BTreeMap<u64, BTreeMap<usize, u64>> = BTreeMap::new();
    for bid in bids(entries) {
        // The windows that hold the bid begin at the last WINDOW_MS / HOP_MS multiples of HOP_MS.
        let newest = bid.date_time / HOP_MS * HOP_MS;
        for start in (0..WINDOW_MS / HOP_MS).map(|hops| newest - hops * HOP_MS) {
            *counts.entry(start).or_default().entry(bid.auction).or_default() += 1;
        }
    }
    let hottest = |(start, counts): (u64, BTreeMap<usize, u64>)| {
        let most = counts.values().copied().max().unwrap();
        let hot: Vec<String> =
            counts.into_iter().filter(|(_, count)| *count == most).map(|(auction, _)| auction.to_string()).collect();
        json!({ "window": window(start, start + WINDOW_MS), "bids": most, "auctions": hot })
    };
    counts.into_iter().map(hottest).collect()
}

/// Of each ten seconds the highest bid, the one that came first among equals.
pub(crate) fn q7(entries: &[Entry]) -> Vec<Value> {
    highest(bids(entries))
}

/// As [`q7`], for one who closes windows a second after they ended, by the newest bid so far: what comes too late for that is not
/// in the results, but in the second list.
pub(crate) fn q7_in_time(entries: &[Entry]) -> (Vec<Value>, Vec<Value>) {
    let mut newest = 0;
    let (in_time, late): (Vec<&Bid>, Vec<&Bid>) = bids(entries).partition(|bid| {
        newest = bid.date_time.max(newest);
        newest < bid.date_time / WINDOW_MS * WINDOW_MS + WINDOW_MS + GRACE_MS
    });
    let late = late.into_iter().map(|bid| serde_json::to_value(bid).unwrap()).collect();
    (highest(in_time.into_iter()), late)
}

fn highest<'b>(bids: impl Iterator<Item = &'b Bid>) -> Vec<Value> {
    let mut highest: BTreeMap<u64, &Bid> = BTreeMap::new();
    for bid in bids {
        let best = highest.entry(bid.date_time / WINDOW_MS * WINDOW_MS).or_insert(bid);
        if bid.price > best.price {
            *best = bid;
        }
    }
    let shown = |(start, bid): (u64, &Bid)| json!({ "window": window(start, start + WINDOW_MS), "auction": bid.auction, "bidder": bid.bidder, "price": bid.price });
    highest.into_iter().map(shown).collect()
}

/// The bids of each bidder in sessions: a bid ten seconds or more after the one before begins a new one.
pub(crate) fn q11(entries: &[Entry]) -> Vec<Value> {
    let mut times: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for bid in bids(entries) {
        times.entry(bid.bidder).or_default().push(bid.date_time);
    }
    let mut sessions = Vec::new();
    for (bidder, mut times) in times {
        times.sort_unstable();
        let ended = |pair: &[u64]| pair[1] - pair[0] >= GAP_MS;
        for session in times.chunk_by(|before, after| !ended(&[*before, *after])) {
            let (first, last) = (session[0], session[session.len() - 1]);
            sessions.push(
                json!({ "window": window(first, last + GAP_MS), "bidder": bidder.to_string(), "bids": session.len() }),
            );
        }
    }
    sessions
}

/// The bids of each bidder in each ten seconds of the clock of whoever accepted them.
pub(crate) fn q12(entries: &[Entry]) -> Vec<Value> {
    let mut counts: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for (index, entry) in (0..).zip(entries) {
        if let Data::Bid(bid) = &entry.data {
            *counts.entry((accepted_ms(index) / WINDOW_MS * WINDOW_MS, bid.bidder)).or_default() += 1;
        }
    }
    let shown = |((start, bidder), count): ((u64, usize), u64)| json!({ "window": window(start, start + WINDOW_MS), "bidder": bidder.to_string(), "bids": count });
    counts.into_iter().map(shown).collect()
}

fn window(start_ms: u64, end_ms: u64) -> Value {
    json!({ "start": start_ms, "end": end_ms })
}
