//! Tests of an app without disk, network or threads: the real door rules, topology and runtime on an in-memory log.
//!
//! [`Driver`] is for tests written in Rust. [`run_file`] runs a test file (`*.test.yaml`), as `riverrun test` does, with the
//! transformers of the service. Both are deterministic: each event is processed to its end before the next one comes, and time
//! moves only by hand.

mod clock;
mod compare;
mod difference;
mod driver;
mod file;
mod finding;
mod lookups;
mod render;
mod rows;
mod run;
mod send;

pub use difference::Difference;
pub use driver::{Driver, DriverError};
pub use file::{FileError, Report, TestOutcome, TestResult, run_file};
pub use finding::Finding;
