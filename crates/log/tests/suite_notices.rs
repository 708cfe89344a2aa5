//! A suite that cannot fail proves nothing: for each promise broken on purpose, the suite names the case that covers it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::panic::catch_unwind;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::conformance::{Features, OpenedLog, run};
use riverrun_log::*;
use tokio::sync::watch;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sabotage {
    ReadsUnbounded,
    ReadsLoseTheLast,
    BatchesInParts,
    IdentitiesForgotten,
    NeverMoves,
    OffsetAtTooEarly,
    CommitsInParts,
    PositionsNotCommitted,
    OrdersNotCommitted,
    StateBehind,
    ZombiesAnswered,
    ScansAscendOnly,
    OrdersNotPaged,
    ReopensEmpty,
}

#[derive(Clone)]
struct Broken {
    log: MemoryLog,
    how: Sabotage,
}

impl Broken {
    fn is(&self, how: Sabotage) -> bool {
        self.how == how
    }
}

impl OpenedLog for Broken {
    fn log(&self) -> &dyn Log {
        self
    }

    fn reopen(self: Box<Self>) -> Box<dyn OpenedLog> {
        if self.is(Sabotage::ReopensEmpty) { Box::new(Self { log: MemoryLog::new(), ..*self }) } else { self }
    }
}

impl Topics for Broken {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        self.log.ensure(topics)
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        self.log.describe(topic)
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        let offset = self.log.offset_at(partition, time)?;
        Ok(if self.is(Sabotage::OffsetAtTooEarly) { Offset(offset.0.saturating_sub(1)) } else { offset })
    }
}

impl Log for Broken {
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        let broken = self.clone();
        if self.is(Sabotage::IdentitiesForgotten) {
            return Box::pin(async move { broken.store_renamed(batch).await });
        }
        if !self.is(Sabotage::BatchesInParts) {
            return self.log.append(batch);
        }
        let parts = batch.records.into_iter().map(|record| AppendBatch { records: vec![record] });
        let answers: Vec<_> = parts.map(|part| self.log.append(part)).collect();
        Box::pin(async move {
            let mut logged = Vec::new();
            for answer in answers {
                logged.extend(answer.await?);
            }
            Ok(logged)
        })
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let mut read = self.log.read(from, if self.is(Sabotage::ReadsUnbounded) { usize::MAX } else { bytes_max })?;
        if self.is(Sabotage::ReadsLoseTheLast) {
            read.pop();
        }
        for record in read.iter_mut().filter(|_| self.is(Sabotage::IdentitiesForgotten)) {
            let id = record.event.id.split('#').next().unwrap().into();
            record.event.id = id;
        }
        Ok(read)
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        let member = Arc::new(tokio::sync::Mutex::new(self.log.join(membership)?));
        Ok(Box::new(BrokenMember { member, how: self.how }))
    }
}

impl Broken {
    /// Stores each record under an id of its own, so that no identity is ever met again; reading takes the addition off.
    async fn store_renamed(&self, batch: AppendBatch) -> Result<Vec<Logged>, AppendError> {
        let mut logged = Vec::new();
        for record in batch.records {
            let mut renamed = record.clone();
            renamed.event.id = format!("{}#{}", record.event.id, *self.log.moved().borrow()).into();
            logged.extend(self.log.append(AppendBatch { records: vec![renamed] }).await?);
        }
        Ok(logged)
    }
}

impl Observe for Broken {
    fn moved(&self) -> watch::Receiver<u64> {
        if !self.is(Sabotage::NeverMoves) {
            return self.log.moved();
        }
        watch::channel(0).1
    }

    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError> {
        self.log.orders(group, task, if self.is(Sabotage::OrdersNotPaged) { 0 } else { from }, limit)
    }

    fn health(&self) -> Health {
        self.log.health()
    }
}

struct BrokenMember {
    member: Arc<tokio::sync::Mutex<Box<dyn Member>>>,
    how: Sabotage,
}

impl Member for BrokenMember {
    fn next(&mut self) -> Answer<'_, Assignment> {
        Box::pin(async {
            match self.member.lock().await.next().await {
                Assignment::Assigned(mut assigned) => {
                    let behind = (self.how == Sabotage::StateBehind).then(Default::default);
                    assigned.state = Arc::new(BrokenState { state: assigned.state, how: self.how, behind });
                    Assignment::Assigned(assigned)
                }
                revoke => revoke,
            }
        })
    }

    fn commit(&self, mut commit: Commit) -> Answer<'static, Result<Committed, CommitError>> {
        let (member, how) = (self.member.clone(), self.how);
        for task in &mut commit.tasks {
            match how {
                Sabotage::PositionsNotCommitted => task.positions.clear(),
                Sabotage::OrdersNotCommitted => task.order = None,
                _ => {}
            }
        }
        Box::pin(async move {
            let member = member.lock().await;
            if how == Sabotage::CommitsInParts {
                for task in commit.tasks.drain(..) {
                    member.commit(Commit { tasks: vec![task] }).await?;
                }
            }
            match member.commit(commit).await {
                Err(CommitError::Fenced { .. }) if how == Sabotage::ZombiesAnswered => Ok(Committed { number: 1 }),
                answer => answer,
            }
        })
    }
}

struct BrokenState {
    state: Arc<dyn StateRead>,
    how: Sabotage,
    /// What was read first, where the state stays behind.
    behind: Option<std::sync::Mutex<Option<Option<Bytes>>>>,
}

impl StateRead for BrokenState {
    fn get(&self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let value = self.state.get(operator, key)?;
        Ok(match &self.behind {
            Some(behind) => behind.lock().unwrap().get_or_insert(value).clone(),
            None => value,
        })
    }

    fn scan(
        &self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        let direction = if self.how == Sabotage::ScansAscendOnly { Direction::Ascending } else { direction };
        self.state.scan(operator, from, to, direction, limit)
    }
}

fn check(how: Sabotage, case: &str) {
    let outcome = catch_unwind(|| {
        let open = move || -> Box<dyn OpenedLog> { Box::new(Broken { log: MemoryLog::new(), how }) };
        run(&open, Features { dense_offsets: true, deduplicates: true, reopens: true, compacts: true });
    });
    let failures = outcome.err().and_then(|panic| panic.downcast::<String>().ok());
    let failures = failures.unwrap_or_else(|| panic!("{how:?} was not noticed"));
    assert!(failures.contains(case), "{how:?} was noticed, but not by {case:?}:\n{failures}");
}

#[test]
fn each_broken_promise_is_noticed_by_its_case() {
    check(Sabotage::ReadsUnbounded, "a read stops after the bytes asked for");
    check(Sabotage::ReadsLoseTheLast, "what is appended is read as it was");
    check(Sabotage::BatchesInParts, "an unknown topic or partition refuses the whole batch");
    check(Sabotage::IdentitiesForgotten, "a repeated batch is answered with the first positions");
    check(Sabotage::NeverMoves, "appended records move the log");
    check(Sabotage::OffsetAtTooEarly, "offset_at gives the first record accepted then or later");
    check(Sabotage::CommitsInParts, "a commit to an unknown topic is refused and changes nothing");
    check(Sabotage::PositionsNotCommitted, "who joins gets the committed positions");
    check(Sabotage::OrdersNotCommitted, "order records are numbered from 0 and can be paged");
    check(Sabotage::StateBehind, "a state reader always shows the last commit");
    check(Sabotage::ZombiesAnswered, "a second join with the same seat fences the first");
    check(Sabotage::ScansAscendOnly, "scans keep to their bounds, directions and limits");
    check(Sabotage::OrdersNotPaged, "order records are numbered from 0 and can be paged");
    check(Sabotage::ReopensEmpty, "reopening keeps positions, state and orders");
}
