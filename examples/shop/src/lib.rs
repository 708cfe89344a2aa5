//! A shop, and the billing service behind it.
//!
//! The shop stores an order, the stock it takes and the event `order.placed` in one transaction: all of it happens or none. The billing
//! service is handed each event at least once, and remembers it in the transaction of its invoice: each invoice is written once.

use riverrun::outbox::tokio_postgres::Client;
use riverrun::outbox::{Database, Inbox, NewEvent, Outbox, StoreError};
use riverrun::{Error, RawEvent};
use serde::{Deserialize, Serialize};

/// What a piece of anything costs.
const CENTS: i32 = 250;

/// The data of `order.placed`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// The order.
    pub order: String,
    /// What was ordered.
    pub product: String,
    /// How many of it.
    pub pieces: i32,
}

/// There are not as many pieces as were ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStock;

impl std::fmt::Display for OutOfStock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("out of stock")
    }
}

impl std::error::Error for OutOfStock {}

/// A shop.
#[derive(Clone, Debug)]
pub struct Shop {
    database: Database,
    outbox: Outbox,
}

impl Shop {
    /// The shop of a database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, outbox: Outbox::new("/shop") }
    }

    /// Makes the shop's tables.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn open(&self) -> Result<(), Error> {
        self.database.connect().await?.batch_execute(include_str!("../tables.sql")).await?;
        Ok(())
    }

    /// Places an order: it is stored, the stock is taken and `order.placed` is published, or nothing of that happens.
    ///
    /// # Errors
    /// [`StoreError`], whose source is [`OutOfStock`] where there is too little. Nothing was stored, nothing is published.
    pub async fn place_order(&self, placed: &Placed) -> Result<(), StoreError> {
        let Placed { order, product, pieces } = placed;
        self.outbox
            .transaction(
                // A connection for each attempt; a pool's does as well.
                async || Ok(self.database.connect().await?),
                async |transaction| {
                    let take = "update stock set pieces = pieces - $2 where product = $1 and pieces >= $2";
                    if transaction.execute(take, &[product, pieces]).await? == 0 {
                        return Err(Error::from(OutOfStock));
                    }
                    let store = "insert into orders (id, product, pieces) values ($1, $2, $3)";
                    transaction.execute(store, &[order, product, pieces]).await?;
                    let event = NewEvent::new("orders", "order.placed").key(order).json(serde_json::to_vec(placed)?);
                    self.outbox.publish(transaction, &event).await?;
                    Ok(())
                },
            )
            .await
    }

    /// All orders and invoices, a line each.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn list(&self) -> Result<Vec<String>, Error> {
        let sql = "select format('order %s: %s %s', id, pieces, product) from orders union all \
                   select format('invoice for %s: %s cents', order_id, cents) from invoices order by 1";
        let rows = self.database.connect().await?.query(sql, &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// Writes the invoice of an order, unless that was done before: an event may be handed over more than once. Whether it wrote one.
///
/// # Errors
/// What PostgreSQL says, or that the event has other data than an order's; nothing was stored then.
pub async fn invoice(client: &mut Client, inbox: &Inbox, event: &RawEvent) -> Result<bool, Error> {
    let placed: Placed = serde_json::from_slice(event.data.as_deref().unwrap_or_default())?;
    let transaction = client.transaction().await?;
    if inbox.processed(&transaction, &event.source, &event.id).await? {
        return Ok(false);
    }
    let store = "insert into invoices (order_id, cents) values ($1, $2)";
    transaction.execute(store, &[&placed.order, &placed.pieces.saturating_mul(CENTS)]).await?;
    transaction.commit().await?;
    Ok(true)
}

/// The database of `DATABASE_URL`.
///
/// # Errors
/// It is not set, or is no address.
pub fn database() -> Result<Database, Error> {
    let url = std::env::var("DATABASE_URL")
        .map_err(|_| "set DATABASE_URL=postgres://user@host/database, or run `cargo xtask example shop`, which brings a PostgreSQL")?;
    Ok(Database::new(&url)?)
}
