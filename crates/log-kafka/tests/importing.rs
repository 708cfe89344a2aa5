//! A copy of another log: each record where it was, whatever was missing between them, and however often the copy began anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{Event, Offset, OperatorName, Partition, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::{
    AppendBatch, Assignment, GroupName, InputRange, Log, Membership, NewRecord, Observe, Order, Retention, StateChange,
    TaskId, TaskInputs, TopicSpec,
};
use riverrun_log_kafka::import::{Found, Import, ImportError, TaskRow};
use riverrun_log_kafka::{KafkaLog, Options};
use tempfile::TempDir;

fn options(prefix: &str, directory: &TempDir) -> Options {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    let mut options = Options::new(brokers, "copy", directory.path().join("state"));
    (options.prefix, options.replication) = (format!("import{}-{prefix}.", std::process::id()), Some(1));
    options
}

fn spec() -> TopicSpec {
    TopicSpec { name: TopicName::new("orders").unwrap(), partitions: 2, retention: Retention::default() }
}

fn partition() -> TopicPartition {
    TopicPartition::new(spec().name, Partition(1))
}

fn record(offset: u64) -> Record {
    let mut event = Event::new(offset.to_string(), "/s", "t");
    event.data = (!offset.is_multiple_of(3)).then(|| Bytes::from(format!("{{\"n\":{offset}}}")));
    Record {
        position: partition().at(Offset(offset)),
        accepted: Time::from_unix_ms(1_000_000 + i64::try_from(offset).unwrap()),
        event,
    }
}

/// Copies records up to an end, from wherever the copy is.
fn copy(import: &Import, start: u64, offsets: &[u64], end: u64) -> Result<(), ImportError> {
    let there = import.describe(&spec())?.offsets[1].clone();
    let mut next = there.end;
    if there.start < Offset(start) {
        import.start_at(next, &partition().at(Offset(start)))?;
        next = next.max(Offset(start));
    }
    for offset in offsets.iter().filter(|offset| **offset >= next.0).collect::<Vec<_>>() {
        if next < Offset(*offset) {
            import.skip(&partition().at(next), Offset(*offset))?;
        }
        import.write(vec![record(*offset)])?;
        next = Offset(*offset).next();
    }
    if next < Offset(end) {
        import.skip(&partition().at(next), Offset(end))?;
    }
    Ok(())
}

/// All records from an offset on.
fn all(from: u64, read: impl Fn(Position) -> Vec<Record>) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let next = records.last().map_or(Offset(from), |last| last.position.offset.next());
        match read(partition().at(next)) {
            more if more.is_empty() => return records,
            more => records.extend(more),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_where_they_were_whatever_is_missing_between_them() {
    let directory = tempfile::tempdir().unwrap();
    let import = Import::connect(options("gaps", &directory)).unwrap();
    assert_eq!(import.found(&spec()).unwrap(), Found::Missing);
    import.begin(&spec(), Found::Missing).unwrap();
    // Gaps of one, two and many offsets, and at both ends.
    let offsets: Vec<u64> = [5, 6, 8, 11, 12, 40, 42].to_vec();
    copy(&import, 5, &offsets[..4], 12).unwrap();
    import.close();
    // Another process goes on, and retention has gone on meanwhile.
    let import = Import::connect(options("gaps", &directory)).unwrap();
    assert_eq!(import.found(&spec()).unwrap(), Found::Unfinished);
    import.begin(&spec(), Found::Unfinished).unwrap();
    copy(&import, 6, &offsets, 44).unwrap();
    let expected: Vec<Record> = offsets[1..].iter().copied().map(record).collect();
    let bounds = import.describe(&spec()).unwrap().offsets[1].clone();
    assert_eq!(bounds, Offset(6)..Offset(44));

    let misplaced = import.write(vec![record(50)]).unwrap_err();
    assert!(matches!(misplaced, ImportError::Displaced { .. }), "{misplaced}");
    import.finish(&spec()).unwrap();
    assert_eq!(import.found(&spec()).unwrap(), Found::InUse);
    let other = TopicSpec { partitions: 3, ..spec() };
    assert!(matches!(import.found(&other), Err(ImportError::PartitionCount { existing: 2, needed: 3, .. })));

    let log = KafkaLog::connect(options("gaps", &directory)).unwrap();
    let found = all(6, |from| log.read(&from, 1 << 20).unwrap());
    assert_eq!(found[..expected.len()], expected);
    assert_eq!(found.last().unwrap().position.offset, Offset(44), "what was misplaced");
    // What is written from now on is accepted when the broker says.
    let before = Time::now();
    let TopicPartition { topic, partition } = partition();
    let records = vec![NewRecord { topic, partition, event: record(45).event }];
    log.append(AppendBatch { records }).await.unwrap();
    let appended = all(45, |from| log.read(&from, 1 << 20).unwrap());
    assert!(appended[0].accepted.plus(Duration::from_secs(1)) > before, "{appended:?}");
}

#[test]
fn a_gap_that_a_copy_was_interrupted_in_is_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let import = Import::connect(options("cut", &directory)).unwrap();
    import.begin(&spec(), Found::Missing).unwrap();
    let mut import = Some(import);
    // Each part ends in the gap from 1 to 9: at its beginning, within it, and one before its end.
    for end in [1, 4, 8, 9] {
        copy(import.as_ref().unwrap(), 0, &[0], end).unwrap();
        drop(import.take());
        import = Some(Import::connect(options("cut", &directory)).unwrap());
    }
    let import = import.unwrap();
    copy(&import, 0, &[0, 9], 10).unwrap();
    let found = all(0, |from| import.read(&from, 1 << 20).unwrap());
    assert_eq!(found, [record(0), record(9)]);
    assert_eq!(import.describe(&spec()).unwrap().offsets[1], Offset(0)..Offset(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_on_with_the_rows_and_positions_they_had() {
    let directory = tempfile::tempdir().unwrap();
    let (group, task) = (GroupName::stored("shop.totals"), TaskId(1));
    let import = Import::connect(options("rows", &directory)).unwrap();
    import.begin(&spec(), Found::Missing).unwrap();
    copy(&import, 0, &[0, 1, 2], 3).unwrap();
    let positions = BTreeMap::from([(partition(), Offset(2))]);
    let step = OperatorName::new("count").unwrap();
    let rows = |value: &'static str| {
        let order = Order {
            ranges: vec![InputRange { input: partition(), from: Offset(0), to: Offset(2) }],
            ..Order::default()
        };
        let change = StateChange { operator: step.clone(), key: "ada".into(), value: Some(value.into()) };
        [TaskRow::State(change), TaskRow::Order(0, order), TaskRow::Positions(positions.clone())]
    };
    // What an interrupted move has written before is not left behind.
    for value in ["1", "2"] {
        let found = import.found_group(&group, 2, &positions).unwrap();
        import.begin_group(&group, 2, found).unwrap();
        let mut writer = import.rows(&group, task, true);
        rows(value).into_iter().for_each(|row| writer.push(row).unwrap());
        let written = writer.end().unwrap();
        assert_eq!((import.read_rows(&group, task).unwrap(), written.count()), (written, 3));
    }
    assert_ne!(import.read_rows(&group, task).unwrap(), import.read_rows(&group, TaskId(0)).unwrap());
    import.commit(&group, &positions).unwrap();
    assert_eq!(import.committed(&group, &[partition()]).unwrap(), positions);
    import.finish(&spec()).unwrap();
    import.finish_group(&group).unwrap();
    assert_eq!(import.found_group(&group, 2, &positions).unwrap(), Found::InUse);
    import.close();

    let log = KafkaLog::connect(options("rows", &directory)).unwrap();
    let inputs = |task| vec![TopicPartition::new(spec().name, Partition(task))];
    let tasks = (0..2).map(|task| TaskInputs { task: TaskId(task), inputs: inputs(task) }).collect();
    let mut member =
        log.join(Membership { group: group.clone(), tasks, seat: 0, seats: 1, takes_over: false }).unwrap();
    let mut owned = BTreeMap::new();
    while owned.len() < 2 {
        if let Assignment::Assigned(assigned) = member.next().await {
            owned.insert(assigned.task, assigned);
        }
    }
    let assigned = &owned[&task];
    assert_eq!(assigned.positions, positions);
    assert_eq!(assigned.state.get(&step, b"ada").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(log.orders(&group, task, 0, 9).unwrap().len(), 1);
    assert_eq!(all(2, |from| log.read(&from, 1 << 20).unwrap()), [record(2)]);
}
