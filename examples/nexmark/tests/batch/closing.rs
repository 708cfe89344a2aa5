//! Queries 4 and 6: what auctions closed at.

use std::collections::BTreeMap;

use riverrun_nexmark::events::{Auction, Bid, Entry};
use serde_json::{Value, json};

use super::{auctions, bids};

/// Every auction somebody won, with the highest bid: made while it was open, at the reserve or above, the first among equals.
fn closed_auctions(entries: &[Entry]) -> Vec<(&Auction, &Bid)> {
    let mut of_auction: BTreeMap<usize, Vec<&Bid>> = BTreeMap::new();
    for bid in bids(entries) {
        of_auction.entry(bid.auction).or_default().push(bid);
    }
    let mut closed = Vec::new();
    for auction in auctions(entries) {
        let mut winner: Option<&Bid> = None;
        for bid in of_auction.get(&auction.id).into_iter().flatten() {
            let counts = (auction.date_time..auction.expires).contains(&bid.date_time) && bid.price >= auction.reserve;
            if counts && winner.is_none_or(|winner| bid.price > winner.price) {
                winner = Some(bid);
            }
        }
        closed.extend(winner.map(|winner| (auction, winner)));
    }
    closed
}

/// Per category: how many auctions were won, and at what price on average.
pub(crate) fn q4(entries: &[Entry]) -> Vec<Value> {
    let mut prices: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (auction, bid) in closed_auctions(entries) {
        prices.entry(auction.category).or_default().push(bid.price);
    }
    let shown = |(category, prices): (usize, Vec<usize>)| json!({ "category": category.to_string(), "auctions": prices.len(), "price": average(&prices) });
    prices.into_iter().map(shown).collect()
}

/// Per seller: the average price of the last ten auctions that were won, by the times they closed.
pub(crate) fn q6(entries: &[Entry]) -> Vec<Value> {
    let mut closed: BTreeMap<usize, Vec<(u64, usize, usize)>> = BTreeMap::new();
    for (auction, bid) in closed_auctions(entries) {
        closed.entry(auction.seller).or_default().push((auction.expires, auction.id, bid.price));
    }
    let shown = |(seller, mut closed): (usize, Vec<(u64, usize, usize)>)| {
        closed.sort_unstable();
        let last: Vec<usize> = closed.iter().rev().take(10).map(|(_, _, price)| *price).collect();
        json!({ "seller": seller, "price": average(&last) })
    };
    closed.into_iter().map(shown).collect()
}

/// The sum of whole numbers is exact, so the order does not matter.
fn average(prices: &[usize]) -> f64 {
    prices.iter().sum::<usize>() as f64 / prices.len() as f64
}
