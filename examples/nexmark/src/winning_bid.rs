//! The transformer `winning-bid` of queries 4 and 6: what an auction closes at.
//!
//! Takes the events of auctions and bids, both keyed by the auction. A bid counts when it was made while the auction was open
//! (not at the moment it expires), at the reserve or above; of several equal ones the first. The auction is given with its
//! winner once it is over, and nothing is kept of it then.

use std::time::Duration;

use riverrun::topology::{Clock, TransformerTimer};
use riverrun::{Error, Event, Outputs, Time, Transform};
use serde::{Deserialize, Serialize};

/// How much later than others an event may come: an auction is closed so long after it expired, and bids wait so long for their
/// auction.
const GRACE: Duration = Duration::from_secs(1);

/// Finds the winners of auctions.
pub struct WinningBid;

/// An event of the one or the other topic.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Happened {
    /// An auction begins.
    Auction(Auction),
    /// Somebody bids.
    Bid(Bid),
}

/// What counts of an auction.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Auction {
    id: usize,
    seller: usize,
    category: usize,
    reserve: usize,
    date_time: u64,
    expires: u64,
}

/// What counts of a bid.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Bid {
    price: usize,
    date_time: u64,
}

/// An auction that somebody won.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Closed {
    /// The auction.
    pub auction: usize,
    /// Whose it was.
    pub seller: usize,
    /// What was sold.
    pub category: usize,
    /// At what price.
    pub price: usize,
    /// When the auction was over.
    pub expires: u64,
}

/// What is known of an auction that is open.
#[derive(Default, Deserialize, Serialize)]
pub struct Lot {
    auction: Option<Auction>,
    /// The highest bid so far.
    highest: Option<usize>,
    /// Bids that came before their auction.
    early: Vec<Bid>,
}

impl Transform for WinningBid {
    type Input = Happened;
    type Output = Closed;
    type State = Lot;

    fn transform(&self, event: Event<Happened>, lot: &mut Lot, out: &mut Outputs<Closed>) -> Result<(), Error> {
        match event.data {
            Happened::Auction(auction) => {
                out.set_timer(Clock::Event, auction.closes());
                lot.open(auction);
            }
            Happened::Bid(bid) => {
                if lot.auction.is_none() {
                    out.set_timer(Clock::Event, bid.expires());
                }
                lot.take(bid);
            }
        }
        Ok(())
    }

    fn timer(&self, timer: &TransformerTimer, lot: &mut Lot, out: &mut Outputs<Closed>) -> Result<(), Error> {
        lot.early.retain(|bid| bid.expires() > timer.time);
        if lot.auction.as_ref().is_some_and(|auction| auction.closes() <= timer.time)
            && let Some(closed) = std::mem::take(lot).closed()
        {
            out.emit_as("nexmark.closed", &closed);
        }
        Ok(())
    }
}

impl Auction {
    fn closes(&self) -> Time {
        at(self.expires).plus(GRACE)
    }
}

impl Bid {
    /// Until when it waits for its auction.
    fn expires(&self) -> Time {
        at(self.date_time).plus(GRACE)
    }
}

impl Lot {
    fn open(&mut self, auction: Auction) {
        self.auction = Some(auction);
        for bid in std::mem::take(&mut self.early) {
            self.take(bid);
        }
    }

    fn take(&mut self, bid: Bid) {
        let Some(auction) = &self.auction else {
            self.early.push(bid);
            return;
        };
        let counts = (auction.date_time..auction.expires).contains(&bid.date_time) && bid.price >= auction.reserve;
        if counts && self.highest.is_none_or(|highest| bid.price > highest) {
            self.highest = Some(bid.price);
        }
    }

    fn closed(self) -> Option<Closed> {
        let Auction { id, seller, category, expires, .. } = self.auction?;
        Some(Closed { auction: id, seller, category, price: self.highest?, expires })
    }
}

fn at(milliseconds: u64) -> Time {
    Time::from_unix_ms(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}
