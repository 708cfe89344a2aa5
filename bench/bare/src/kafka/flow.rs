//! The loop of the limits: one member reads all partitions, two tasks transform what they are handed, each commits in transactions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use krafka::consumer::{AutoOffsetReset, Consumer, ConsumerRecord, IsolationLevel};
use krafka::producer::{TopicPartitionOffset, TransactionalProducer};
use krafka::{Compression, Kafka, Record};
use riverrun_bare::Outcome;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::topics::{self, FETCH_BYTES, POLL_RECORDS};
use super::{FLIGHTS, PARTITIONS, POLL};

/// Tasks that share the partitions.
const TASKS: usize = 2;
/// Batches that wait for a task.
const WAITING_MAX: usize = 4;

/// What is read and written.
#[derive(clap::Args, Clone)]
pub(super) struct Arguments {
    /// HOST:PORT of the broker
    #[arg(long)]
    brokers: String,
    /// The group that positions are committed for
    #[arg(long)]
    group: String,
    /// The topic of the outputs
    #[arg(long)]
    output: String,
    /// The topic of the changelog, if there is something to keep
    #[arg(long, default_value = "")]
    changelog: String,
    /// How long a transaction is filled
    #[arg(long, default_value_t = 100)]
    commit_interval_ms: u64,
    /// Taken as the other parts take it; nothing is kept
    #[arg(long)]
    directory: Option<PathBuf>,
}

impl Arguments {
    /// A record for the output, in the partition of its input.
    pub(super) fn output(&self, input: &ConsumerRecord, data: Vec<u8>, headers: krafka::Headers) -> Record {
        let mut record = Record::new(&self.output, data).partition(input.partition).timestamp(input.timestamp);
        (record.key, record.headers) = (input.key.clone(), headers);
        record
    }

    /// A changed row of the state.
    pub(super) fn change(&self, partition: i32, key: Vec<u8>, value: Option<Vec<u8>>) -> Record {
        let mut record = Record::new(&self.changelog, Vec::new()).partition(partition).key(key);
        record.value = value.map(Into::into);
        record
    }
}

/// What is done to the events; each task has its own.
pub(super) trait Transform: Clone + Send + 'static {
    /// Takes one event; gives the outputs that are due.
    fn take(&mut self, arguments: &Arguments, input: ConsumerRecord) -> Outcome<Vec<Record>>;

    /// What else a commit has to hold.
    fn changes(&mut self, arguments: &Arguments) -> Vec<Record>;
}

/// Transforms all that lay in the topic, and ends.
pub(super) async fn run<T: Transform>(
    arguments: &Arguments,
    prepare: impl AsyncFnOnce(&Kafka) -> Outcome<T>,
) -> Outcome<()> {
    let kafka = super::connect(&arguments.brokers).await?;
    let transform = prepare(&kafka).await?;
    let consumer = Arc::new(consumer(&kafka, &arguments.group).await?);
    let mut tasks = JoinSet::new();
    let mut places = Vec::new();
    for number in 0..TASKS {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        places.push(sender);
        let producer = producer(&kafka, &format!("{}-{number}", arguments.group)).await?;
        let task = Task { producer, consumer: Arc::clone(&consumer), transform: transform.clone() };
        let arguments = arguments.clone();
        tasks.spawn(async move { task.run(&arguments, receiver).await });
    }
    let mut left: i64 = topics::ends(&kafka, FLIGHTS, PARTITIONS).await?.into_values().sum();
    while left > 0 {
        let mut shares: [Vec<ConsumerRecord>; TASKS] = Default::default();
        for record in consumer.poll(POLL).await? {
            left -= 1;
            let share = usize::try_from(record.partition)? % TASKS;
            shares.get_mut(share).ok_or("no task for a partition")?.push(record);
        }
        for (place, share) in places.iter().zip(shares).filter(|(_, share)| !share.is_empty()) {
            place.send(share).await.map_err(|_| "a task ended")?;
        }
    }
    drop(places);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

async fn consumer(kafka: &Kafka, group: &str) -> Outcome<Consumer> {
    let consumer = kafka
        .consumer(group)
        .isolation_level(IsolationLevel::ReadCommitted)
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_commit(false)
        .max_partition_fetch_bytes(FETCH_BYTES)
        .max_poll_records(POLL_RECORDS)
        .max_buffered_records(PARTITIONS * POLL_RECORDS)
        .fetch_max_wait(POLL)
        .build()
        .await?;
    consumer.subscribe([FLIGHTS]).await?;
    Ok(consumer)
}

async fn producer(kafka: &Kafka, name: &str) -> Outcome<TransactionalProducer> {
    let builder =
        kafka.producer().compression(Compression::Lz4).batch_size(256 * 1024).linger(Duration::from_millis(5));
    Ok(builder.build_transactional(name).await?)
}

struct Task<T> {
    producer: TransactionalProducer,
    consumer: Arc<Consumer>,
    transform: T,
}

impl<T: Transform> Task<T> {
    async fn run(mut self, arguments: &Arguments, mut places: mpsc::Receiver<Vec<ConsumerRecord>>) -> Outcome<()> {
        let interval = Duration::from_millis(arguments.commit_interval_ms);
        while let Some(first) = places.recv().await {
            let end = Instant::now() + interval;
            let mut next = BTreeMap::new();
            self.producer.begin()?;
            self.take(arguments, first, &mut next).await?;
            while let Ok(Some(more)) = tokio::time::timeout_at(end, places.recv()).await {
                self.take(arguments, more, &mut next).await?;
            }
            for change in self.transform.changes(arguments) {
                drop(self.producer.enqueue(change).await?);
            }
            let positions: Vec<_> =
                next.into_iter().map(|(partition, next)| TopicPartitionOffset::new(FLIGHTS, partition, next)).collect();
            let member = self.consumer.group_metadata().await.ok_or("no member of the group")?;
            self.producer.send_offsets(&positions, &member).await?;
            self.producer.commit().await?;
        }
        Ok(())
    }

    async fn take(
        &mut self,
        arguments: &Arguments,
        records: Vec<ConsumerRecord>,
        next: &mut BTreeMap<i32, i64>,
    ) -> Outcome<()> {
        for record in records {
            next.insert(record.partition, record.offset + 1);
            for output in self.transform.take(arguments, record)? {
                // A record that is not written makes the commit fail.
                drop(self.producer.enqueue(output).await?);
            }
        }
        Ok(())
    }
}
