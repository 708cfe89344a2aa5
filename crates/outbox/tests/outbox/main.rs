//! The outbox against PostgreSQL: what services do with it, and what becomes of that when things fail. Each test has a database of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod attempts;
mod fresh;
mod inbox;
mod libraries;
mod proxy;
mod rules;
mod schema;
mod tls;

type AnyError = Box<dyn std::error::Error + Send + Sync>;
