//! The totals per shard and window, computed once more from the scored orders. On their way they are asked for their shard, dealt
//! out anew by it and counted, so a total that is missing, there twice or wrong tells of a fault in any of these.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use super::Findings;
use crate::event::time_of_day;
use crate::reader::Record;
use crate::scenario_app::{SHARDS, TOTALS, WINDOW_SECONDS};

/// How many orders a shard had in a window, and what they came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    seen: u64,
    sum: i64,
}

/// A shard and the start of a window, in seconds of the day.
type Place = (String, u64);

/// Checks that each scored order changed one total once.
pub(super) fn check(scored: &[Record], totals: &[Record], findings: &mut Findings) {
    let expected = expected(scored, findings);
    let mut found: BTreeMap<Place, Total> = BTreeMap::new();
    let mut causes = HashSet::new();
    for total in totals {
        if !causes.insert(total.text("rrcause")) {
            findings.add(format!("{}: {:?} has a total already", total.position, total.text("rrcause")));
        }
        let Some((place, now)) = parsed(total) else {
            findings.add(format!("{} is no total: {:?}", total.position, total.data()));
            continue;
        };
        let before = found.insert(place.clone(), now).unwrap_or_default();
        if now.seen != before.seen + 1 || now.sum < before.sum {
            findings.add(format!("{}: {TOTALS} of {place:?} go from {before:?} to {now:?}", total.position));
        }
    }
    for place in expected.keys().chain(found.keys()).collect::<HashSet<_>>() {
        let (expected, found) = (expected.get(place), found.get(place));
        if expected != found {
            findings.add(format!("{TOTALS} of {place:?} are {found:?}, expected {expected:?}"));
        }
    }
}

fn expected(scored: &[Record], findings: &mut Findings) -> BTreeMap<Place, Total> {
    let mut expected: BTreeMap<Place, Total> = BTreeMap::new();
    for order in scored {
        let amount = order.data_value().and_then(|data| data.get("amount")?.as_i64());
        let second = order.text("time").and_then(|time| second_of_day(&time));
        let (Some(amount), Some(second)) = (amount, second) else {
            findings.add(format!("{} has no amount or no time", order.position));
            continue;
        };
        let total = expected.entry(((amount % SHARDS).to_string(), second - second % WINDOW_SECONDS)).or_default();
        total.seen += 1;
        total.sum += amount;
    }
    expected
}

fn parsed(total: &Record) -> Option<(Place, Total)> {
    let mut data = total.data_value()?;
    let fields = data.as_object_mut()?;
    let start = second_of_day(fields.get("window")?.get("start")?.as_str()?)?;
    let window = json!({"start": time_of_day(start), "end": time_of_day(start + WINDOW_SECONDS)});
    let found = Total { seen: fields.get("seen")?.as_u64()?, sum: fields.get("sum")?.as_i64()? };
    // Nothing beside these, and a window of the right length.
    let whole = json!({"window": window, "seen": found.seen, "sum": found.sum});
    (data == whole).then_some(((total.text("partitionkey")?, start), found))
}

/// Seconds into the day of a time that ends in `Thh:mm:ssZ`.
fn second_of_day(time: &str) -> Option<u64> {
    let (_, clock) = time.strip_suffix('Z')?.split_once('T')?;
    clock.split(':').try_fold(0, |seconds, part| Some(seconds * 60 + part.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(offset: u64, amount: i64, second: u64) -> Record {
        let time = time_of_day(second);
        Record::sample(&format!(r#"{{"time":"{time}","data":{{"amount":{amount}}},"rrposition":"scored/0@{offset}"}}"#))
    }

    fn total(offset: u64, shard: i64, start: u64, seen: u64, sum: i64) -> Record {
        let (start, end) = (time_of_day(start), time_of_day(start + WINDOW_SECONDS));
        Record::sample(&format!(
            r#"{{"partitionkey":"{shard}","rrcause":"meeting/0@{offset}","data":{{"window":{{"start":"{start}","end":"{end}"}},"seen":{seen},"sum":{sum}}},"rrposition":"totals/0@{offset}"}}"#
        ))
    }

    fn check_findings(totals: &[Record], expected: usize) {
        let scored = [scored(0, 3, 10), scored(1, 3 + SHARDS, 20), scored(2, 4, 30), scored(3, 3, WINDOW_SECONDS)];
        let mut findings = Findings::default();
        check(&scored, totals, &mut findings);
        assert_eq!(findings.0.len(), expected, "{:?}", findings.0);
    }

    #[test]
    fn each_order_counts_once_in_its_window() {
        let good = || {
            let second = total(1, 3, 0, 2, 6 + SHARDS);
            vec![total(0, 3, 0, 1, 3), second, total(2, 4, 0, 1, 4), total(3, 3, WINDOW_SECONDS, 1, 3)]
        };
        check_findings(&good(), 0);
        check_findings(&good()[..3], 1);
        // Twice in the state and the log: a step that is wrong, and a wrong end.
        check_findings(&[good(), vec![total(4, 4, 0, 3, 8)]].concat(), 2);
        // Twice in the log only.
        check_findings(&[good(), vec![total(2, 4, 0, 2, 8)]].concat(), 2);
        // In another window, and so missing in its own.
        let mut moved = good();
        moved[2] = total(2, 4, WINDOW_SECONDS, 1, 4);
        check_findings(&moved, 2);
    }
}
