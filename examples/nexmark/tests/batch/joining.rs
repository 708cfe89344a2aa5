//! Queries 3 and 8: who sells what.

use std::collections::{HashMap, HashSet};

use riverrun_nexmark::events::{Entry, Person};
use serde_json::{Value, json};

use super::{auctions, persons};

/// Sellers from Oregon, Idaho and California with what they sell in category 10.
pub(crate) fn q3(entries: &[Entry]) -> Vec<Value> {
    let sellers: HashMap<usize, &Person> = persons(entries).map(|person| (person.id, person)).collect();
    let sold = auctions(entries).filter(|auction| auction.category == 10);
    let known = sold.filter_map(|auction| Some((auction, *sellers.get(&auction.seller)?)));
    let near = known.filter(|(_, seller)| ["or", "id", "ca"].contains(&seller.state.as_str()));
    near.map(|(auction, seller)| {
        json!({ "auction": auction.id, "name": seller.name, "city": seller.city, "state": seller.state })
    })
    .collect()
}

/// Whoever opened an auction in the ten seconds, counted from the full minute, in which they registered.
pub(crate) fn q8(entries: &[Entry]) -> Vec<Value> {
    let opened: HashSet<(usize, u64)> =
        auctions(entries).map(|auction| (auction.seller, auction.date_time / 10_000)).collect();
    let new_sellers = persons(entries).filter(|person| opened.contains(&(person.id, person.date_time / 10_000)));
    new_sellers.map(|person| json!({ "person": person.id, "name": person.name })).collect()
}
