//! Compaction of topics that keep the newest record of each key only.
//!
//! One thread reads and decides; the committer replaces what it is handed, a few batches at a time, each time in one commit. So a
//! crash leaves the partition as it was before some commit, and nobody waits for more than one of them. A replaced batch keeps its
//! range of offsets and the hash its successor names. The last batch of a partition is left alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use riverrun_event::{Event, Offset, Partition, Time};
use riverrun_log::compaction::{Compaction, Facts, Survey};
use riverrun_log::identity::half_hash;
use riverrun_store::{Row, Snapshot};

use crate::committer::Stop;
use crate::committer::queue::{Control, Rewrite};
use crate::directory::Topic;
use crate::local::Inner;
use crate::options::{Clock, Compression};
use crate::prepare::BATCH_BYTES_MAX;
use crate::record::{self, Placed};
use crate::stored::PartitionId;
use crate::stored::batch::{self, BatchKey, ChainHash, Codec, Header};

/// Keys looked at in one pass: some 40 MB. A partition with more is done in shares, a share of its keys at a time.
const KEYS_MAX: usize = 512 * 1024;

/// Bytes of batches replaced by one commit, so that nobody waits long behind it.
const REPLACED_BYTES_MAX: u64 = 1024 * 1024;

/// The thread. Dropping it ends it.
pub(crate) struct Compactor {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Compactor {
    pub(crate) fn start(log: &Arc<Inner>, clock: Clock, interval: Duration) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let work = Work { log: Arc::clone(log), clock, stopped, known: HashMap::new() };
        let run = move || work.run(interval);
        let thread = std::thread::Builder::new().name("riverrun-compact".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // What it was about to do is done after the next opening.
            let _ = thread.join();
        }
    }
}

/// What a pass over a partition learned for the next one.
#[derive(Clone, Copy)]
struct Known {
    latest: Time,
    /// Everything before it was compacted.
    done_until: u64,
    /// Records left before it.
    kept: u64,
    /// One of how many shares of the keys is next.
    share: (u8, u8),
}

struct Work {
    log: Arc<Inner>,
    clock: Clock,
    stopped: Receiver<()>,
    known: HashMap<PartitionId, Known>,
}

/// Why a pass ended early.
enum Ended {
    /// The log closes.
    Closing,
    /// It cannot be read or written.
    Failed(String),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Failed(stop.0)
    }
}

impl<E: std::error::Error> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A partition under compaction.
struct Pass {
    topic: Arc<Topic>,
    id: PartitionId,
    compaction: Compaction,
    snapshot: Snapshot,
    start: u64,
    end: u64,
    now: Time,
    share: (u8, u8),
}

/// Key of a record: a hash of it, since keys may be long.
type KeyHash = [u8; 16];

impl Pass {
    /// The key of an event, if it has one and belongs to the share that is looked at.
    fn key(&self, event: &Event) -> Option<KeyHash> {
        let hash = half_hash(event.key.as_ref()?.as_bytes());
        let (share, shares) = self.share;
        hash.last().is_some_and(|last| last % shares == share).then_some(hash)
    }
}

impl Work {
    fn run(mut self, interval: Duration) {
        while self.stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            match self.all_topics() {
                Ok(()) => {}
                Err(Ended::Closing) => return,
                Err(Ended::Failed(reason)) => tracing::error!(reason, "a topic cannot be compacted"),
            }
        }
    }

    fn all_topics(&mut self) -> Result<(), Ended> {
        for topic in self.log.directory.topics() {
            let Some(compaction) = topic.retention().compaction else { continue };
            for partition in 0..topic.spec().partitions {
                while self.partition(&topic, topic.partition_id(Partition(partition)), compaction)? {}
            }
        }
        Ok(())
    }

    /// One pass over a partition, where enough has come since the last one; true when another share of its keys is to follow.
    fn partition(&mut self, topic: &Arc<Topic>, id: PartitionId, compaction: Compaction) -> Result<bool, Ended> {
        let Some(bounds) = topic.bounds(id.partition) else { return Ok(false) };
        let snapshot = self.log.store.snapshot();
        let (start, end, now) = (bounds.start(), bounds.end(), self.clock.now());
        let known = self.known.get(&id).copied();
        let share = known.map_or((0, 1), |known| known.share);
        let mut pass = Pass { topic: Arc::clone(topic), id, compaction, snapshot, start, end, now, share };
        let until = self.compactable_until(&pass)?;
        // Reading all of it again pays once half as much has come as was left.
        let is_due = known.is_none_or(|known| share.0 > 0 || (until - until.min(known.done_until)) * 2 > known.kept);
        if until <= start || !is_due {
            return Ok(false);
        }
        let latest = known.map_or_else(|| self.latest(&pass), |known| Ok(known.latest))?;
        let (survey, latest) = loop {
            let mut survey = Survey::new(compaction, now, latest);
            match self.survey(&pass, &mut survey, latest)? {
                Some(latest) => break (survey, latest),
                // Too many keys for one pass; of twice as many shares each has half.
                None if pass.share.1 < 128 => pass.share.1 *= 2,
                None => return Err(Ended::Failed(format!("{}/{} has too many keys", topic.name, id.partition))),
            }
        };
        let kept = self.rewrite(&pass, &survey, until)?;
        let (share, shares) = pass.share;
        let next = if share + 1 < shares { share + 1 } else { 0 };
        self.known.insert(id, Known { latest, done_until: until, kept, share: (next, shares) });
        Ok(next > 0)
    }

    /// Behind the last batch that is neither fresh nor the last one.
    fn compactable_until(&self, pass: &Pass) -> Result<u64, Ended> {
        let Some(last) = pass.end.checked_sub(1) else { return Ok(0) };
        let newest = self.log.last_batch_at(&pass.snapshot, pass.id, last).map_err(Ended::Failed)?;
        let newest = newest.map_or(0, |(key, _)| key.base);
        let place = riverrun_event::TopicPartition::new(pass.topic.name.clone(), Partition(pass.id.partition));
        let fresh = pass.now.minus(pass.compaction.after).plus(Duration::from_nanos(1));
        Ok(self.log.offset_at(&place, fresh)?.0.min(newest))
    }

    /// The latest event time of the partition.
    fn latest(&self, pass: &Pass) -> Result<Time, Ended> {
        let mut latest = Time::from_unix(i64::MIN, 0);
        self.each_record(pass, |_, facts| {
            latest = latest.max(facts.time);
            true
        })?;
        Ok(latest)
    }

    /// Shows all records to the survey; gives the latest event time, or nothing where there were too many keys.
    fn survey(&self, pass: &Pass, survey: &mut Survey<KeyHash>, mut latest: Time) -> Result<Option<Time>, Ended> {
        let whole = self.each_record(pass, |event, facts| {
            latest = latest.max(facts.time);
            if let Some(key) = pass.key(event) {
                survey.see(key, facts);
            }
            survey.keys() <= KEYS_MAX
        })?;
        Ok(whole.then_some(latest))
    }

    /// Calls `each` with every record until it says no; whether it never did.
    fn each_record(&self, pass: &Pass, mut each: impl FnMut(&Event, Facts) -> bool) -> Result<bool, Ended> {
        for row in self.rows(pass, pass.end) {
            let row = row?;
            self.go_on()?;
            let key = batch::decode_key(&row.key)?;
            let (header, body) = batch::decode_value(&row.key, &row.value)?;
            let raw = batch::records(&header, body)?;
            for placed in Placed::new(key.base, &header, &raw) {
                let (offset, accepted, encoded) = placed?;
                let event = record::decode(&raw, encoded)?;
                if !each(&event, facts(&event, offset, accepted)) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn rows(&self, pass: &Pass, until: u64) -> riverrun_store::Rows {
        let first = batch::encode_key(BatchKey { partition: pass.id, base: pass.start });
        let last = batch::encode_key(BatchKey { partition: pass.id, base: until });
        pass.snapshot.scan(&self.log.keyspaces.records, &first[..]..&last[..])
    }

    fn go_on(&self) -> Result<(), Ended> {
        match self.stopped.try_recv() {
            Err(mpsc::TryRecvError::Disconnected) => Err(Ended::Closing),
            Ok(()) | Err(mpsc::TryRecvError::Empty) => Ok(()),
        }
    }

    /// Replaces what loses records, up to `until`; says how many records are left before it.
    fn rewrite(&self, pass: &Pass, survey: &Survey<KeyHash>, until: u64) -> Result<u64, Ended> {
        let mut kept = 0;
        let mut group: Option<Group> = None;
        for row in self.rows(pass, until) {
            let row = row?;
            self.go_on()?;
            let next = Group::of(pass, survey, &row)?;
            kept += next.records;
            group = match group.take() {
                Some(mut open) if open.takes(&next) => {
                    open.join(next)?;
                    Some(open)
                }
                open => {
                    self.replace(pass, open)?;
                    Some(next)
                }
            };
        }
        self.replace(pass, group)?;
        Ok(kept)
    }

    /// Has the committer replace the batches of a group, where that changes anything.
    fn replace(&self, pass: &Pass, group: Option<Group>) -> Result<(), Ended> {
        let Some(group) = group.filter(Group::is_worth_it) else { return Ok(()) };
        let (answer, answered) = mpsc::channel();
        let rewrite = Rewrite {
            partition: pass.id,
            value: group.value(pass.id, self.log.directory.compression),
            bases: group.bases,
            bytes_before: group.bytes,
            records_dropped: group.dropped,
            answer,
        };
        self.log.queue.push_control(Control::Rewrite(rewrite)).map_err(|_| Ended::Closing)?;
        answered.recv().map_err(|_| Ended::Closing)
    }
}

fn facts(event: &Event, offset: u64, accepted: Time) -> Facts {
    Facts { time: event.time.unwrap_or(accepted), accepted, offset: Offset(offset), deletes: event.data.is_none() }
}

/// Neighbouring batches on their way to becoming one.
struct Group {
    bases: Vec<u64>,
    /// Their header, as one: the first's predecessor, the last's accept time.
    header: Header,
    resume: ChainHash,
    /// What is left, each record with its accept time.
    left: Vec<(u64, Time, Vec<u8>)>,
    left_bytes: usize,
    records: u64,
    dropped: u64,
    /// As stored so far.
    bytes: u64,
}

impl Group {
    /// A batch by itself, without the records that go.
    fn of(pass: &Pass, survey: &Survey<KeyHash>, row: &Row) -> Result<Self, Ended> {
        let key = batch::decode_key(&row.key)?;
        let (header, body) = batch::decode_value(&row.key, &row.value)?;
        let raw = batch::records(&header, body)?;
        let mut group = Self {
            bases: vec![key.base],
            header,
            resume: batch::next_previous(&row.key, &row.value, &header, body),
            left: Vec::new(),
            left_bytes: 0,
            records: 0,
            dropped: 0,
            bytes: row.value.len() as u64,
        };
        for placed in Placed::new(key.base, &header, &raw) {
            let (offset, accepted, encoded) = placed?;
            let event = record::decode(&raw, encoded)?;
            let keeps = |key: KeyHash| survey.keeps(&key, facts(&event, offset, accepted));
            if pass.key(&event).is_none_or(keeps) {
                group.left_bytes += encoded.len();
                group.left.push((offset, accepted, encoded.to_vec()));
                group.records += 1;
            } else {
                group.dropped += 1;
            }
        }
        Ok(group)
    }

    /// Whether the next batch may become one with these: whole ones stay by themselves, and so does what stands for lost records.
    fn takes(&self, next: &Self) -> bool {
        let loses = |group: &Self| group.header.codec != Codec::Lost && (group.dropped > 0 || group.header.compacted);
        loses(self)
            && loses(next)
            && self.left_bytes + next.left_bytes <= BATCH_BYTES_MAX
            && self.bytes + next.bytes <= REPLACED_BYTES_MAX
            && self.header.count.checked_add(next.header.count).is_some()
    }

    fn join(&mut self, next: Self) -> Result<(), Ended> {
        let count = self.header.count.checked_add(next.header.count);
        self.header.count = count.ok_or_else(|| Ended::Failed("a batch takes too many offsets".to_owned()))?;
        self.header.accepted = next.header.accepted;
        self.resume = next.resume;
        self.bases.extend(next.bases);
        self.left.extend(next.left);
        self.left_bytes += next.left_bytes;
        self.records += next.records;
        self.dropped += next.dropped;
        self.bytes += next.bytes;
        Ok(())
    }

    fn is_worth_it(&self) -> bool {
        self.dropped > 0 || self.bases.len() > 1
    }

    /// The batch that takes their place.
    fn value(&self, partition: PartitionId, compression: Compression) -> Vec<u8> {
        let base = self.bases.first().copied().unwrap_or_default();
        let mut raw = Vec::with_capacity(self.left_bytes + self.left.len() * 8);
        for (offset, accepted, encoded) in &self.left {
            record::place(&mut raw, offset - base, self.header.accepted.since(*accepted), encoded);
        }
        let key = batch::encode_key(BatchKey { partition, base });
        let mut value = Vec::new();
        let compressed = compression.compress(&raw);
        batch::encode_compacted(&mut value, &key, &self.header, self.resume, &raw, compressed.as_deref());
        value
    }
}
