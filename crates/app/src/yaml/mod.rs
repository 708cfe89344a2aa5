//! YAML as a tree in which every node knows its place.
//!
//! Built from the parser's events, not through serde: a serde reader stops at its first mistake, and this crate reports
//! all of them. Aliases are resolved here, within a budget; keys are texts, each once per mapping.

mod build;
mod node;
mod offset;
mod syntax;
#[cfg(test)]
mod tests;

pub(crate) use build::parse;
pub(crate) use node::{Entry, Node, Scalar, Value};
