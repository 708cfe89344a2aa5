//! A site: PostgreSQL with an outbox, writers at it, and the instances that relay it into a log.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Plan;
use super::check::{self, Found};
use super::database::Database;
use super::transaction::{Connection, TOPIC, aggregates};
use super::writers::Writers;
use crate::failure::{Failure, Interruption, OrEnvironment};
use crate::instances::{Instances, Program};
use crate::reader::Reader;
use crate::report::say;
use crate::services::Postgres;

const PARTITIONS: usize = 4;
/// A topic that no app file has.
const UNKNOWN_TOPIC: &str = "unknown";
/// The number of events that [`Site::publish_unknown`] publishes for it.
pub(super) const UNKNOWN: usize = 5;
/// How often an instance tries a row.
const ATTEMPTS: i32 = 2;
/// How long everything may take to arrive after the last fault: the tasks of an instance that was killed wait for a session of 6 s and a
/// transaction of 20 s, a relay for 5 s until it looks for shards.
const ARRIVES_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where events are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Log<'a> {
    Embedded,
    /// On brokers at this address.
    Kafka(&'a str),
}

/// Everything of one run of a scenario.
pub(super) struct Site<'a> {
    plan: &'a Plan,
    interruption: Interruption,
    // In the order in which they have to go.
    pub(super) writers: Writers,
    pub(super) instances: Instances,
    pub(super) database: Database,
    pub(super) postgres: Postgres,
}

impl<'a> Site<'a> {
    /// Starts PostgreSQL, makes the outbox in it, and starts these instances. The first runs everything, the others relay only. Writers write
    /// nothing before they are let.
    ///
    /// # Errors
    /// [`Failure::Environment`] when something cannot be had, [`Failure::Broken`] when an instance does not come up.
    pub(super) fn start(
        plan: &'a Plan,
        log: Log<'_>,
        names: &[&str],
        interruption: &Interruption,
    ) -> Result<Self, Failure> {
        let postgres = Postgres::start(&plan.services)?;
        let program = match plan.sabotage {
            None => Program::CommandLine(plan.command_line.clone()),
            Some(_) => Program::Service(plan.service.clone()),
        };
        let app = |name: &str, data_directory: &Path| app_file(log, postgres.url(), name, data_directory);
        let mut instances = Instances::prepare(&program, &plan.directory, names, app, interruption)?;
        match plan.sabotage.as_deref() {
            // The service has no parts.
            Some(switch) => instances.sabotage(switch),
            None => (1..names.len()).for_each(|number| instances.add_arguments(number, &["--only", "outbox"])),
        }
        let mut init = instances.command(&plan.command_line);
        init.args(["outbox", "init", "--database", postgres.url()]);
        let output = init.output().or_environment("cannot start the command line")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::broken(format!("`riverrun outbox init` ended with {}: {said}", output.status)));
        }
        let database = Database::at(postgres.url(), plan.is_unlocked)?;
        database.prepare(&aggregates())?;
        let writers = Writers::start(&database, plan.seed);
        let mut site = Self { plan, interruption: interruption.clone(), writers, instances, database, postgres };
        site.instances.start_all()?;
        Ok(site)
    }

    /// Publishes events that cannot be relayed.
    ///
    /// # Errors
    /// [`Failure::Broken`] with what PostgreSQL said.
    pub(super) fn publish_unknown(&self) -> Result<(), Failure> {
        let published = self.database.runtime().block_on(async {
            let connection = Connection::open(self.database.config()).await?;
            for aggregate in aggregates().iter().take(UNKNOWN) {
                connection.publish(UNKNOWN_TOPIC, aggregate, 0, None).await?;
            }
            Ok(())
        });
        let refused = |error| Failure::broken(format!("publishing failed: {}", super::database::said(&error)));
        published.map_err(refused)
    }

    /// Lets all come to rest and compares everything. Nothing may be done to the site meanwhile or after it.
    ///
    /// # Errors
    /// [`Failure::Broken`] with every place that is wrong.
    pub(super) fn check(mut self, unknown: usize) -> Result<(), Failure> {
        let outcome = self.compare(unknown).and_then(|()| self.instances.end_all());
        self.judge(outcome)
    }

    /// Passes an outcome on, and keeps the evidence of one that is wrong.
    pub(super) fn judge<T>(&self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if let (Err(Failure::Broken(_)), Some(keep)) = (&outcome, &self.plan.keep) {
            self.instances.keep_evidence(keep, "outbox");
        }
        outcome
    }

    fn compare(&mut self, unknown: usize) -> Result<(), Failure> {
        let begun = Instant::now();
        self.instances.wait_ready()?;
        // Events of an aggregate come in their order, so once the last of each is in the topic there is nothing to come.
        let last = self.writers.close_aggregates(&self.database, &self.interruption)?;
        self.topic()?.wait(&last, ARRIVES_WITHIN, &self.interruption)?;
        let end = begun + ARRIVES_WITHIN;
        // A row is deleted after its event is in the log, and one that is tried again waits for its time.
        let left = loop {
            let wrong = check::table(&self.database.left()?, unknown, ATTEMPTS);
            if wrong.is_empty() || Instant::now() > end {
                break wrong;
            }
            self.interruption.sleep(LOOK_EVERY)?;
        };
        // A server closes connections that nobody uses for as long as that may have taken.
        let mut topic = self.topic()?;
        let (ledger, found) = (self.database.ledger()?, topic.read()?);
        let mut wrong = check::topic(&ledger, found);
        wrong.extend(left);
        let (committed, found) = (ledger.len(), found.len());
        let (again, seconds) = (self.writers.again(), begun.elapsed().as_secs_f64());
        say(format!(
            "  {committed} transactions committed, {again} attempts in vain, {found} events in the topic, at rest after {seconds:.1} s"
        ));
        Failure::unless_empty(wrong)
    }

    /// The topic as it comes in, from its beginning.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the first instance does not run.
    pub(super) fn topic(&self) -> Result<Topic, Failure> {
        let reader = Reader::new(self.instances.address(0)?);
        Ok(Topic { reader, ends: vec![0; PARTITIONS], found: Vec::new() })
    }
}

/// What was read of the topic.
pub(super) struct Topic {
    reader: Reader,
    ends: Vec<u64>,
    found: Vec<Found>,
}

impl Topic {
    /// Reads what has come.
    ///
    /// # Errors
    /// As [`Reader::read_on`].
    pub(super) fn read(&mut self) -> Result<&[Found], Failure> {
        let records = self.reader.read_on(TOPIC, &mut self.ends)?;
        self.found.extend(records.iter().map(Found::read));
        Ok(&self.found)
    }

    /// Reads until these numbers have come, or the time is over. Gives those that are missing then.
    ///
    /// # Errors
    /// As [`Reader::read_on`].
    pub(super) fn wait(
        &mut self,
        numbers: &[i64],
        within: Duration,
        interruption: &Interruption,
    ) -> Result<Vec<i64>, Failure> {
        let end = Instant::now() + within;
        loop {
            let found: BTreeSet<i64> = self.read()?.iter().map(|event| event.number).collect();
            let missing: Vec<i64> = numbers.iter().filter(|number| !found.contains(number)).copied().collect();
            if missing.is_empty() || Instant::now() > end {
                return Ok(missing);
            }
            interruption.sleep(LOOK_EVERY)?;
        }
    }
}

fn app_file(log: Log<'_>, url: &str, name: &str, data_directory: &Path) -> String {
    let log = match log {
        Log::Embedded => "log: local".to_owned(),
        Log::Kafka(brokers) => {
            format!(
                "log: kafka://{brokers}\nkafka: {{ instance: {name}, prefix: outbox., replication: 1, session: 6s }}"
            )
        }
    };
    // JSON strings are YAML strings, whatever the path has in it.
    let data_directory = Value::from(data_directory.to_string_lossy());
    format!(
        "app: outbox
{log}
data_dir: {data_directory}
listen: 127.0.0.1:0

outbox: {{ url: '{url}', attempts: {ATTEMPTS}, backoff: 100ms }}

topics:
  {TOPIC}: {{ partitions: {PARTITIONS} }}
"
    )
}
