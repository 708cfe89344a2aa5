//! Query 8: who sells what.

use std::collections::HashSet;

use riverrun_nexmark::events::Entry;
use serde_json::{Value, json};

use super::{auctions, persons};

/// Whoever opened an auction in the ten seconds, counted from the full minute, in which they registered.
pub(crate) fn q8(entries: &[Entry]) -> Vec<Value> {
    let opened: HashSet<(usize, u64)> =
        auctions(entries).map(|auction| (auction.seller, auction.date_time / 10_000)).collect();
    let new_sellers = persons(entries).filter(|person| opened.contains(&(person.id, person.date_time / 10_000)));
    new_sellers.map(|person| json!({ "person": person.id, "name": person.name })).collect()
}
