//! What is known to be equal on both sides already: by the process that ran the app, for the one that ends the move.

use std::collections::BTreeMap;

use riverrun_event::{Offset, Position, TopicPartition};
use riverrun_log::Fingerprint;
use serde::{Deserialize, Serialize};

use super::report::PartitionReport;

/// Up to where records were found equal, by partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<Line>", into = "Vec<Line>")]
pub struct Compared(BTreeMap<TopicPartition, (Offset, Fingerprint)>);

/// A partition as one process tells it to another.
#[derive(Clone, Deserialize, Serialize)]
struct Line {
    /// The position behind the last record that was compared.
    next: String,
    records: u64,
    hash: [u8; 16],
}

impl Compared {
    pub(super) fn up_to(&self, partition: &TopicPartition) -> Option<Offset> {
        self.0.get(partition).map(|(next, _)| *next)
    }

    pub(super) fn fingerprint(&self, partition: &TopicPartition) -> Fingerprint {
        self.0.get(partition).map(|(_, known)| known.clone()).unwrap_or_default()
    }
}

impl FromIterator<PartitionReport> for Compared {
    fn from_iter<I: IntoIterator<Item = PartitionReport>>(reports: I) -> Self {
        let known = |report: PartitionReport| (report.partition, (report.next, report.here));
        Self(reports.into_iter().map(known).collect())
    }
}

impl From<Compared> for Vec<Line> {
    fn from(compared: Compared) -> Self {
        let line = |(partition, (next, known)): (TopicPartition, (Offset, Fingerprint))| Line {
            next: partition.at(next).to_string(),
            records: known.count(),
            hash: known.hash(),
        };
        compared.0.into_iter().map(line).collect()
    }
}

impl TryFrom<Vec<Line>> for Compared {
    type Error = String;

    fn try_from(lines: Vec<Line>) -> Result<Self, String> {
        let known = |Line { next, records, hash }: Line| {
            let next: Position = next.parse().map_err(|_| format!("{next} is no position"))?;
            Ok((next.topic_partition(), (next.offset, Fingerprint::told(records, hash))))
        };
        lines.into_iter().map(known).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compared_is_told_to_another_process() {
        let mut known = Fingerprint::default();
        known.row(b"k", None);
        let partition = "orders/2@0".parse::<Position>().unwrap().topic_partition();
        let compared = Compared(BTreeMap::from([(partition.clone(), (Offset(7), known.clone()))]));
        let text = serde_json::to_string(&compared).unwrap();
        let told: Compared = serde_json::from_str(&text).unwrap();
        assert_eq!((told.up_to(&partition), told.fingerprint(&partition)), (Some(Offset(7)), known));
        assert_eq!(told, compared);
        assert!(serde_json::from_str::<Compared>(&text.replace("@7", "")).is_err());
    }
}
