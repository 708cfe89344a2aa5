//! What a transaction writes: records by partition, as batches.

use std::collections::HashMap;
use std::io;

use bytes::Bytes;
use riverrun_event::{Offset, TopicPartition};
use riverrun_log::{NewRecord, TaskId};

use super::batch::{Batch, Batches, Headers};
use super::failure::Failure;
use crate::binding;
use crate::changelog::partition_of;
use crate::cluster::Cluster;
use crate::options::Compression;

/// A partition that is written to, by its number among those of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(usize);

/// What a transaction writes.
#[derive(Default)]
pub(crate) struct Writes {
    compression: Compression,
    partitions: Vec<Partition<Batches>>,
    events: HashMap<TopicPartition, Place>,
}

/// One partition of it.
pub(super) struct Partition<B> {
    /// As the cluster calls it.
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) batches: B,
}

/// Where everything was written: the offset of the first record of each batch with the number of records, by partition.
pub(crate) struct Written(pub(super) Vec<Vec<(i64, i32)>>);

impl Writes {
    pub(crate) fn compressed(compression: Compression) -> Self {
        Self { compression, ..Self::default() }
    }

    /// Adds an event to its topic.
    pub(crate) fn event(&mut self, cluster: &Cluster, record: &NewRecord) -> Result<Place, Failure> {
        let NewRecord { topic, partition, event } = record;
        let to = TopicPartition::new(topic.clone(), *partition);
        let place = match self.events.get(&to) {
            Some(place) => *place,
            None => {
                let named = cluster.partition(&to);
                let place = self.place(named.topic, named.partition);
                self.events.insert(to, place);
                place
            }
        };
        let (key, value) = (event.key.as_ref().map(|key| key.as_bytes()), event.data.as_deref());
        let headers = |to: &mut Headers<'_>| {
            binding::put_headers(event, |prefix, name, value| to.add(prefix, name, value));
        };
        self.add(place, |batches| batches.add(key, value, headers))?;
        Ok(place)
    }

    /// The changelog of a task, to be written to.
    pub(crate) fn changelog(&mut self, changelog: &str, task: TaskId) -> Place {
        self.place(changelog.to_owned(), partition_of(task))
    }

    /// Adds a row to a changelog.
    pub(crate) fn row(&mut self, changelog: Place, key: &[u8], value: Option<&Bytes>) -> Result<(), Failure> {
        self.add(changelog, |batches| batches.add(Some(key), value.map(|value| &value[..]), |_| {}))
    }

    /// Adds so many records that say nothing.
    pub(crate) fn fill(&mut self, topic: &str, partition: i32, records: u64) -> Result<(), Failure> {
        if records > 0 {
            let place = self.place(topic.to_owned(), partition);
            (0..records).try_for_each(|_| self.add(place, |batches| batches.add(None, Some(&[]), |_| {})))?;
        }
        Ok(())
    }

    /// The partitions of topics, with their places.
    pub(crate) fn topics(&self) -> HashMap<Place, TopicPartition> {
        self.events.iter().map(|(partition, place)| (*place, partition.clone())).collect()
    }

    fn place(&mut self, topic: String, partition: i32) -> Place {
        self.partitions.push(Partition { topic, partition, batches: Batches::compressed(self.compression) });
        Place(self.partitions.len() - 1)
    }

    fn add(&mut self, place: Place, add: impl FnOnce(&mut Batches) -> io::Result<()>) -> Result<(), Failure> {
        let Some(partition) = self.partitions.get_mut(place.0) else { return Ok(()) };
        add(&mut partition.batches).map_err(not_encoded)
    }

    /// All of it, ready to be sent.
    pub(super) fn finish(self) -> Result<Vec<Partition<Vec<Batch>>>, Failure> {
        let finish = |Partition { topic, partition, batches }: Partition<Batches>| {
            Ok(Partition { topic, partition, batches: batches.finish().map_err(not_encoded)? })
        };
        self.partitions.into_iter().map(finish).collect()
    }
}

impl Written {
    /// The offsets of the records of a place, in the order they were added; -1 where the cluster did not tell.
    pub(crate) fn offsets(&self, place: Place) -> impl Iterator<Item = i64> {
        let batches = self.0.get(place.0).into_iter().flatten();
        batches
            .flat_map(|(first, count)| (0..i64::from(*count)).map(move |nth| if *first < 0 { -1 } else { first + nth }))
    }

    /// The first offset of each partition of topics.
    pub(crate) fn oldest(&self, topics: &HashMap<Place, TopicPartition>) -> HashMap<TopicPartition, Offset> {
        by_partition(topics, |place| self.offsets(place).next())
    }

    /// The last offset of each partition of topics.
    pub(crate) fn newest(&self, topics: &HashMap<Place, TopicPartition>) -> HashMap<TopicPartition, Offset> {
        by_partition(topics, |place| self.offsets(place).last())
    }
}

/// An offset of each partition, but for those of which the cluster did not tell.
fn by_partition(
    topics: &HashMap<Place, TopicPartition>,
    offset: impl Fn(Place) -> Option<i64>,
) -> HashMap<TopicPartition, Offset> {
    let found = |(place, partition): (&Place, &TopicPartition)| {
        Some((partition.clone(), Offset(u64::try_from(offset(*place)?).ok()?)))
    };
    topics.iter().filter_map(found).collect()
}

fn not_encoded(error: io::Error) -> Failure {
    Failure::Refused(format!("a record cannot be encoded: {error}"))
}
