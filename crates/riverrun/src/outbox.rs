//! The transactional outbox: [`Outbox`] stores events in a service's own PostgreSQL transactions, and [`Consumer`] hands events to services
//! that live with PostgreSQL.
//!
//! The relay between the two runs in a server whose app file has an `outbox:` section; [`admin`] shows and mends what waits.

#[cfg(feature = "client")]
mod consumer;

pub use riverrun_outbox::{
    ConnectError, Database, DatabaseError, Inbox, Invalid, Listener, NewEvent, Outbox, Pooled, PublishError,
    SchemaName, Session, StoreError, Told, schema, tokio_postgres,
};
pub use riverrun_outbox_relay::{RelayError, admin};

#[cfg(feature = "client")]
pub use self::consumer::Consumer;

#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../docs/outbox.md")]
struct Guide;
