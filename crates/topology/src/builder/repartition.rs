//! Builds a repartition: how many partitions its meeting topic has, and which one an event goes to.

use std::sync::Arc;
use std::time::Duration;

use crate::operators::repartition::{Partitioner, Partitioning, Repartition};

/// Declares a repartition.
#[must_use]
#[derive(Default)]
pub struct Repartitioned(pub(super) Declared);

#[derive(Default)]
pub(super) struct Declared {
    pub(super) repartition: Repartition,
    /// The source of the expression that chooses the partition.
    pub(super) expression: Option<String>,
}

impl Repartitioned {
    /// How many partitions the meeting topic has; as many as the tasks before it otherwise.
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.0.repartition.partitions = Some(partitions);
        self
    }

    /// One partition after the other, whatever the key.
    pub fn round_robin(mut self) -> Self {
        self.0.repartition.partitioner = Partitioner::RoundRobin;
        self
    }

    /// The partition is a number that an expression gives, modulo the partitions.
    pub fn partitioned_by(mut self, source: &str) -> Self {
        self.0.expression = Some(source.to_owned());
        self
    }

    /// The partition is chosen by a function of the service.
    pub fn partitioned_with(mut self, name: &str, function: impl Partitioning + 'static) -> Self {
        let function: Option<Arc<dyn Partitioning>> = Some(Arc::new(function));
        self.0.repartition.partitioner = Partitioner::Custom { name: name.to_owned(), function };
        self
    }

    /// How long the meeting topic keeps events, by accept time; for ever otherwise. A replay needs them.
    pub fn retention(mut self, age: Duration) -> Self {
        self.0.repartition.retention = Some(age);
        self
    }
}
