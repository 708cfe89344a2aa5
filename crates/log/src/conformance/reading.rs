//! Reading: in order, from anywhere, bounded, up to the durable end.

use riverrun_event::Offset;

use super::words::{EVERYTHING, append, append_ids, end, ensure, event, ids, partition, read_all, record};
use super::{Bench, Case, case};
use crate::append::AppendBatch;
use crate::contract::ReadError;

pub(super) const CASES: &[Case] = &[
    case("a read at or beyond the end is empty", reads_at_the_end_are_empty),
    case("a read gives at least one record, however little is asked for", at_least_one),
    case("a read stops after the bytes asked for", bytes_bound_a_read),
    case("a read can start at every record, within a batch too", reads_start_anywhere),
    case("a read below the start is refused or starts where the records do", reads_below_the_start),
];

fn reads_at_the_end_are_empty(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    assert_eq!(opened.log().read(&a.at(Offset(0)), EVERYTHING), Ok(Vec::new()), "an empty partition");
    append_ids(opened.log(), &a, &["1", "2", "3"]);
    let end = end(opened.log(), &a);
    for beyond in [end, end.next(), Offset(end.0 + 1_000), Offset(u64::MAX)] {
        assert_eq!(opened.log().read(&a.at(beyond), EVERYTHING), Ok(Vec::new()), "from {beyond}");
    }
}

fn at_least_one(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    append_ids(opened.log(), &a, &["1", "2", "3"]);
    for bytes_max in [0, 1] {
        let read = opened.log().read(&a.at(Offset(0)), bytes_max).unwrap();
        assert_eq!(ids(&read), ["1"], "with {bytes_max} bytes");
    }
    let all = opened.log().read(&a.at(Offset(0)), EVERYTHING).unwrap();
    assert_eq!(ids(&all), ["1", "2", "3"]);
}

fn bytes_bound_a_read(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let large = |number: u8| {
        let mut event = event(&number.to_string(), "x");
        // Hardly compressible, so that bytes as stored and in memory are alike.
        let mut random = crate::random::Random::seeded(u64::from(number));
        event.data = Some((0..1_280).flat_map(|_| random.bits().to_le_bytes()).collect());
        record(&a, event)
    };
    append(opened.log(), AppendBatch { records: (0..20).map(large).collect() }).unwrap();
    let mut next = Offset(0);
    let mut count = 0;
    while count < 20 {
        let read = opened.log().read(&a.at(next), 25_000).unwrap();
        // Three are enough for 25,000 bytes; one more is within how a log may count.
        assert!((1..=4).contains(&read.len()), "{} records of 10 KiB for 25,000 bytes", read.len());
        count += read.len();
        next = read.last().unwrap().position.offset.next();
    }
    assert_eq!(count, 20);
}

fn reads_start_anywhere(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    append_ids(opened.log(), &a, &["1", "2", "3", "4"]);
    append_ids(opened.log(), &a, &["5"]);
    append_ids(opened.log(), &a, &["6", "7"]);
    let all = read_all(opened.log(), &a);
    assert!(all.is_sorted_by(|one, next| one.position.offset < next.position.offset), "offsets increase");
    for from in 0..=end(opened.log(), &a).0 {
        let read = opened.log().read(&a.at(Offset(from)), EVERYTHING).unwrap();
        let expected: Vec<_> = all.iter().filter(|record| record.position.offset.0 >= from).cloned().collect();
        assert_eq!(read, expected, "from {from}");
    }
}

fn reads_below_the_start(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    append_ids(opened.log(), &a, &["1"]);
    let start = opened.log().describe(&a.topic).unwrap().offsets[0].start;
    match opened.log().read(&a.at(Offset(0)), EVERYTHING) {
        Ok(read) => assert_eq!(ids(&read), ["1"]),
        Err(error) => {
            assert!(start > Offset(0), "{error}, and nothing was removed");
            assert_eq!(error, ReadError::BelowStart { asked: a.at(Offset(0)), start: a.at(start) });
        }
    }
}
