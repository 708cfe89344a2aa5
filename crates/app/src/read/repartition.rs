//! `repartition`: how the events of a pipeline are dealt out anew.

use std::time::Duration;

use riverrun_event::OperatorName;
use riverrun_event::limits::PARTITIONS_MAX;
use riverrun_topology::Partitioner;
use riverrun_topology::operators::repartition::Repartition;

use super::reader::{Fields, Reader};
use super::unit;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Entry, Node, Value};

impl Reader<'_> {
    pub(super) fn repartition(&mut self, node: &Node, place: Span) -> Option<Repartition> {
        let Value::Mapping(_) = &node.value else {
            return self.expression(node).map(|by| Repartition { by: Some(by), ..Repartition::default() });
        };
        let fields = self.fields(node, place, &fields::REPARTITION)?;
        let by = fields.get("by").map(|node| self.expression(node));
        let partitions = fields.get("partitions").map(|node| self.number(node, 1, u64::from(PARTITIONS_MAX)));
        let partitioner = fields.entry("partitioner").map(|entry| self.partitioner(entry));
        let retention: Option<Option<Duration>> =
            fields.get("retention").map(|node| self.parsed(node, "a duration such as 30d", unit::duration));
        let whole = by != Some(None) && partitions != Some(None) && retention != Some(None);
        let partitioner = partitioner.unwrap_or(Some(Partitioner::Murmur2)).filter(|_| whole)?;
        Some(Repartition {
            by: by.flatten(),
            partitions: partitions.flatten().and_then(|count| u32::try_from(count).ok()),
            partitioner,
            retention: retention.flatten(),
            is_inserted: false,
        })
    }

    fn partitioner(&mut self, entry: &Entry) -> Option<Partitioner> {
        let Value::Mapping(_) = &entry.node.value else {
            let expected = "murmur2, round_robin, `{ expression: ... }` or `{ custom: name }`";
            return self.parsed(&entry.node, expected, |text| match text {
                "murmur2" => Ok(Partitioner::Murmur2),
                "round_robin" => Ok(Partitioner::RoundRobin),
                _ => Err("unknown".to_owned()),
            });
        };
        let fields = self.fields(&entry.node, entry.name_span, &fields::PARTITIONER)?;
        self.own_partitioner(&fields, entry.name_span)
    }

    fn own_partitioner(&mut self, fields: &Fields<'_>, place: Span) -> Option<Partitioner> {
        match (fields.get("expression"), fields.get("custom")) {
            (Some(node), None) => self.expression(node).map(Partitioner::Expression),
            (None, Some(node)) => {
                let name = self.name(node, "a partitioner", OperatorName::new)?;
                Some(Partitioner::Custom { name: name.value.to_string(), function: None })
            }
            _ => {
                let message = "a partitioner of your own is either an `expression` or `custom`";
                self.report(
                    Diagnostic::error(codes::VALUE, place, message).note("this one").help(
                        "write `{ expression: data.shard }`, or `{ custom: name }` for a function of the service",
                    ),
                );
                None
            }
        }
    }
}
