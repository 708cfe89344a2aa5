//! The transactional outbox, as a service links it: events are stored in the service's own PostgreSQL transaction, and reach the log
//! once it commits, or never.
//!
#![doc = include_str!("../README.md")]
//!
//! What is here writes rows and listens; it knows no log. A relay (`riverrun run` with an `outbox:` section) moves the rows.
//!
//! Rooms: [`schema`] is everything that is in the database; [`publish`](mod@publish) stores an event, [`attempts`] tries a whole transaction
//! again; [`inbox`] and [`listener`] are for services that take events; [`database`] is how PostgreSQL is reached.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod attempts;
pub mod database;
pub mod event;
pub mod inbox;
pub mod listener;
pub mod publish;
pub mod schema;

pub use attempts::{Pooled, Session, StoreError};
pub use database::{ConnectError, Database, DatabaseError};
pub use event::{Invalid, NewEvent};
pub use inbox::Inbox;
pub use listener::{Listener, Told};
pub use publish::{Outbox, PublishError};
pub use riverrun_event::Time;
pub use schema::SchemaName;
pub use tokio_postgres;
