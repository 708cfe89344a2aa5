//! One transaction of a writer: it changes something, publishes an event of it, and notes both in the ledger; or takes all of it back.
//!
//! Half of the aggregates have a counter that the transaction takes a number from, which locks its row: the order of these numbers is the
//! order of commits, whoever else locks what. For the other half the writer locks nothing, as a service that inserts only. There the
//! event's place is drawn from a sequence after publishing, and a second moment just before the end. If publishing keeps others of the
//! aggregate out until the transaction ends, these spans do not overlap, and their order is the order of commits. If it does not, some
//! overlap; so the check compares the spans, too. Commit times would say less: PostgreSQL takes them before a commit is seen, from a clock
//! that may be set.

use std::time::Duration;

use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, Statement};

use super::database::connect;
use crate::random::Random;

/// The topic of all events that are to arrive.
pub(super) const TOPIC: &str = "orders";
/// Aggregates, half of them of either kind.
const AGGREGATES: u64 = 200;
/// Every second transaction is for one of these, so that several wait for each other at any time.
const BUSY: u64 = 10;

/// All aggregates.
pub(super) fn aggregates() -> Vec<String> {
    (0..AGGREGATES).map(aggregate).collect()
}

fn aggregate(number: u64) -> String {
    format!("{}-{number}", if number.is_multiple_of(2) { "counted" } else { "free" })
}

/// What a transaction is to do.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// Different from those of all other transactions.
    pub(super) number: i64,
    pub(super) aggregate: String,
    /// Whether it is rolled back in the end.
    pub(super) is_rolled_back: bool,
    /// Whether another event is published before, and taken back by a savepoint.
    pub(super) takes_one_back: bool,
    /// How long it stays open after publishing.
    pub(super) open_for: Duration,
}

impl Planned {
    /// The transaction of this number.
    pub(super) fn draw(seed: u64, number: i64) -> Self {
        let mut random = Random::part(seed, number.unsigned_abs());
        let among = if random.chance(50) { BUSY } else { AGGREGATES };
        Self {
            number,
            aggregate: aggregate(random.between(0, among)),
            is_rolled_back: random.chance(20),
            takes_one_back: random.chance(10),
            open_for: Duration::from_millis(random.between(0, 4)),
        }
    }

    /// One that is committed, for this aggregate.
    pub(super) fn last(number: i64, aggregate: String) -> Self {
        Self { number, aggregate, is_rolled_back: false, takes_one_back: false, open_for: Duration::ZERO }
    }
}

/// How far it came.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is committed, or taken back as planned.
    Done,
    /// It is taken back as planned, since the connection is gone.
    Lost,
    /// An attempt before this one came through although it was not answered: the ledger has it.
    Again,
    /// It failed, or nobody knows.
    Failed(Error),
}

/// A connection of a writer, with its statements.
pub(super) struct Connection {
    client: Client,
    count: Statement,
    publish: Statement,
    moment: Statement,
    note: Statement,
}

impl Connection {
    /// # Errors
    /// What PostgreSQL or the system said.
    pub(super) async fn open(config: &Config) -> Result<Self, Error> {
        let client = connect(config).await?;
        let count = "update counter set number = number + 1 where aggregate = $1 returning number";
        let publish = "select riverrun_publish($1::text, $2::text, 'order.changed', $3::text)";
        let moment = "select nextval('moment')";
        let note = "insert into ledger (number, aggregate, place, ended) values ($1, $2, $3, nextval('moment'))";
        Ok(Self {
            count: client.prepare(count).await?,
            publish: client.prepare(publish).await?,
            moment: client.prepare(moment).await?,
            note: client.prepare(note).await?,
            client,
        })
    }

    /// Whether this transaction has been committed.
    ///
    /// # Errors
    /// What PostgreSQL or the system said.
    pub(super) async fn has(&self, number: i64) -> Result<bool, Error> {
        let found = self.client.query_opt("select from ledger where number = $1", &[&number]).await?;
        Ok(found.is_some())
    }

    /// Runs the transaction once. After anything but [`Outcome::Done`] the connection must not be used any more.
    pub(super) async fn run(&self, planned: &Planned) -> Outcome {
        match self.attempt(planned).await {
            Ok(()) => Outcome::Done,
            // What is not committed is taken back, by whomever.
            Err(error) if planned.is_rolled_back && is_of_connection(&error) => Outcome::Lost,
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Outcome::Again,
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn attempt(&self, planned: &Planned) -> Result<(), Error> {
        let Planned { number, aggregate, .. } = planned;
        self.client.batch_execute("begin").await?;
        let counted: Option<i64> = match aggregate.starts_with("counted") {
            true => Some(self.client.query_one(&self.count, &[aggregate]).await?.try_get(0)?),
            false => None,
        };
        if planned.takes_one_back {
            self.client.batch_execute("savepoint before").await?;
            self.publish(TOPIC, aggregate, -number, counted).await?;
            self.client.batch_execute("rollback to savepoint before").await?;
        }
        self.publish(TOPIC, aggregate, *number, counted).await?;
        let place: i64 = match counted {
            Some(counted) => counted,
            None => self.client.query_one(&self.moment, &[]).await?.try_get(0)?,
        };
        tokio::time::sleep(planned.open_for).await;
        self.client.execute(&self.note, &[number, aggregate, &place]).await?;
        self.client.batch_execute(if planned.is_rolled_back { "rollback" } else { "commit" }).await
    }

    /// Publishes an event as any service does.
    ///
    /// # Errors
    /// What PostgreSQL or the system said.
    pub(super) async fn publish(
        &self,
        topic: &str,
        aggregate: &str,
        number: i64,
        sequence: Option<i64>,
    ) -> Result<(), Error> {
        let data = json!({ "number": number, "aggregate": aggregate, "sequence": sequence }).to_string();
        self.client.execute(&self.publish, &[&topic, &aggregate, &data]).await.map(drop)
    }
}

/// Whether an error is one of the faults, and no refusal.
pub(super) fn is_of_connection(error: &Error) -> bool {
    match error.code() {
        // Connections (08), no more of them (53), and what ends them (57).
        Some(code) => ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)),
        None => true,
    }
}
