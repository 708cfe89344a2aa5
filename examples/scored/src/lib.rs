//! The transformer of the example: what it takes, gives and keeps, and the one rule it applies.

use riverrun::{Error, Event, Outputs, Transform};
use serde::{Deserialize, Serialize};

/// An order as it comes in.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Order {
    /// Whose order it is; the topic's key.
    pub account: String,
    /// Its value.
    pub amount: f64,
}

/// An order as it leaves.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Scored {
    /// Its value.
    pub amount: f64,
    /// How many times the account's usual order it is.
    pub risk: f64,
}

/// What is kept per account.
#[derive(Default, Deserialize, Serialize)]
pub struct Spent {
    orders: u32,
    total: f64,
}

/// Scores orders.
pub struct Risk;

impl Transform for Risk {
    type Input = Order;
    type Output = Scored;
    type State = Spent;

    fn transform(&self, order: Event<Order>, spent: &mut Spent, out: &mut Outputs<Scored>) -> Result<(), Error> {
        let amount = order.data.amount;
        let usual = if spent.orders == 0 { amount } else { spent.total / f64::from(spent.orders) };
        spent.orders += 1;
        spent.total += amount;
        out.emit(&Scored { amount, risk: amount / usual });
        Ok(())
    }
}
