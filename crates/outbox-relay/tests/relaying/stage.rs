//! A database of one's own with an outbox, a log, and as many relays as wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use riverrun_accept::Acceptor;
use riverrun_event::limits::Limits;
use riverrun_event::{Offset, Partition, TopicName, TopicPartition};
use riverrun_log::{Retention, TopicSpec, Topics as _};
use riverrun_outbox::{Database, SchemaName, schema};
use riverrun_outbox_relay::admin::Admin;
use riverrun_outbox_relay::{Metrics, OnDead, ROTATE_BYTES_DEFAULT, Relay, RelayOptions, RelayStatus, StatusHandle};
use riverrun_topology::Topic;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::staged_log::{Mode, StagedLog};

/// Generous: what is waited for takes milliseconds, on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPICS: [&str; 2] = ["orders", "payments"];
const PARTITIONS: u32 = 2;

pub(crate) struct Stage {
    url: String,
    name: String,
    pub(crate) log: Arc<StagedLog>,
}

/// What came into the log: key, and the data's text.
pub(crate) type Came = (String, String);

impl Stage {
    pub(crate) async fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Ok(url) = std::env::var("RIVERRUN_TEST_POSTGRES") else {
            panic!(
                "RIVERRUN_TEST_POSTGRES names no database; `cargo xtask test` starts one, and so does `cargo xtask services start postgres`"
            )
        };
        let name = format!("relaying_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let server = Database::new(&url).unwrap().connect().await.unwrap();
        server.batch_execute(&format!("create database {name}")).await.unwrap();
        let log = Arc::new(StagedLog::default());
        let topics = TOPICS.map(|name| TopicSpec {
            name: TopicName::new(name).unwrap(),
            partitions: PARTITIONS,
            retention: Retention::default(),
        });
        log.ensure(&topics).await.unwrap();
        let stage = Self { url, name, log };
        let mut client = stage.client().await;
        schema::apply(&mut client, &SchemaName::default()).await.unwrap();
        stage
    }

    /// Removes the database.
    pub(crate) async fn end(self) {
        // Connections of the superuser may still be closing, and only it may end those.
        let server = Database::new(&self.url.replace("//riverrun@", "//postgres@")).unwrap().connect().await.unwrap();
        server.batch_execute(&format!("drop database if exists {} with (force)", self.name)).await.unwrap();
    }

    pub(crate) fn database(&self) -> Database {
        let (server, _) = self.url.rsplit_once('/').unwrap();
        Database::new(&format!("{server}/{}", self.name)).unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        self.database().connect().await.unwrap()
    }

    /// A role that may end the connections of others.
    pub(crate) async fn superuser(&self) -> Client {
        let (server, _) = self.url.rsplit_once('/').unwrap();
        let server = server.replace("//riverrun@", "//postgres@");
        Database::new(&format!("{server}/{}", self.name)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn admin(&self) -> Admin {
        Admin::connect(&self.database(), &SchemaName::default()).await.unwrap()
    }

    pub(crate) fn relay(&self) -> Running {
        self.relay_with(|_| {})
    }

    pub(crate) fn relay_with(&self, change: impl FnOnce(&mut RelayOptions)) -> Running {
        let topics = TOPICS.map(|name| Topic { partitions: PARTITIONS, ..Topic::new(TopicName::new(name).unwrap()) });
        let acceptor = Acceptor::new(topics, Limits::default()).unwrap();
        let mut options = RelayOptions {
            database: self.database(),
            schema: SchemaName::default(),
            attempts: 2,
            backoff: Duration::from_millis(50),
            on_dead: OnDead::Park,
            notify: true,
            poll: Duration::from_millis(100),
            rotate_bytes: ROTATE_BYTES_DEFAULT,
            limits: Limits::default(),
            entrances: false,
        };
        change(&mut options);
        let closing = watch::Sender::new(false);
        let log = Arc::clone(&self.log);
        let relay = Relay::new(options, Arc::new(acceptor), log, Metrics::default(), closing.subscribe());
        let status = relay.status();
        Running { status, running: tokio::spawn(relay.run()), closing }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.log.mode.lock().unwrap() = mode;
    }

    /// Everything in a topic, in the order of each partition.
    pub(crate) fn came(&self, topic: &str) -> Vec<Came> {
        let mut came = Vec::new();
        for partition in 0..PARTITIONS {
            let mut place = TopicPartition::new(TopicName::new(topic).unwrap(), Partition(partition)).at(Offset(0));
            loop {
                let records = riverrun_log::Log::read(&*self.log, &place, 1 << 20).unwrap();
                let Some(last) = records.last() else { break };
                place.offset = last.position.offset.next();
                came.extend(records.iter().map(|record| {
                    let data = record.event.data.as_deref().unwrap_or_default();
                    let key = record.event.key.as_ref().map(ToString::to_string).unwrap_or_default();
                    (key, String::from_utf8(data.to_vec()).unwrap())
                }));
            }
        }
        came
    }

    /// The data of the events of one key, in order.
    pub(crate) fn of_key(&self, topic: &str, key: &str) -> Vec<String> {
        self.came(topic).into_iter().filter(|(of, _)| of == key).map(|(_, data)| data).collect()
    }

    /// Waits until this many events are in a topic, and sees to it that there are no more.
    pub(crate) async fn has(&self, topic: &str, many: usize) {
        eventually(&format!("{many} events in {topic}"), async || self.came(topic).len() >= many).await;
        assert_eq!(self.came(topic).len(), many, "{:?}", self.came(topic));
    }

    /// How many rows are in the outbox.
    pub(crate) async fn rows(&self) -> i64 {
        self.client().await.query_one("select count(*) from riverrun_outbox", &[]).await.unwrap().get(0)
    }

    /// Waits until the outbox is empty.
    pub(crate) async fn is_emptied(&self) {
        let client = self.client().await;
        eventually("an empty outbox", async || {
            client.query_one("select count(*) from riverrun_outbox", &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
    }
}

/// A relay that runs.
pub(crate) struct Running {
    pub(crate) status: StatusHandle,
    running: JoinHandle<()>,
    closing: watch::Sender<bool>,
}

impl Running {
    /// Ends it as a server does.
    pub(crate) async fn end(self) {
        self.closing.send_replace(true);
        self.running.await.unwrap();
    }

    /// Ends it wherever it is, as kill -9 does.
    pub(crate) async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn is(&self, what: &str, wanted: impl Fn(&RelayStatus) -> bool) {
        eventually(what, async || wanted(&self.status.get())).await;
    }
}

pub(crate) async fn publish(client: &impl tokio_postgres::GenericClient, topic: &str, key: &str, data: &str) {
    client.query("select riverrun_publish($1, $2, 'happened', $3::text)", &[&topic, &key, &data]).await.unwrap();
}

pub(crate) async fn eventually(what: &str, done: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !done().await {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
