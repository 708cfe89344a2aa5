//! What a measuring program needs and no side must do better than the other: its input from files, its figures as a line of JSON.
//!
//! Both the bare programs and the product's side in bench/product use it, so that what they read and how they are measured
//! cannot differ. Nothing here may depend on a `riverrun` crate.

pub mod figures;
pub mod flights;
pub mod workload;

/// What every part answers: any error ends the program with its text.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
