//! The doors through which events come in, and the HTTP door through which they are read.
//!
//! Every event takes the same way: received, decoded ([`cloudevents`]), accepted ([`riverrun_accept`]), appended to the log; only
//! then is the sender answered. A door never acknowledges what the log has not stored, and holds no more bytes in memory than
//! its [`http::admission`] allows. Readers bring their own positions, or leave them to a named consumer ([`consumers`]).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod cloudevents;
pub mod consumers;
pub mod graphql;
pub mod http;
pub mod json;
pub mod metrics;

pub use consumers::Consumers;
pub use http::access::{Access, AccessError, Token};
pub use http::caller::{Caller, Grant};
pub use http::routes::{Guarded, Needs, Route, Routes};
pub use http::{Doors, serve};
pub use metrics::Metrics;
pub use riverrun_event::Verb;
