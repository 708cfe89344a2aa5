//! `count`: carries a running count and sum per key, so that a change of state that happens twice, or never, shows in every later output.

use riverrun::{Error, Event, Outputs, Transform};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The transformer.
pub(crate) struct Count;

/// The part of an order that is counted; the rest is passed on.
#[derive(Deserialize)]
pub(crate) struct Order {
    amount: i64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// An order with the count and sum of its key, itself included.
#[derive(Serialize)]
pub(crate) struct CountedOrder {
    amount: i64,
    seen: u64,
    sum: i64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What is kept per key.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    seen: u64,
    sum: i64,
}

impl Transform for Count {
    type Input = Order;
    type Output = CountedOrder;
    type State = Counted;

    fn transform(
        &self,
        event: Event<Order>,
        state: &mut Counted,
        outputs: &mut Outputs<CountedOrder>,
    ) -> Result<(), Error> {
        let Order { amount, rest } = event.data;
        state.seen += 1;
        state.sum += amount;
        outputs.emit(&CountedOrder { amount, seen: state.seen, sum: state.sum, rest });
        Ok(())
    }
}
