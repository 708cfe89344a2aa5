//! Appending: whole or not at all, in order, and once per identity where the log can tell.

use riverrun_event::{Event, Key, Partition, Time};

use super::wait::wait_all;
use super::words::{append, append_ids, batch, end, ensure, event, ids, partition, read_all, record};
use super::{Bench, Case, Needs, case, case_needing};
use crate::append::{AppendBatch, AppendError, Logged};

pub(super) const CASES: &[Case] = &[
    case("what is appended is read as it was", records_are_kept_whole),
    case("an empty batch is answered with nothing", empty_batch),
    case("answers come in the order of the batch, across partitions", answers_are_in_order),
    case("calls made one after the other keep their order", calls_keep_their_order),
    case("an unknown topic or partition refuses the whole batch", unknown_topic_refuses_the_batch),
    case("appended records move the log", appends_move_the_log),
    case_needing(Needs::Deduplication, "a repeated batch is answered with the first positions", repeated_batch),
    case_needing(Needs::Deduplication, "a repetition within a batch is stored once", repetition_within_a_batch),
    case_needing(Needs::Deduplication, "identity is topic, source and id", identity_is_topic_source_id),
    case_needing(
        Needs::Deduplication,
        "attributes and content type do not make another event",
        attributes_do_not_count,
    ),
    case_needing(Needs::Deduplication, "other content under a stored identity refuses the whole batch", conflicts),
    case_needing(Needs::Deduplication, "other content within a batch refuses the whole batch", conflict_within_a_batch),
    case_needing(Needs::Deduplication, "a refused batch leaves no identity behind", refusal_leaves_no_identity),
];

fn full_event() -> Event {
    let mut full = Event::new("full", "/source?x=1", "kind.of.event");
    full.subject = Some("subject \u{e9}".into());
    full.time = Some(Time::parse("2013-01-01T10:15:00.123456789Z").unwrap());
    full.key = Some(Key::new(vec![0_u8, 255, 10]).unwrap());
    full.data_schema = Some("https://example.com/schema".into());
    full.attributes.add("traceparent", "00-abc").unwrap();
    full.attributes.add("another", "").unwrap();
    full.content_type = Some("application/octet-stream".into());
    full.data = Some(vec![0_u8, 1, 2, 255].into());
    full
}

fn records_are_kept_whole(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let mut empty_data = event("empty-data", "");
    empty_data.data = Some(Vec::new().into());
    let mut large = event("large", "large");
    large.data = Some(vec![7_u8; 300_000].into());
    let events = [full_event(), Event::new("bare", "s", "k"), empty_data, large];
    let records = events.iter().map(|event| record(&a, event.clone())).collect();
    let logged = append(opened.log(), AppendBatch { records }).unwrap();
    let read = read_all(opened.log(), &a);
    assert_eq!(read.len(), events.len());
    for ((read, event), logged) in read.iter().zip(&events).zip(&logged) {
        assert_eq!(&read.event, event);
        assert_eq!(&read.position, logged.position());
        let expected = if bench.features.deduplicates {
            Logged::First(read.position.clone())
        } else {
            Logged::Unverified(read.position.clone())
        };
        assert_eq!(logged, &expected);
    }
}

fn empty_batch(bench: &Bench<'_>) {
    let opened = bench.open();
    assert_eq!(append(opened.log(), AppendBatch::default()), Ok(Vec::new()));
}

fn answers_are_in_order(bench: &Bench<'_>) {
    let opened = bench.open();
    let places = [partition("a", 0), partition("b", 1), partition("a", 2)];
    ensure(opened.log(), &[("a", 3), ("b", 2)]);
    let records = (0..30).map(|number| record(&places[number % 3], event(&format!("{number}"), "x"))).collect();
    let logged = append(opened.log(), AppendBatch { records }).unwrap();
    for (offset, place) in places.iter().enumerate() {
        let read = read_all(opened.log(), place);
        let expected: Vec<_> = (0..10).map(|number| (number * 3 + offset).to_string()).collect();
        assert_eq!(ids(&read), expected, "{place}");
        for (number, read) in read.iter().enumerate() {
            assert_eq!(logged[number * 3 + offset].position(), &read.position);
        }
    }
    assert!(read_all(opened.log(), &partition("a", 1)).is_empty());
}

fn calls_keep_their_order(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let numbers: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    let calls: Vec<_> = numbers.iter().map(|number| opened.log().append(batch(&a, &[number]))).collect();
    let answers = wait_all(calls);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(ids(&read_all(opened.log(), &a)), numbers);
}

fn unknown_topic_refuses_the_batch(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    for wrong in [partition("missing", 0), partition("a", 1)] {
        let mut mixed = batch(&a, &["1", "2"]);
        mixed.records.push(record(&wrong, event("3", "3")));
        let expected = AppendError::UnknownTopic { topic: wrong.topic, partition: wrong.partition };
        assert_eq!(append(opened.log(), mixed), Err(expected));
        assert!(read_all(opened.log(), &a).is_empty(), "a part of a refused batch was stored");
    }
    append_ids(opened.log(), &a, &["1"]);
    assert_eq!(ids(&read_all(opened.log(), &a)), ["1"]);
}

fn appends_move_the_log(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let mut moved = opened.log().moved();
    for id in ["1", "2"] {
        moved.borrow_and_update();
        append_ids(opened.log(), &a, &[id]);
        super::wait::wait(moved.changed()).unwrap();
    }
}

fn repeated_batch(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let first = append_ids(opened.log(), &a, &["1", "2"]);
    let again = append(opened.log(), batch(&a, &["2", "3", "1"])).unwrap();
    assert_eq!(again[0], Logged::Duplicate(first[1].clone()));
    assert!(matches!(again[1], Logged::First(_)), "{again:?}");
    assert_eq!(again[2], Logged::Duplicate(first[0].clone()));
    let only_known = append(opened.log(), batch(&a, &["1", "2"])).unwrap();
    assert_eq!(only_known, first.into_iter().map(Logged::Duplicate).collect::<Vec<_>>());
    assert_eq!(ids(&read_all(opened.log(), &a)), ["1", "2", "3"]);
}

fn repetition_within_a_batch(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let logged = append(opened.log(), batch(&a, &["1", "2", "1", "1"])).unwrap();
    let first = logged[0].position().clone();
    assert_eq!(logged[0], Logged::First(first.clone()));
    assert_eq!(logged[2..], [Logged::Duplicate(first.clone()), Logged::Duplicate(first)]);
    assert_eq!(ids(&read_all(opened.log(), &a)), ["1", "2"]);
}

fn identity_is_topic_source_id(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 1), ("b", 1)]);
    let mut other_source = event("1", "other");
    other_source.source = "/another".into();
    // Source and id must not run together: /conf + ormance1 is not /conformance + 1.
    let mut shifted = event("ormance1", "shifted");
    shifted.source = "/conf".into();
    let records = vec![
        record(&partition("a", 0), event("1", "x")),
        record(&partition("b", 0), event("1", "y")),
        record(&partition("a", 0), other_source),
        record(&partition("a", 0), shifted),
    ];
    let logged = append(opened.log(), AppendBatch { records }).unwrap();
    assert!(logged.iter().all(|logged| matches!(logged, Logged::First(_))), "{logged:?}");
}

fn attributes_do_not_count(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let first = append_ids(opened.log(), &a, &["1"]).remove(0);
    let mut traced = event("1", "1");
    traced.attributes.add("traceparent", "00-second-attempt").unwrap();
    traced.content_type = Some("application/json".into());
    let again = append(opened.log(), AppendBatch { records: vec![record(&a, traced)] }).unwrap();
    assert_eq!(again, [Logged::Duplicate(first)]);
}

/// Events that share an identity with `event("1", "1")` and differ in one thing each.
fn variations() -> Vec<(&'static str, Event)> {
    let vary = |change: fn(&mut Event)| {
        let mut varied = event("1", "1");
        change(&mut varied);
        varied
    };
    vec![
        ("type", vary(|event| event.kind = "test.other".into())),
        ("subject", vary(|event| event.subject = Some("s".into()))),
        ("time", vary(|event| event.time = Some(Time::EPOCH))),
        ("key", vary(|event| event.key = None)),
        ("data", vary(|event| event.data = Some("{}".into()))),
        ("no data", vary(|event| event.data = None)),
    ]
}

fn conflicts(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let existing = append_ids(opened.log(), &a, &["1"]).remove(0);
    for (what, varied) in variations() {
        let records = vec![record(&a, event("2", "2")), record(&a, varied)];
        let answer = append(opened.log(), AppendBatch { records });
        assert_eq!(answer, Err(AppendError::Conflict { index: 1, existing: existing.clone() }), "another {what}");
    }
    assert_eq!(ids(&read_all(opened.log(), &a)), ["1"], "a part of a refused batch was stored");
}

fn conflict_within_a_batch(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    for (what, varied) in variations() {
        let records = vec![record(&a, event("0", "0")), record(&a, event("1", "1")), record(&a, varied)];
        let answer = append(opened.log(), AppendBatch { records });
        assert!(matches!(&answer, Err(AppendError::Conflict { index: 2, .. })), "another {what}: {answer:?}");
    }
    assert!(read_all(opened.log(), &a).is_empty(), "a part of a refused batch was stored");
}

fn refusal_leaves_no_identity(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    append_ids(opened.log(), &a, &["1"]);
    let refused = AppendBatch { records: vec![record(&a, event("2", "2")), record(&a, event("1", "other"))] };
    assert!(append(opened.log(), refused).is_err());
    let mut unknown = batch(&a, &["3"]);
    unknown.records.push(record(&partition("a", 1), event("4", "4")));
    assert!(append(opened.log(), unknown).is_err());
    let before = end(opened.log(), &a);
    // Other content than in the refused batches: they must not be remembered.
    let records = vec![record(&a, event("2", "new")), record(&a, event("3", "new"))];
    let logged = append(opened.log(), AppendBatch { records }).unwrap();
    assert!(logged.iter().all(|logged| matches!(logged, Logged::First(_))), "{logged:?}");
    assert!(logged.iter().all(|logged| logged.position().offset >= before));
    assert_eq!(logged[0].position().partition, Partition(0));
}
