//! The transformer `last-ten` of query 6: the average of the last ten closing prices of a seller.

use riverrun::{Error, Event, Outputs, Transform};
use serde::{Deserialize, Serialize};

use crate::winning_bid::Closed;

const KEPT: usize = 10;

/// Averages prices by seller, which is the key.
pub struct LastTen;

/// An average.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Average {
    seller: usize,
    price: f64,
}

/// The last prices, the newest last: by when the auctions closed, not by when that came to be known, since auctions are closed by
/// several partitions, and one may be behind the others.
#[derive(Default, Deserialize, Serialize)]
pub struct Prices(Vec<(u64, usize, usize)>);

impl Transform for LastTen {
    type Input = Closed;
    type Output = Average;
    type State = Prices;

    fn transform(&self, closed: Event<Closed>, prices: &mut Prices, out: &mut Outputs<Average>) -> Result<(), Error> {
        let Closed { auction, seller, price, expires, .. } = closed.data;
        let kept = &mut prices.0;
        let place = kept.partition_point(|known| *known < (expires, auction, price));
        kept.insert(place, (expires, auction, price));
        kept.drain(..kept.len().saturating_sub(KEPT));
        let sum: usize = kept.iter().map(|(_, _, price)| price).sum();
        out.emit(&Average { seller, price: sum as f64 / kept.len() as f64 });
        Ok(())
    }
}
