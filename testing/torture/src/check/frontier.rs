//! Snapshots against the versions of the model: each must be what some frontier shows, and the frontiers of a task never go back.
//!
//! A frontier is a number per partition of the model's topic: versions with a lower offset are known. It shows, for a key and a
//! time, the newest version by (time, offset) with a time not after that. The check does not know the frontiers; it knows bounds:
//! what was shown earlier to the same task is known, and what was acknowledged before an order was sent is known to that order. It takes
//! for each order the lowest frontier that explains its snapshot, and finds an order for which there is none.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::Findings;
use crate::ledger::{Entry, Fate};
use crate::position::Position;
use crate::reader::Record;
use crate::scenario_app::{ACCOUNTS, ORDERS};

/// One version of an account, in the order of offsets.
struct Version {
    position: Position,
    time: String,
    /// Absent when it deletes the account.
    data: Option<Value>,
}

/// What was acknowledged when, by partition of the accounts: the ledger's clock and the highest offset up to then.
type Acknowledged = HashMap<u32, BTreeMap<u64, u64>>;

/// Checks the snapshots of all outputs.
pub(super) fn check(
    entries: &[Entry],
    orders: &[Record],
    accounts: &[Record],
    scored: &[Record],
    findings: &mut Findings,
) {
    let mut versions: HashMap<String, Vec<Version>> = HashMap::new();
    for record in accounts {
        let (position, data) = (record.position.clone(), record.data_value());
        let version = Version { position, time: record.text("time").unwrap_or_default(), data };
        versions.entry(record.text("partitionkey").unwrap_or_default()).or_default().push(version);
    }
    let acknowledged = acknowledged(entries);
    let sent = sent(entries);
    let outputs: HashMap<String, &Record> =
        scored.iter().filter_map(|output| Some((output.text("rrcause")?, output))).collect();
    // By task and partition of the accounts: how far is known for sure, and from where.
    let mut known: HashMap<(u32, u32), (u64, String)> = HashMap::new();
    for input in orders {
        let Some(output) = outputs.get(&input.position.to_string()) else { continue };
        let key = input.text("partitionkey").unwrap_or_default();
        let none = Vec::new();
        let versions = versions.get(&key).unwrap_or(&none);
        let Some(partition) = versions.first().map(|version| version.position.partition) else {
            check_shown(output, None, findings);
            continue;
        };
        let known = known.entry((input.position.partition, partition)).or_default();
        let identity = (input.text("source").unwrap_or_default(), input.text("id").unwrap_or_default());
        if let Some(end) = sent.get(&identity).and_then(|clock| end_before(&acknowledged, partition, *clock))
            && end > known.0
        {
            *known = (end, "it was acknowledged before this order was sent".to_owned());
        }
        explain(input, output, versions, known, findings);
    }
}

/// Finds the lowest frontier from `known` on that shows what the output has.
fn explain(input: &Record, output: &Record, versions: &[Version], known: &mut (u64, String), findings: &mut Findings) {
    let shown = match shown_version(output, versions) {
        Ok(shown) => shown,
        Err(problem) => return findings.add(format!("{} from {}: {problem}", output.position, input.position)),
    };
    check_shown(output, shown, findings);
    let time = input.text("time").unwrap_or_default();
    let wanted = shown.map(|version| version.position.offset);
    match lowest_frontier(versions, &time, wanted, known.0) {
        Some(frontier) if frontier > known.0 => {
            *known = (frontier, format!("it was known to this task when it processed {}", input.position));
        }
        Some(_) => {}
        None => {
            let visible = newest(versions, &time, known.0).map(|version| version.position.to_string());
            findings.add(format!(
                "{} from {}: the snapshot is {:?}, but {visible:?} is newer at {time}, and {}",
                output.position,
                input.position,
                output.text("rrsnapshot"),
                known.1
            ));
        }
    }
}

/// The lowest frontier, at least `from`, at which the newest version at `time` is `wanted` (none: nothing or a deletion).
fn lowest_frontier(versions: &[Version], time: &str, wanted: Option<u64>, from: u64) -> Option<u64> {
    let later = versions.iter().map(|version| version.position.offset + 1).filter(|frontier| *frontier > from);
    std::iter::once(from).chain(later).find(|frontier| {
        let visible = newest(versions, time, *frontier).filter(|version| version.data.is_some());
        visible.map(|version| version.position.offset) == wanted
    })
}

/// The newest version a frontier shows at a time. Times are all of one day and one form, so they compare as text.
fn newest<'a>(versions: &'a [Version], time: &str, frontier: u64) -> Option<&'a Version> {
    versions
        .iter()
        .filter(|version| version.position.offset < frontier && version.time.as_str() <= time)
        .max_by_key(|version| (version.time.as_str(), version.position.offset))
}

/// The version that `rrsnapshot` names, which has to be one of this account.
fn shown_version<'a>(output: &Record, versions: &'a [Version]) -> Result<Option<&'a Version>, String> {
    let named = output.text("rrsnapshot").unwrap_or_default();
    let position = named.strip_prefix("account=").ok_or_else(|| format!("rrsnapshot is {named:?}"))?;
    if position == "-" {
        return Ok(None);
    }
    let named = Position::parse(position);
    let version = versions.iter().find(|version| Some(&version.position) == named.as_ref());
    version.map(Some).ok_or_else(|| format!("rrsnapshot names {position}, which is no version of this account"))
}

/// The snapshot in the data is the data of the version that was named.
fn check_shown(output: &Record, shown: Option<&Version>, findings: &mut Findings) {
    let expected = shown.and_then(|version| version.data.clone()).unwrap_or_default();
    let data = output.data_value().unwrap_or_default();
    let found = data.pointer("/snapshot/account").cloned();
    if found.as_ref() != Some(&expected) {
        findings.add(format!("{}: the snapshot is {found:?}, expected {expected}", output.position));
    }
}

fn acknowledged(entries: &[Entry]) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    for entry in entries.iter().filter(|entry| entry.topic == ACCOUNTS) {
        if let Fate::Acknowledged { position, at } = &entry.fate {
            acknowledged.entry(position.partition).or_default().insert(*at, position.offset);
        }
    }
    for ends in acknowledged.values_mut() {
        let mut highest = 0;
        for offset in ends.values_mut() {
            highest = highest.max(*offset);
            *offset = highest;
        }
    }
    acknowledged
}

/// When each order was first sent.
fn sent(entries: &[Entry]) -> HashMap<(String, String), u64> {
    let orders = entries.iter().filter(|entry| entry.topic == ORDERS);
    orders.map(|entry| ((entry.event.source.clone(), entry.event.id.clone()), entry.sent)).collect()
}

/// The offset after the last account of this partition that was acknowledged before `clock`.
fn end_before(acknowledged: &Acknowledged, partition: u32, clock: u64) -> Option<u64> {
    acknowledged.get(&partition)?.range(..clock).next_back().map(|(_, offset)| offset + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions at offsets 0, 1, ... with these times; a time with `-` deletes.
    fn versions(times: &[&str]) -> Vec<Version> {
        let version = |(offset, time): (u64, &&str)| Version {
            position: Position { topic: "accounts".into(), partition: 0, offset },
            time: time.trim_end_matches('-').to_owned(),
            data: (!time.ends_with('-')).then_some(Value::Null),
        };
        (0..).zip(times).map(version).collect()
    }

    fn check(times: &[&str], at: &str, wanted: Option<u64>, from: u64, expected: Option<u64>) {
        assert_eq!(lowest_frontier(&versions(times), at, wanted, from), expected, "{times:?} {at} {wanted:?} {from}");
    }

    #[test]
    fn the_lowest_frontier_that_explains_a_snapshot_is_found() {
        check(&["10", "20", "15"], "17", Some(0), 0, Some(1));
        check(&["10", "20", "15"], "17", Some(0), 2, Some(2));
        check(&["10", "20", "15"], "17", Some(0), 3, None);
        check(&["10", "20", "15"], "17", Some(2), 0, Some(3));
        check(&["10", "20", "15"], "25", Some(2), 0, None);
        check(&["10", "10"], "10", Some(0), 2, None);
        check(&["10"], "05", None, 1, Some(1));
        check(&["10"], "10", None, 1, None);
        check(&["10", "12-", "13"], "15", None, 1, Some(2));
        check(&["10", "12-", "13"], "15", None, 3, None);
        check(&["10", "12-", "13"], "12", None, 3, Some(3));
        check(&[], "12", None, 0, Some(0));
    }

    #[test]
    fn what_was_acknowledged_before_is_known_by_its_highest_offset() {
        let acknowledged = Acknowledged::from([(0, BTreeMap::from([(3, 7), (5, 9)]))]);
        assert_eq!(end_before(&acknowledged, 0, 3), None);
        assert_eq!(end_before(&acknowledged, 0, 4), Some(8));
        assert_eq!(end_before(&acknowledged, 0, 9), Some(10));
        assert_eq!(end_before(&acknowledged, 1, 9), None);
    }
}
