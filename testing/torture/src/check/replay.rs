//! A replay into a fresh topic gives, key by key, the same bytes as the first run.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::failure::Failure;
use crate::reader::{Reader, Record};
use crate::scenario_app::{ORDER_PARTITIONS, SCORED};

/// Replays and compares with the outputs of the first run.
pub(super) fn check(
    reader: &mut Reader,
    number: u32,
    scored: &[Record],
    findings: &mut Findings,
) -> Result<(), Failure> {
    let topic = format!("{SCORED}-{number}");
    reader.replay(&topic)?;
    let replayed = reader.read_topic(&topic, ORDER_PARTITIONS)?;
    compare(&by_key(scored), &by_key(&replayed), findings);
    Ok(())
}

/// Records of each key, in order.
type ByKey<'a> = BTreeMap<String, Vec<&'a Record>>;

fn by_key(records: &[Record]) -> ByKey<'_> {
    let mut keys = ByKey::new();
    for record in records {
        keys.entry(record.text("partitionkey").unwrap_or_default()).or_default().push(record);
    }
    keys
}

fn compare(first: &ByKey<'_>, again: &ByKey<'_>, findings: &mut Findings) {
    let none = Vec::new();
    for key in first.keys().chain(again.keys()).collect::<BTreeSet<_>>() {
        let (first, again) = (first.get(key).unwrap_or(&none), again.get(key).unwrap_or(&none));
        if let Some((first, again)) = first.iter().zip(again).find(|(first, again)| first.content() != again.content())
        {
            findings.add(format!(
                "replay of key {key}: {} is {:?}, but {} of the first run is {:?}",
                again.position,
                again.content(),
                first.position,
                first.content()
            ));
        } else if first.len() != again.len() {
            findings.add(format!("replay of key {key}: {} outputs, the first run gave {}", again.len(), first.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_findings(first: &[&str], again: &[&str], expected: usize) {
        let records = |lines: &[&str]| lines.iter().map(|line| Record::sample(line)).collect::<Vec<_>>();
        let (first, again) = (records(first), records(again));
        let mut findings = Findings::default();
        compare(&by_key(&first), &by_key(&again), &mut findings);
        assert_eq!(findings.0.len(), expected, "{:?}", findings.0);
    }

    #[test]
    fn only_positions_may_differ() {
        let one = r#"{"partitionkey":"a","data":{"n":1},"rrposition":"scored/0@0"}"#;
        let moved = r#"{"partitionkey":"a","data":{"n":1},"rrposition":"scored-1/0@7"}"#;
        let spaced = r#"{"partitionkey":"a","data":{"n": 1},"rrposition":"scored-1/0@7"}"#;
        check_findings(&[one], &[moved], 0);
        check_findings(&[one], &[spaced], 1);
        check_findings(&[one], &[], 1);
        check_findings(&[], &[one], 1);
    }
}
